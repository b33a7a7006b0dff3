//! Watches, children and timers.

use std::{num::NonZeroUsize, time::Duration};

use mycelium_core::{
    Actor, ActorRef, ActorResult, AskError, Context, Node, ReplyTo, SpawnOptions, StopReason,
    Terminated,
};
use tokio::{
    sync::{mpsc, oneshot},
    task,
    time::Instant,
};

const LIVES: &str = "the actor lives";

/// Does what it is told with its context, and passes on what it sees.
struct Watcher(mpsc::UnboundedSender<Seen>);

enum Order {
    Watch(ActorRef<Note>),
    Unwatch(ActorRef<Note>),
    Adopt {
        reply: ReplyTo<ActorRef<Note>>,
    },
    RemindAfter(Duration),
    RemindEvery(Duration),
    PanicEvery(Duration),
    Note(u32),
    WaitForTheEnd,
    /// Stays in the handler until the test lets it go on.
    Stay(oneshot::Receiver<()>),
    Fail,
    Panic,
}

#[derive(Debug, PartialEq)]
enum Seen {
    Note(u32),
    Ended(StopReason),
    Cancelled,
}

impl Actor for Watcher {
    type Message = Order;

    async fn handle(&mut self, order: Order, cx: &mut Context<Self>) -> ActorResult {
        match order {
            Order::Watch(actor) => cx.watch(&actor)?,
            Order::Unwatch(actor) => drop(cx.unwatch(&actor)),
            Order::Adopt { reply } => reply.send(cx.spawn(Noter(None))),
            Order::RemindAfter(after) => drop(cx.send_after(after, Order::Note(0))),
            Order::RemindEvery(period) => {
                let mut next = 0;
                cx.send_interval(period, move || {
                    next += 1;
                    Order::Note(next)
                });
            }
            Order::PanicEvery(period) => {
                let mut next = 0;
                cx.send_interval(period, move || {
                    next += 1;
                    assert!(next < 2, "enough");
                    Order::Note(next)
                });
            }
            Order::Note(number) => self.0.send(Seen::Note(number))?,
            Order::WaitForTheEnd => {
                cx.cancelled().await;
                self.0.send(Seen::Cancelled)?;
            }
            Order::Stay(until) => drop(until.await),
            Order::Panic => panic!("told to"),
            Order::Fail => return Err("told to".into()),
        }
        Ok(())
    }

    async fn terminated(&mut self, notice: Terminated, _: &mut Context<Self>) -> ActorResult {
        self.0.send(Seen::Ended(notice.reason))?;
        Ok(())
    }
}

enum Note {
    Tell(u32),
    Panic,
}

/// Tells a watcher what it is told.
struct Noter(Option<ActorRef<Order>>);

impl Actor for Noter {
    type Message = Note;

    async fn handle(&mut self, note: Note, _: &mut Context<Self>) -> ActorResult {
        match (note, &self.0) {
            (Note::Tell(number), Some(watcher)) => watcher.send(Order::Note(number)).await?,
            (Note::Tell(_), None) => {}
            (Note::Panic, _) => panic!("told to"),
        }
        Ok(())
    }
}

async fn watcher() -> (Node, ActorRef<Order>, mpsc::UnboundedReceiver<Seen>) {
    let node = Node::builder("watches")
        .start()
        .await
        .expect("a runtime is there");
    let (seen, saw) = mpsc::unbounded_channel();
    let watcher = node.spawn(Watcher(seen));
    (node, watcher, saw)
}

#[tokio::test]
async fn a_notice_comes_once_and_after_the_last_message_of_the_dead() {
    let (node, watcher, mut saw) = watcher().await;
    let noter = node.spawn(Noter(Some(watcher.clone())));
    for _ in 0..2 {
        watcher
            .send(Order::Watch(noter.clone()))
            .await
            .expect("the watcher lives");
    }
    for number in 0..100 {
        noter
            .send(Note::Tell(number))
            .await
            .expect("the noter lives");
    }
    noter.stop();
    for number in 0..100 {
        assert_eq!(saw.recv().await, Some(Seen::Note(number)));
    }
    assert_eq!(saw.recv().await, Some(Seen::Ended(StopReason::Stopped)));
    watcher.stop();
    assert_eq!(saw.recv().await, None);
}

