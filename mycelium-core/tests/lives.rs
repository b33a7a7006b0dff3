//! Actors that are kept: what of one life reaches the next, and what does not.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows tests by their attribute, not their helpers"
)]

#[path = "kit/ended.rs"]
mod ended;
#[path = "kit/kept.rs"]
mod kept;
#[path = "kit/node.rs"]
mod node;

use std::time::Duration;

use mycelium_core::{
    Actor, ActorRef, ActorResult, AskError, Context, DeadLetterNotice, DeadLetterReason, ReplyTo,
    Restarted, SendError, StopReason, Terminated,
};
use tokio::{
    sync::{
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        oneshot,
    },
    task::yield_now,
    time,
};

use crate::{ended::ended, kept::Kept, kept::Told, node::node};

/// Handles numbers, and does what it is told.
struct Worker {
    life: u32,
    seen: UnboundedSender<Seen>,
}

enum Work {
    Number(u64),
    Ask(ReplyTo<u32>),
    Fail,
    FailAsked(ReplyTo<u32>),
    Panic,
    /// Stays in the handler until it is let go, or dropped.
    Stay(oneshot::Sender<()>, oneshot::Receiver<()>),
    /// Waits until this actor is asked to end.
    Cancelled,
    RemindEvery(Duration),
    Adopt(ReplyTo<ActorRef<u64>>),
}

#[derive(Debug, PartialEq)]
enum Seen {
    /// A number, and by which life.
    Number(u32, u64),
    Cancelled(u32),
    Stopped(u32, StopReason),
}

/// Does nothing.
struct Idle;

impl Actor for Idle {
    type Message = u64;

    async fn handle(&mut self, _: u64, _: &mut Context<Self>) -> ActorResult {
        Ok(())
    }
}

impl Actor for Worker {
    type Message = Work;

    async fn handle(&mut self, work: Work, cx: &mut Context<Self>) -> ActorResult {
        match work {
            Work::Number(number) => self.seen.send(Seen::Number(self.life, number))?,
            Work::Ask(reply) => reply.send(self.life),
            Work::Fail => return Err("told to fail".into()),
            Work::FailAsked(_reply) => return Err("told to fail".into()),
            Work::Panic => panic!("told to panic"),
            Work::Stay(inside, go_on) => {
                let _ = inside.send(());
                let _ = go_on.await;
            }
            Work::Cancelled => {
                cx.cancelled().await;
                self.seen.send(Seen::Cancelled(self.life))?;
            }
            Work::RemindEvery(period) => drop(cx.send_interval(period, || Work::Number(0))),
            Work::Adopt(reply) => reply.send(cx.spawn(Idle)),
        }
        Ok(())
    }

    async fn stopped(&mut self, reason: &StopReason) {
        let _ = self.seen.send(Seen::Stopped(self.life, reason.clone()));
    }
}

/// A kept worker, and what its lives see.
async fn worker() -> (Kept<Worker>, UnboundedReceiver<Seen>) {
    let node = node().await;
    let (seen, all) = unbounded_channel();
    let mut life = 0;
    let make = move || {
        life += 1;
        Worker {
            life,
            seen: seen.clone(),
        }
    };
    (Kept::new(&node, make), all)
}

fn failed() -> StopReason {
    StopReason::Failed("told to fail".into())
}

#[tokio::test]
async fn what_comes_before_the_first_life_waits_for_it() {
    let (mut worker, mut seen) = worker().await;
    worker.actor.send(Work::Number(7)).await.unwrap();
    assert!(!worker.actor.is_alive());
    assert_eq!(worker.live().await, 1);
    assert!(worker.actor.is_alive());
    assert_eq!(seen.recv().await, Some(Seen::Number(1, 7)));
}

#[tokio::test]
async fn the_next_life_goes_on_behind_the_message_that_failed() {
    let (mut worker, mut seen) = worker().await;
    for message in [
        Work::Number(1),
        Work::Fail,
        Work::Number(2),
        Work::Number(3),
    ] {
        worker.actor.send(message).await.unwrap();
    }
    worker.live().await;
    assert_eq!(worker.ended().await, failed());
    assert!(!worker.actor.is_alive());
    worker.actor.send(Work::Number(4)).await.unwrap();
    assert_eq!(worker.live().await, 2);
    let (first, stopped) = (Seen::Number(1, 1), Seen::Stopped(1, failed()));
    let rest = [2, 3, 4].map(|number| Seen::Number(2, number));
    for expected in [first, stopped].into_iter().chain(rest) {
        assert_eq!(seen.recv().await, Some(expected));
    }
}

