//! Watches, children and timers.

use std::time::Duration;

use mycelium_core::{Actor, ActorRef, ActorResult, Context, Node, ReplyTo, StopReason, Terminated};
use tokio::{sync::mpsc, time::Instant};

/// Does what it is told with its context, and passes on what it sees.
struct Watcher(mpsc::UnboundedSender<Seen>);

enum Order {
    Watch(ActorRef<Note>),
    Unwatch(ActorRef<Note>),
    Adopt { reply: ReplyTo<ActorRef<Note>> },
    RemindAfter(Duration),
    RemindEvery(Duration),
    Note(u32),
    WaitForTheEnd,
    Fail,
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
            Order::Note(number) => self.0.send(Seen::Note(number))?,
            Order::WaitForTheEnd => {
                cx.cancelled().await;
                self.0.send(Seen::Cancelled)?;
            }
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
    for end in [Order::Fail, Order::Note(1)] {
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