#[tokio::test]
async fn a_notice_carries_every_reason() {
    let (node, watcher, mut saw) = watcher().await;
    let killed = node.spawn(Noter(None));
    watcher
        .send(Order::Watch(killed.clone()))
        .await
        .expect("the watcher lives");
    watcher
        .send(Order::Note(0))
        .await
        .expect("the watcher lives");
    assert_eq!(saw.recv().await, Some(Seen::Note(0)));
    killed.kill();
    assert_eq!(saw.recv().await, Some(Seen::Ended(StopReason::Killed)));
    let panics = node.spawn(Noter(None));
    watcher
        .send(Order::Watch(panics.clone()))
        .await
        .expect("the watcher lives");
    panics.send(Note::Panic).await.expect("the noter lives");
    let panicked = Seen::Ended(StopReason::Panicked("told to".into()));
    assert_eq!(saw.recv().await, Some(panicked));
    // Gone already: told at once.
    watcher
        .send(Order::Watch(panics))
        .await
        .expect("the watcher lives");
    let panicked = Seen::Ended(StopReason::Panicked("told to".into()));
    assert_eq!(saw.recv().await, Some(panicked));
}

#[tokio::test]
async fn a_watch_that_was_taken_back_brings_no_notice() {
    let (node, watcher, mut saw) = watcher().await;
    let noter = node.spawn(Noter(None));
    watcher
        .send(Order::Watch(noter.clone()))
        .await
        .expect("the watcher lives");
    watcher
        .send(Order::Unwatch(noter.clone()))
        .await
        .expect("the watcher lives");
    watcher
        .send(Order::Note(0))
        .await
        .expect("the watcher lives");
    assert_eq!(saw.recv().await, Some(Seen::Note(0)));
    noter.kill();
    while node.actors_len() > 1 {
        tokio::task::yield_now().await;
    }
    watcher.stop();
    assert_eq!(saw.recv().await, None);
}

#[tokio::test]
async fn children_end_with_their_parent() {
    for end in [Order::Fail, Order::Panic, Order::Note(1)] {
        let (node, watcher, _saw) = watcher().await;
        let child = watcher
            .ask(|reply| Order::Adopt { reply })
            .await
            .expect("it answers");
        assert!(!child.is_closed());
        watcher.send(end).await.expect("the watcher lives");
        watcher.stop();
        while node.actors_len() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(child.is_closed());
    }
}

#[tokio::test(start_paused = true)]
async fn timers_send_when_they_are_due_and_end_with_the_actor() {
    let (node, watcher, mut saw) = watcher().await;
    let start = Instant::now();
    watcher
        .send(Order::RemindAfter(Duration::from_secs(1)))
        .await
        .expect("the watcher lives");
    assert_eq!(saw.recv().await, Some(Seen::Note(0)));
    assert_eq!(start.elapsed(), Duration::from_secs(1));
    watcher
        .send(Order::RemindEvery(Duration::from_secs(2)))
        .await
        .expect("the watcher lives");
    for number in 1..=3 {
        assert_eq!(saw.recv().await, Some(Seen::Note(number)));
    }
    assert_eq!(start.elapsed(), Duration::from_secs(7));
    watcher.stop();
    assert_eq!(saw.recv().await, None);
    node.shutdown(Duration::from_secs(1))
        .await
        .expect("no timer keeps the node");
    assert_eq!(start.elapsed(), Duration::from_secs(7));
}

#[tokio::test]
async fn a_handler_that_waits_for_the_end_is_told_of_a_stop() {
    let (_node, watcher, mut saw) = watcher().await;
    watcher
        .send(Order::WaitForTheEnd)
        .await
        .expect("the watcher lives");
    watcher.stop();
    assert_eq!(saw.recv().await, Some(Seen::Cancelled));
}