#[tokio::test]
async fn a_panic_ends_the_life_only() {
    let (mut worker, mut seen) = worker().await;
    worker.live().await;
    worker.actor.send(Work::Panic).await.unwrap();
    worker.actor.send(Work::Number(1)).await.unwrap();
    let panicked = StopReason::Panicked("told to panic".into());
    assert_eq!(worker.ended().await, panicked);
    worker.live().await;
    assert_eq!(seen.recv().await, Some(Seen::Number(2, 1)));
}

#[tokio::test]
async fn the_asker_of_the_failed_message_is_told_and_queued_asks_are_answered_by_the_next_life() {
    let (mut worker, _seen) = worker().await;
    let actor = worker.actor.clone();
    let (failing, waiting) = (actor.ask(Work::FailAsked), actor.ask(Work::Ask));
    let both = async { tokio::join!(failing, waiting) };
    let lives = async {
        worker.live().await;
        assert_eq!(worker.ended().await, failed());
        worker.live().await;
    };
    let ((failing, waiting), ()) = tokio::join!(both, lives);
    assert!(matches!(failing, Err(AskError::NoReply)));
    assert_eq!(waiting.unwrap(), 2);
}

#[tokio::test]
async fn a_stop_ends_the_life_behind_what_was_sent_before_and_keeps_the_rest() {
    let (mut worker, mut seen) = worker().await;
    worker.live().await;
    let (inside, entered) = oneshot::channel();
    let (go_on, waits) = oneshot::channel();
    worker.actor.send(Work::Stay(inside, waits)).await.unwrap();
    entered.await.unwrap();
    // More than a batch on either side of the stop.
    for number in 0..100 {
        worker.actor.send(Work::Number(number)).await.unwrap();
    }
    worker.actor.stop();
    go_on.send(()).unwrap();
    // The runner has seen the stop once it handles the first number.
    assert_eq!(seen.recv().await, Some(Seen::Number(1, 0)));
    for number in 100..200 {
        worker.actor.send(Work::Number(number)).await.unwrap();
    }
    assert_eq!(worker.ended().await, StopReason::Stopped);
    worker.live().await;
    let mut all = Vec::new();
    while all.len() < 200 {
        all.push(seen.recv().await.unwrap());
    }
    let first = (1..100).map(|number| Seen::Number(1, number));
    let stopped = Seen::Stopped(1, StopReason::Stopped);
    let then = (100..200).map(|number| Seen::Number(2, number));
    let expected: Vec<_> = first.chain([stopped]).chain(then).collect();
    assert_eq!(all, expected);
}

#[tokio::test]
async fn a_recall_ends_the_life_after_the_message_at_hand() {
    let (mut worker, mut seen) = worker().await;
    worker.live().await;
    let (inside, entered) = oneshot::channel();
    let (go_on, waits) = oneshot::channel();
    worker.actor.send(Work::Stay(inside, waits)).await.unwrap();
    entered.await.unwrap();
    worker.actor.send(Work::Number(1)).await.unwrap();
    worker.handle.recall();
    go_on.send(()).unwrap();
    assert_eq!(worker.ended().await, StopReason::Stopped);
    worker.live().await;
    let stopped = Seen::Stopped(1, StopReason::Stopped);
    assert_eq!(seen.recv().await, Some(stopped));
    assert_eq!(seen.recv().await, Some(Seen::Number(2, 1)));
}

#[tokio::test]
async fn a_kill_ends_a_handler_that_waits_and_keeps_the_mailbox() {
    let (mut worker, mut seen) = worker().await;
    worker.live().await;
    let (inside, entered) = oneshot::channel();
    let (go_on, waits) = oneshot::channel();
    worker.actor.send(Work::Stay(inside, waits)).await.unwrap();
    entered.await.unwrap();
    worker.actor.send(Work::Number(1)).await.unwrap();
    worker.actor.kill();
    assert_eq!(worker.ended().await, StopReason::Killed);
    assert!(go_on.is_closed(), "the handler was dropped");
    worker.live().await;
    assert_eq!(
        seen.recv().await,
        Some(Seen::Number(2, 1)),
        "`stopped` does not run"
    );
}

