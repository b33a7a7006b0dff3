//! How actors start, stop and are killed, and what becomes of them.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows tests by their attribute, not their helpers"
)]

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use mycelium_core::{
    Actor, ActorRef, ActorResult, Context, DeadLetterNotice, Message, Node, SendError,
    ShutdownTimeout, StopReason,
};
use tokio::{runtime, task::yield_now};

use crate::{
    drops::{Drops, Guard},
    ended::ended,
    gated::Gate,
    node::node,
};

#[path = "kit/drops.rs"]
mod drops;
#[path = "kit/ended.rs"]
mod ended;
#[path = "kit/gated.rs"]
mod gated;
#[path = "kit/node.rs"]
mod node;

/// Notes what happens to it.
struct Diary {
    entries: mpsc::Sender<String>,
    _guard: Guard,
}

impl Diary {
    fn new(drops: &Drops) -> (Self, mpsc::Receiver<String>) {
        let (entries, lines) = mpsc::channel();
        let diary = Self {
            entries,
            _guard: drops.guard(),
        };
        (diary, lines)
    }
}

impl Actor for Diary {
    type Message = u32;

    async fn started(&mut self, _cx: &mut Context<Self>) -> ActorResult {
        yield_now().await;
        Ok(self.entries.send("started".into())?)
    }

    async fn handle(&mut self, message: u32, _cx: &mut Context<Self>) -> ActorResult {
        yield_now().await;
        Ok(self.entries.send(format!("handled {message}"))?)
    }

    async fn stopped(&mut self, reason: &StopReason) {
        yield_now().await;
        self.entries.send(reason.to_string()).unwrap();
    }
}

/// Keeps each message, and never gets done with it.
struct Stuck;

impl Actor for Stuck {
    type Message = Guard;

    async fn handle(&mut self, message: Guard, _cx: &mut Context<Self>) -> ActorResult {
        let _held = message;
        pending().await
    }
}

async fn count_of_dead_letter(mut letters: mycelium_core::DeadLetters) -> usize {
    match letters.next().await {
        Some(DeadLetterNotice::Letter(letter)) => letter.count,
        other => panic!("no dead letter: {other:?}"),
    }
}