// What the dead had sent lies in the mailbox; what others have still to send does not count.
#[tokio::test]
async fn a_notice_waits_for_no_message_that_waits_for_room() {
    let (node, watcher, mut saw) = watcher().await;
    let noter = node.spawn(Noter(None));
    watcher
        .send(Order::Watch(noter.clone()))
        .await
        .expect("it lives");
    let (release, until) = oneshot::channel();
    watcher.send(Order::Stay(until)).await.expect("it lives");
    let ActorRef::Local(here) = &watcher else {
        unreachable!("it lives here")
    };
    while here.mailbox_len() > 0 {
        task::yield_now().await;
    }
    while watcher.try_send(Order::Note(0)).is_ok() {}
    let late = watcher.clone();
    let waiting = task::spawn(async move {
        for _ in 0..100 {
            late.send(Order::Note(1)).await.expect("it lives");
        }
    });
    task::yield_now().await;
    assert!(!waiting.is_finished());
    noter.kill();
    while node.actors_len() > 1 {
        task::yield_now().await;
    }
    release.send(()).expect("it stays");
    for _ in 0..here.capacity_messages() {
        assert_eq!(saw.recv().await, Some(Seen::Note(0)));
    }
    assert_eq!(saw.recv().await, Some(Seen::Ended(StopReason::Killed)));
    waiting.await.expect("all were sent");
    for _ in 0..100 {
        assert_eq!(saw.recv().await, Some(Seen::Note(1)));
    }
}

#[tokio::test]
async fn each_of_a_thousand_watchers_is_told_once() {
    let node = Node::builder("watches").start().await;
    let node = node.expect("a runtime is there");
    let watched = node.spawn(Noter(None));
    let (seen, mut saw) = mpsc::unbounded_channel();
    let mut watchers = Vec::new();
    for _ in 0..1_000 {
        let watcher = node.spawn(Watcher(seen.clone()));
        watcher
            .send(Order::Watch(watched.clone()))
            .await
            .expect("it lives");
        watcher.send(Order::Note(0)).await.expect("it lives");
        assert_eq!(saw.recv().await, Some(Seen::Note(0)));
        watchers.push(watcher);
    }
    // Those that ended before are not told.
    for watcher in watchers.drain(..500) {
        watcher.kill();
    }
    while node.actors_len() > 501 {
        task::yield_now().await;
    }
    watched.stop();
    for _ in 0..500 {
        assert_eq!(saw.recv().await, Some(Seen::Ended(StopReason::Stopped)));
    }
    for watcher in watchers {
        watcher.stop();
    }
    drop(seen);
    assert_eq!(saw.recv().await, None);
}

#[tokio::test]
async fn one_watcher_is_told_of_a_thousand_ends() {
    let (node, watcher, mut saw) = watcher().await;
    let watched: Vec<_> = (0..1_000).map(|_| node.spawn(Noter(None))).collect();
    for actor in &watched {
        watcher
            .send(Order::Watch(actor.clone()))
            .await
            .expect("it lives");
    }
    for actor in watched {
        actor.stop();
    }
    for _ in 0..1_000 {
        assert_eq!(saw.recv().await, Some(Seen::Ended(StopReason::Stopped)));
    }
    watcher.stop();
    assert_eq!(saw.recv().await, None);
}