#[tokio::test]
async fn what_is_asked_of_a_life_that_is_over_does_not_reach_the_next() {
    let (mut worker, mut seen) = worker().await;
    worker.live().await;
    worker.actor.send(Work::Fail).await.unwrap();
    assert_eq!(worker.ended().await, failed());
    worker.actor.kill();
    worker.actor.stop();
    worker.handle.recall();
    worker.live().await;
    worker.actor.send(Work::Number(1)).await.unwrap();
    assert_eq!(seen.recv().await, Some(Seen::Stopped(1, failed())));
    assert_eq!(seen.recv().await, Some(Seen::Number(2, 1)));
}

#[tokio::test]
async fn a_life_is_told_that_it_is_asked_to_end() {
    let (mut worker, mut seen) = worker().await;
    for life in [1, 2] {
        worker.live().await;
        worker.actor.send(Work::Cancelled).await.unwrap();
        worker.actor.send(Work::Number(0)).await.unwrap();
        worker.actor.stop();
        assert_eq!(worker.ended().await, StopReason::Stopped);
        assert_eq!(seen.recv().await, Some(Seen::Cancelled(life)));
        assert_eq!(seen.recv().await, Some(Seen::Number(life, 0)));
        let stopped = Seen::Stopped(life, StopReason::Stopped);
        assert_eq!(seen.recv().await, Some(stopped));
    }
}

#[tokio::test(start_paused = true)]
async fn timers_of_a_life_end_with_it() {
    let (mut worker, mut seen) = worker().await;
    worker.live().await;
    let period = Duration::from_secs(1);
    worker.actor.send(Work::RemindEvery(period)).await.unwrap();
    assert_eq!(seen.recv().await, Some(Seen::Number(1, 0)));
    worker.actor.kill();
    assert_eq!(worker.ended().await, StopReason::Killed);
    worker.live().await;
    let quiet = time::timeout(Duration::from_mins(1), seen.recv()).await;
    assert!(quiet.is_err());
}

#[tokio::test]
async fn children_end_with_the_life_that_spawned_them() {
    let (mut worker, _seen) = worker().await;
    worker.live().await;
    let child = worker.actor.ask(Work::Adopt).await.unwrap();
    worker.actor.send(Work::Fail).await.unwrap();
    assert_eq!(ended(&child).await, StopReason::Stopped);
    assert_eq!(worker.ended().await, failed());
    worker.live().await;
    let child = worker.actor.ask(Work::Adopt).await.unwrap();
    worker.actor.kill();
    assert_eq!(ended(&child).await, StopReason::Killed);
}

#[tokio::test]
async fn an_actor_that_is_dismissed_is_gone_for_all() {
    let node = node().await;
    let mut letters = node.dead_letters();
    let mut idle = Kept::new(&node, || Idle);
    for number in 0..3 {
        idle.actor.send(number).await.unwrap();
    }
    idle.handle.dismiss(StopReason::Stopped);
    assert_eq!(ended(&idle.actor).await, StopReason::Stopped);
    let refused = idle.actor.send(4).await;
    assert!(matches!(
        refused,
        Err(SendError::ActorDown { message: 4, .. })
    ));
    let Some(DeadLetterNotice::Letter(letter)) = letters.next().await else {
        panic!("no letter");
    };
    assert_eq!(letter.count, 3);
    assert_eq!(
        letter.reason,
        DeadLetterReason::ActorEnded(StopReason::Stopped)
    );
    idle.handle.revive();
    drop(idle.handle);
    assert!(idle.told.try_recv().is_err(), "there was no life");
    assert_eq!(node.actors_len(), 0);
}

#[tokio::test]
async fn an_actor_that_lives_and_is_dismissed_is_dropped_at_its_next_await() {
    let (mut worker, _seen) = worker().await;
    worker.live().await;
    let (inside, entered) = oneshot::channel();
    let (go_on, waits) = oneshot::channel();
    worker.actor.send(Work::Stay(inside, waits)).await.unwrap();
    entered.await.unwrap();
    drop(worker.handle);
    assert_eq!(ended(&worker.actor).await, StopReason::Stopped);
    assert!(go_on.is_closed());
    assert_eq!(
        worker.told.recv().await,
        Some(Told::Ended(1, StopReason::Stopped))
    );
}