fn reason<M: Message>(sent: Result<(), SendError<M>>) -> StopReason {
    match sent {
        Err(SendError::ActorDown { reason, .. }) => reason,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn an_actor_starts_handles_what_came_before_the_stop_and_stops() {
    let (diary, lines) = Diary::new(&Drops::default());
    let actor = node().await.spawn(diary);
    actor.try_send(1).unwrap();
    actor.try_send(2).unwrap();
    actor.stop();
    assert_eq!(reason(actor.try_send(3)), StopReason::Stopped);
    assert_eq!(reason(actor.send(3).await), StopReason::Stopped);
    assert!(actor.is_closed());
    assert_eq!(ended(&actor).await, StopReason::Stopped);
    let lines: Vec<_> = lines.try_iter().collect();
    assert_eq!(
        lines,
        ["started", "handled 1", "handled 2", "the actor was stopped"]
    );
}

#[tokio::test]
async fn an_idle_actor_can_be_stopped() {
    let drops = Drops::default();
    let (diary, lines) = Diary::new(&drops);
    let actor = node().await.spawn(diary);
    while lines.try_recv().is_err() {
        yield_now().await;
    }
    actor.stop();
    assert_eq!(ended(&actor).await, StopReason::Stopped);
    assert_eq!(drops.count(), 1);
}

#[tokio::test]
async fn a_second_stop_and_a_late_kill_change_nothing() {
    let gate = Gate::spawn(&node().await, 1);
    gate.actor.stop();
    gate.actor.stop();
    assert_eq!(ended(&gate.actor).await, StopReason::Stopped);
    gate.actor.kill();
    assert_eq!(ended(&gate.actor).await, StopReason::Stopped);
    assert_eq!(reason(gate.actor.try_send(1)), StopReason::Stopped);
}

#[tokio::test]
async fn an_actor_that_is_killed_does_not_run_stopped() {
    let (diary, lines) = Diary::new(&Drops::default());
    let actor = node().await.spawn(diary);
    while lines.try_recv().is_err() {
        yield_now().await;
    }
    actor.try_send(1).unwrap();
    actor.kill();
    assert_eq!(ended(&actor).await, StopReason::Killed);
    assert_eq!(lines.try_iter().count(), 0);
}

#[tokio::test]
async fn a_kill_overtakes_a_stop_that_drains() {
    let node = node().await;
    let letters = node.dead_letters();
    let mut gate = Gate::spawn(&node, 4);
    gate.occupy().await;
    gate.actor.try_send(1).unwrap();
    gate.actor.stop();
    gate.actor.kill();
    assert_eq!(ended(&gate.actor).await, StopReason::Killed);
    assert_eq!(count_of_dead_letter(letters).await, 1);
}

#[tokio::test]
async fn a_kill_drops_the_handler_that_waits_and_counts_what_is_left() {
    let node = node().await;
    let letters = node.dead_letters();
    let drops = Drops::default();
    let actor = node.spawn(Stuck);
    for _ in 0..100 {
        actor.try_send(drops.guard()).unwrap();
    }
    let ActorRef::Local(local) = &actor else {
        unreachable!("the actor lives here")
    };
    while local.mailbox_len() == 100 {
        yield_now().await;
    }
    actor.kill();
    assert_eq!(reason(actor.try_send(drops.guard())), StopReason::Killed);
    assert_eq!(ended(&actor).await, StopReason::Killed);
    assert_eq!(drops.count(), 101);
    assert_eq!(local.mailbox_len(), 0);
    assert_eq!(count_of_dead_letter(letters).await, 99);
}

#[tokio::test]
async fn an_actor_can_stop_itself_and_send_to_itself() {
    struct Countdown;
    impl Actor for Countdown {
        type Message = u32;

        async fn handle(&mut self, left: u32, cx: &mut Context<Self>) -> ActorResult {
            if left == 0 {
                cx.stop();
            } else {
                cx.actor_ref().send(left - 1).await?;
            }
            Ok(())
        }
    }
    let actor = node().await.spawn(Countdown);
    actor.send(10).await.unwrap();
    assert_eq!(ended(&actor).await, StopReason::Stopped);
}

/// The owner task gives way after a turn, or nothing else would ever run on its thread.
#[tokio::test]
async fn an_actor_that_always_has_a_message_lets_others_run() {
    struct Restless;
    impl Actor for Restless {
        type Message = ();

        async fn handle(&mut self, (): (), cx: &mut Context<Self>) -> ActorResult {
            Ok(cx.actor_ref().try_send(()).or_else(|sent| match sent {
                SendError::ActorDown { .. } => Ok(()),
                other => Err(other),
            })?)
        }
    }
    let actor = node().await.spawn(Restless);
    actor.send(()).await.unwrap();
    for _ in 0..100 {
        yield_now().await;
    }
    actor.stop();
    assert_eq!(ended(&actor).await, StopReason::Stopped);
}

#[tokio::test]
async fn hooks_are_called_once_and_at_once_when_the_actor_is_gone() {
    let gate = Gate::spawn(&node().await, 1);
    let ActorRef::Local(local) = &gate.actor else {
        unreachable!("the actor lives here")
    };
    let calls = Arc::new(AtomicUsize::new(0));
    let hook = |calls: &Arc<AtomicUsize>| {
        let calls = Arc::clone(calls);
        move |reason: &StopReason| {
            assert_eq!(*reason, StopReason::Stopped);
            calls.fetch_add(1, Ordering::SeqCst);
        }
    };
    local.on_end(hook(&calls));
    local.stop();
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    ended(&gate.actor).await;
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    local.on_end(hook(&calls));
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

/// The actor's context holds a ref to its own cell, and here its messages do too.
#[tokio::test]
async fn an_actor_that_ended_is_dropped_with_all_it_held_though_it_held_itself() {
    struct Holder {
        _guard: Guard,
        held: Vec<Held>,
    }
    struct Held {
        _guard: Guard,
        _itself: ActorRef<Held>,
    }
    impl Actor for Holder {
        type Message = Held;

        async fn handle(&mut self, message: Held, _cx: &mut Context<Self>) -> ActorResult {
            self.held.push(message);
            if self.held.len() == 2 {
                pending().await
            } else {
                Ok(())
            }
        }
    }
    let node = node().await;
    let drops = Drops::default();
    let actor = node.spawn(Holder {
        _guard: drops.guard(),
        held: Vec::new(),
    });
    for _ in 0..4 {
        let held = Held {
            _guard: drops.guard(),
            _itself: actor.clone(),
        };
        actor.try_send(held).unwrap();
    }
    yield_now().await;
    actor.kill();
    ended(&actor).await;
    assert_eq!(drops.count(), 5);
}

#[tokio::test]
async fn a_hundred_thousand_actors_come_and_go() {
    struct Nothing;
    impl Actor for Nothing {
        type Message = ();

        async fn handle(&mut self, (): (), _cx: &mut Context<Self>) -> ActorResult {
            Ok(())
        }
    }
    let node = node().await;
    for _ in 0..100 {
        let actors: Vec<_> = (0..1_000).map(|_| node.spawn(Nothing)).collect();
        assert_eq!(node.actors_len(), 1_000);
        for actor in &actors {
            actor.stop();
        }
        for actor in &actors {
            ended(actor).await;
        }
        assert_eq!(node.actors_len(), 0);
    }
}

#[tokio::test]
async fn shutdown_waits_until_the_actors_have_handled_what_they_accepted() {
    let node = node().await;
    let drops = Drops::default();
    let (diary, lines) = Diary::new(&drops);
    let actor = node.spawn(diary);
    for message in 0..100 {
        actor.try_send(message).unwrap();
    }
    node.shutdown(Duration::from_mins(1)).await.unwrap();
    assert_eq!(lines.try_iter().count(), 102);
    assert_eq!(drops.count(), 1);
    assert_eq!(node.actors_len(), 0);
}

#[tokio::test(start_paused = true)]
async fn shutdown_kills_the_actors_that_are_not_done_in_time() {
    let node = node().await;
    let drops = Drops::default();
    let actor = node.spawn(Stuck);
    let _idle = node.spawn(Stuck);
    actor.try_send(drops.guard()).unwrap();
    let timeout = Duration::from_secs(1);
    let killed = ShutdownTimeout {
        killed_actors: 1,
        timeout,
    };
    assert_eq!(node.shutdown(timeout).await, Err(killed));
    assert_eq!(ended(&actor).await, StopReason::Killed);
    assert_eq!(drops.count(), 1);
    assert_eq!(node.actors_len(), 0);
}

#[tokio::test]
async fn a_second_shutdown_returns_at_once() {
    let node = node().await;
    node.shutdown(Duration::ZERO).await.unwrap();
    node.shutdown(Duration::ZERO).await.unwrap();
}

fn runtimes() -> [runtime::Runtime; 2] {
    let two_workers = runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build();
    let one_thread = runtime::Builder::new_current_thread().enable_time().build();
    [two_workers.unwrap(), one_thread.unwrap()]
}

#[test]
fn actors_end_with_their_runtime_idle_or_not() {
    for runtime in runtimes() {
        let drops = Drops::default();
        let (idle, busy, node, letters) = runtime.block_on(async {
            let node = node().await;
            let letters = node.dead_letters();
            let idle = node.spawn(Stuck);
            let busy = node.spawn(Stuck);
            for _ in 0..3 {
                busy.send(drops.guard()).await.unwrap();
            }
            let ActorRef::Local(local) = &busy else {
                unreachable!("the actor lives here")
            };
            while local.mailbox_len() == 3 {
                yield_now().await;
            }
            (idle, busy, node, letters)
        });
        drop(runtime);
        for actor in [&idle, &busy] {
            assert_eq!(reason(actor.try_send(drops.guard())), StopReason::Killed);
            assert_eq!(
                reason(actor.send_blocking(drops.guard())),
                StopReason::Killed
            );
            actor.stop();
            actor.kill();
        }
        assert_eq!(drops.count(), 3 + 4);
        assert_eq!(node.actors_len(), 0);
        let elsewhere = runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        assert_eq!(elsewhere.block_on(count_of_dead_letter(letters)), 2);
    }
}

#[test]
fn a_send_that_waits_fails_when_the_actors_runtime_ends() {
    let here = runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    for runtime in runtimes() {
        let gate = runtime.block_on(async {
            let mut gate = Gate::spawn(&node().await, 1);
            gate.occupy().await;
            gate.actor.try_send(1).unwrap();
            gate
        });
        let waiting = here.spawn({
            let actor = gate.actor.clone();
            async move { reason(actor.send(2).await) }
        });
        here.block_on(yield_now());
        drop(runtime);
        assert_eq!(here.block_on(waiting).unwrap(), StopReason::Killed);
    }
}

#[test]
fn an_actor_spawned_after_its_runtime_ended_is_gone_at_once() {
    for runtime in runtimes() {
        let node: Node = runtime.block_on(node());
        drop(runtime);
        let drops = Drops::default();
        let (diary, lines) = Diary::new(&drops);
        let actor = node.spawn(diary);
        assert_eq!(reason(actor.try_send(1)), StopReason::Killed);
        assert_eq!((drops.count(), lines.try_iter().count()), (1, 0));
        assert_eq!(node.actors_len(), 0);
    }
}

/// Never gets through its start.
struct Unborn;

impl Actor for Unborn {
    type Message = ();

    async fn started(&mut self, _cx: &mut Context<Self>) -> ActorResult {
        pending().await
    }

    async fn handle(&mut self, (): (), _cx: &mut Context<Self>) -> ActorResult {
        Ok(())
    }
}

/// Spawns another while it is being killed.
struct Heir(mpsc::Sender<()>);

impl Actor for Heir {
    type Message = ();

    async fn handle(&mut self, (): (), cx: &mut Context<Self>) -> ActorResult {
        self.0.send(())?;
        let me = cx.actor_ref();
        while !me.is_closed() {
            std::thread::yield_now();
        }
        // Closed by the stop; the kill comes after it.
        while reason(me.try_send(())) != StopReason::Killed {
            std::thread::yield_now();
        }
        cx.node().spawn(Unborn);
        Ok(())
    }
}

/// An actor spawned after the survivors were killed was only asked to stop, and kept the shutdown
/// waiting for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_does_not_wait_for_what_is_spawned_after_its_deadline() {
    let node = node().await;
    let (tell, told) = mpsc::channel();
    node.spawn(Heir(tell)).send(()).await.unwrap();
    tokio::task::block_in_place(|| told.recv().unwrap());
    let shutdown = node.shutdown(Duration::ZERO).await;
    assert!(shutdown.is_err(), "{shutdown:?}");
    assert_eq!(node.actors_len(), 0);
}

#[tokio::test]
async fn what_is_spawned_after_a_shutdown_is_dropped_without_having_started() {
    let node = node().await;
    node.shutdown(Duration::ZERO).await.unwrap();
    let drops = Drops::default();
    let (diary, lines) = Diary::new(&drops);
    let diary = node.spawn(diary);
    assert_eq!(diary.ended().await, Ok(StopReason::NodeDown));
    assert_eq!((drops.count(), lines.try_iter().count()), (1, 0));
}