#[tokio::test]
async fn a_killed_parent_kills_its_children() {
    let (node, watcher, mut saw) = watcher().await;
    let child = watcher.ask(|reply| Order::Adopt { reply }).await;
    let child = child.expect("it answers");
    let other = node.spawn(Watcher(mpsc::unbounded_channel().0));
    let (seen, mut other_saw) = mpsc::unbounded_channel();
    let observer = node.spawn(Watcher(seen));
    observer.send(Order::Watch(child)).await.expect("it lives");
    observer.send(Order::Note(0)).await.expect("it lives");
    assert_eq!(other_saw.recv().await, Some(Seen::Note(0)));
    watcher.kill();
    assert_eq!(
        other_saw.recv().await,
        Some(Seen::Ended(StopReason::Killed))
    );
    assert_eq!(saw.recv().await, None);
    assert!(!other.is_closed(), "it is nobody's child");
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_lags_is_not_flooded_with_the_ticks_it_missed() {
    let node = Node::builder("watches").start().await;
    let node = node.expect("a runtime is there");
    let (seen, mut saw) = mpsc::unbounded_channel();
    let one = SpawnOptions::default().capacity(NonZeroUsize::MIN);
    let watcher = node.spawn_with(one, Watcher(seen));
    let period = Duration::from_secs(1);
    watcher
        .send(Order::RemindEvery(period))
        .await
        .expect("it lives");
    let (release, until) = oneshot::channel();
    watcher.send(Order::Stay(until)).await.expect("it lives");
    tokio::time::sleep(60 * period + period / 2).await;
    release.send(()).expect("it stays");
    // One tick lay in the mailbox, one waited for room, one was overdue.
    for number in 1..=3 {
        assert_eq!(saw.recv().await, Some(Seen::Note(number)));
    }
    let released = Instant::now();
    assert_eq!(saw.recv().await, Some(Seen::Note(4)));
    assert_eq!(released.elapsed(), period / 2);
    watcher.kill();
}

// The first tick lay further ahead than the clock goes, which panicked.
#[tokio::test(start_paused = true)]
async fn a_timer_may_lie_as_far_ahead_as_durations_go() {
    let (node, watcher, mut saw) = watcher().await;
    for order in [
        Order::RemindAfter(Duration::MAX),
        Order::RemindEvery(Duration::MAX),
    ] {
        watcher.send(order).await.expect("it lives");
    }
    watcher.send(Order::Note(7)).await.expect("it lives");
    assert_eq!(saw.recv().await, Some(Seen::Note(7)));
    watcher.stop();
    let ended = node.shutdown(Duration::from_secs(1)).await;
    ended.expect("no timer keeps the node");
    assert_eq!(saw.recv().await, None);
}

/// The notice of a death waits for the messages before it. An ask whose asker has left is skipped,
/// and a notice behind nothing else was forgotten until the next message.
#[tokio::test(start_paused = true)]
async fn a_notice_behind_an_ask_that_was_given_up_is_told() {
    let (node, watcher, mut saw) = watcher().await;
    let noter = node.spawn(Noter(None));
    watcher
        .send(Order::Watch(noter.clone()))
        .await
        .expect(LIVES);
    let (go_on, stay) = oneshot::channel();
    watcher.send(Order::Stay(stay)).await.expect(LIVES);
    let adopt = watcher.ask(|reply| Order::Adopt { reply });
    let adopted = adopt.timeout(Duration::from_millis(5)).await;
    assert!(matches!(adopted, Err(AskError::Timeout)), "{adopted:?}");
    noter.kill();
    assert_eq!(noter.ended().await, Ok(StopReason::Killed));
    go_on.send(()).expect(LIVES);
    assert_eq!(saw.recv().await, Some(Seen::Ended(StopReason::Killed)));
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_timer_ends_the_actor() {
    let (_node, watcher, mut saw) = watcher().await;
    watcher
        .send(Order::PanicEvery(Duration::from_secs(1)))
        .await
        .expect(LIVES);
    assert_eq!(saw.recv().await, Some(Seen::Note(1)));
    let reason = StopReason::Panicked("enough".into());
    assert_eq!(watcher.ended().await, Ok(reason));
}

#[tokio::test]
async fn whoever_waits_for_an_end_is_told_also_when_it_was_before() {
    let (node, watcher, _saw) = watcher().await;
    let noter = node.spawn(Noter(None));
    let ended = noter.ended();
    drop(noter.ended());
    noter.stop();
    assert_eq!(ended.await, Ok(StopReason::Stopped));
    assert_eq!(noter.ended().await, Ok(StopReason::Stopped));
    watcher.kill();
    assert_eq!(watcher.ended().await, Ok(StopReason::Killed));
}