#[tokio::test]
async fn a_panic_of_what_makes_the_actor_ends_its_life() {
    let node = node().await;
    let mut is_first = true;
    let mut idle = Kept::new(&node, move || {
        assert!(!std::mem::take(&mut is_first), "not yet");
        Idle
    });
    idle.handle.revive();
    assert_eq!(idle.ended().await, StopReason::Panicked("not yet".into()));
    assert_eq!(idle.live().await, 2);
}

#[tokio::test]
async fn the_shutdown_of_a_node_leaves_it_to_the_keeper_and_then_kills() {
    let (mut worker, _seen) = worker().await;
    worker.live().await;
    let node = mycelium_core::Node::builder("other").start().await.unwrap();
    let mut idle = Kept::new(&node, || Idle);
    idle.live().await;
    let none = Duration::ZERO;
    let killed = node.shutdown(none).await.unwrap_err();
    assert_eq!(killed.killed_actors, 1);
    assert_eq!(ended(&idle.actor).await, StopReason::Killed);
}

/// Watches a worker, in both ways.
struct Watcher {
    worker: ActorRef<Work>,
    told: UnboundedSender<Notice>,
}

#[derive(Debug, PartialEq)]
enum Notice {
    Restarted(u32, u32, StopReason),
    Gone(StopReason),
}

impl Actor for Watcher {
    type Message = Option<oneshot::Receiver<()>>;

    async fn started(&mut self, cx: &mut Context<Self>) -> ActorResult {
        cx.watch_restarts(&self.worker)?;
        Ok(cx.watch(&self.worker)?)
    }

    async fn handle(&mut self, stay: Self::Message, cx: &mut Context<Self>) -> ActorResult {
        match stay {
            Some(go_on) => go_on.await?,
            None => assert!(cx.unwatch_restarts(&self.worker)),
        }
        Ok(())
    }

    async fn restarted(&mut self, notice: Restarted, _: &mut Context<Self>) -> ActorResult {
        assert!(notice.concerns(&self.worker));
        let Restarted { life, restarts, .. } = notice;
        let told = Notice::Restarted(life, restarts, notice.reason);
        Ok(self.told.send(told)?)
    }

    async fn terminated(&mut self, notice: Terminated, _: &mut Context<Self>) -> ActorResult {
        Ok(self.told.send(Notice::Gone(notice.reason))?)
    }
}

#[tokio::test]
async fn a_watcher_is_told_of_restarts_and_once_of_the_end() {
    let (mut worker, _seen) = worker().await;
    let node = node().await;
    let (told, mut notices) = unbounded_channel();
    let of = worker.actor.clone();
    let watcher = node.spawn(Watcher { worker: of, told });
    let (go_on, stay) = oneshot::channel();
    watcher.send(Some(stay)).await.unwrap();
    while watcher_is_waiting(&watcher) {
        yield_now().await;
    }
    for _ in 0..3 {
        worker.live().await;
        worker.actor.send(Work::Fail).await.unwrap();
        worker.ended().await;
    }
    worker.live().await;
    go_on.send(()).unwrap();
    let restarted = Notice::Restarted(4, 3, failed());
    assert_eq!(
        notices.recv().await,
        Some(restarted),
        "three restarts are one notice"
    );
    worker.actor.kill();
    worker.ended().await;
    worker.live().await;
    let restarted = Notice::Restarted(5, 1, StopReason::Killed);
    assert_eq!(notices.recv().await, Some(restarted));
    watcher.send(None).await.unwrap();
    worker.actor.kill();
    worker.ended().await;
    worker.live().await;
    worker.handle.dismiss(StopReason::Stopped);
    let gone = Notice::Gone(StopReason::Stopped);
    assert_eq!(
        notices.recv().await,
        Some(gone),
        "no restart after `unwatch_restarts`"
    );
}

fn watcher_is_waiting<M: mycelium_core::Message>(actor: &ActorRef<M>) -> bool {
    let ActorRef::Local(local) = actor else {
        unreachable!("it lives here")
    };
    local.mailbox_len() > 0
}
