//! What an actor has running beside it feeds it, and ends with it.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows tests by their attribute, not their helpers"
)]

use std::{
    num::NonZeroUsize,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc as blocking,
    },
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use futures_core::Stream;
use mycelium_core::{
    Actor, ActorRef, ActorResult, Attachment, Context, Inbox, Node, SpawnOptions, StopReason,
};
use tokio::{
    sync::{mpsc, oneshot},
    task::yield_now,
    time,
};

use crate::{
    drops::{Drops, Guard},
    ended::ended,
    node::node,
};

#[path = "kit/drops.rs"]
mod drops;
#[path = "kit/ended.rs"]
mod ended;
#[path = "kit/node.rs"]
mod node;

/// Counts to `last`, and says how far it was asked to.
struct Numbers {
    next: u64,
    last: u64,
    polls: Arc<AtomicUsize>,
    _guard: Option<Guard>,
}

impl Numbers {
    fn to(last: u64) -> Self {
        Self {
            next: 1,
            last,
            polls: Arc::default(),
            _guard: None,
        }
    }
}

impl Stream for Numbers {
    type Item = u64;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<Option<u64>> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        let number = self.next;
        self.next += 1;
        assert_ne!(number, 13, "an unlucky number");
        Poll::Ready((number <= self.last).then_some(number))
    }
}

/// Never has anything.
struct Silent(#[expect(dead_code, reason = "its drop counts")] Guard);

impl Stream for Silent {
    type Item = u64;

    fn poll_next(self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<Option<u64>> {
        Poll::Pending
    }
}

/// What an actor does when it starts.
type Start = Box<dyn FnOnce(&Context<Relay>) + Send>;

/// Passes on what it is sent.
struct Relay {
    to: ActorRef<u64>,
    start: Option<Start>,
}

impl Actor for Relay {
    type Message = u64;

    async fn started(&mut self, cx: &mut Context<Self>) -> ActorResult {
        if let Some(start) = self.start.take() {
            start(cx);
        }
        Ok(())
    }

    async fn handle(&mut self, message: u64, _cx: &mut Context<Self>) -> ActorResult {
        Ok(self.to.send(message).await?)
    }
}

fn small(capacity_messages: usize) -> SpawnOptions {
    SpawnOptions::default().capacity(NonZeroUsize::new(capacity_messages).unwrap())
}

/// An actor that starts so, and the inbox to which it passes on what it is sent.
fn relay(
    node: &Node,
    start: impl FnOnce(&Context<Relay>) + Send + 'static,
) -> (ActorRef<u64>, Inbox<u64>) {
    let inbox = node.inbox_with(small(1));
    let relay = Relay {
        to: inbox.actor_ref(),
        start: Some(Box::new(start)),
    };
    (node.spawn_with(small(1), relay), inbox)
}

#[tokio::test]
async fn the_items_of_a_stream_are_handled_in_their_order_and_its_end_is_told() {
    let (_actor, mut inbox) = relay(&node().await, |cx| {
        cx.attach_stream(Numbers::to(4), |item| Some(item.unwrap_or(0)));
    });
    for expected in [1, 2, 3, 4, 0] {
        assert_eq!(inbox.recv().await, Ok(expected));
    }
}

#[tokio::test]
async fn items_without_a_message_are_left_out_and_the_end_need_not_be_told() {
    let (actor, mut inbox) = relay(&node().await, |cx| {
        cx.attach_stream(Numbers::to(6), |item| item.filter(|number| number % 3 == 0));
    });
    assert_eq!((inbox.recv().await, inbox.recv().await), (Ok(3), Ok(6)));
    actor.send(100).await.unwrap();
    assert_eq!(inbox.recv().await, Ok(100));
}

#[tokio::test]
async fn a_stream_meets_the_back_pressure_of_the_mailbox() {
    let numbers = Numbers::to(11);
    let polls = Arc::clone(&numbers.polls);
    let (_actor, mut inbox) = relay(&node().await, |cx| {
        cx.attach_stream(numbers, |item| item);
    });
    for _ in 0..100 {
        yield_now().await;
    }
    // One in the inbox, one in the handler's hands, one in the mailbox, one that waits for room.
    assert_eq!(polls.load(Ordering::Relaxed), 4);
    for expected in 1..=11 {
        assert_eq!(inbox.recv().await, Ok(expected));
    }
}

#[tokio::test]
async fn a_stream_is_dropped_when_its_actor_is_asked_to_stop() {
    for end in [ActorRef::<u64>::stop, ActorRef::<u64>::kill] {
        let node = node().await;
        let drops = Drops::default();
        let guard = drops.guard();
        let (actor, _inbox) = relay(&node, |cx| {
            cx.attach_stream(Silent(guard), |item| item);
        });
        yield_now().await;
        end(&actor);
        ended(&actor).await;
        node.shutdown(Duration::from_mins(1)).await.unwrap();
        assert_eq!(drops.count(), 1);
    }
}

#[tokio::test]
async fn a_stream_that_is_detached_is_dropped() {
    let drops = Drops::default();
    let guard = drops.guard();
    let (give, given) = oneshot::channel::<Attachment>();
    let (actor, _inbox) = relay(&node().await, |cx| {
        let attachment = cx.attach_stream(Silent(guard), |item| item);
        give.send(attachment).unwrap();
    });
    given.await.unwrap().detach();
    while drops.count() == 0 {
        yield_now().await;
    }
    assert!(!actor.is_closed());
}

#[tokio::test]
async fn a_panic_in_a_stream_or_its_map_ends_the_actor() {
    let node = node().await;
    let (actor, mut inbox) = relay(&node, |cx| {
        cx.attach_stream(Numbers::to(20), |item| item);
    });
    tokio::spawn(async move { while inbox.recv().await.is_ok() {} });
    let StopReason::Panicked(text) = ended(&actor).await else {
        panic!("it has not panicked")
    };
    assert!(text.contains("an unlucky number"), "{text}");

    let (actor, _inbox) = relay(&node, |cx| {
        cx.attach_stream(Numbers::to(1), |_| panic!("no map"));
    });
    assert_eq!(ended(&actor).await, StopReason::Panicked("no map".into()));
}

/// Has work done on the blocking pool.
struct Worker {
    to: ActorRef<u64>,
}

enum Work {
    Do(Box<dyn FnOnce() -> u64 + Send>),
    Done(u64),
}

impl Actor for Worker {
    type Message = Work;

    async fn handle(&mut self, message: Work, cx: &mut Context<Self>) -> ActorResult {
        match message {
            Work::Do(work) => cx.spawn_blocking(work, Work::Done).await?,
            Work::Done(result) => self.to.send(result).await?,
        }
        Ok(())
    }
}

fn worker(node: &Node) -> (ActorRef<Work>, Inbox<u64>) {
    let inbox = node.inbox();
    let to = inbox.actor_ref();
    (node.spawn(Worker { to }), inbox)
}

async fn give(worker: &ActorRef<Work>, work: impl FnOnce() -> u64 + Send + 'static) {
    assert!(worker.send(Work::Do(Box::new(work))).await.is_ok());
}

#[tokio::test]
async fn the_result_of_blocking_work_comes_back_and_other_messages_pass_meanwhile() {
    let (worker, mut inbox) = worker(&node().await);
    let (finish, finished) = blocking::channel();
    give(&worker, move || finished.recv().unwrap()).await;
    worker.send(Work::Done(1)).await.unwrap();
    assert_eq!(inbox.recv().await, Ok(1));
    finish.send(2).unwrap();
    assert_eq!(inbox.recv().await, Ok(2));
}

#[tokio::test]
async fn a_panic_in_blocking_work_ends_the_actor() {
    let (worker, _inbox) = worker(&node().await);
    give(&worker, || panic!("it is too much")).await;
    let reason = StopReason::Panicked("it is too much".into());
    assert_eq!(ended(&worker).await, reason);
}

#[tokio::test]
async fn blocking_work_never_piles_up() {
    let (worker, mut inbox) = worker(&node().await);
    let started = Arc::new(AtomicUsize::new(0));
    let (finish, finished) = blocking::channel::<u64>();
    let finished = Arc::new(std::sync::Mutex::new(finished));
    for _ in 0..40 {
        let (started, finished) = (Arc::clone(&started), Arc::clone(&finished));
        give(&worker, move || {
            started.fetch_add(1, Ordering::SeqCst);
            finished.lock().unwrap().recv().unwrap()
        })
        .await;
    }
    while started.load(Ordering::SeqCst) < 32 {
        yield_now().await;
    }
    // The handler waits for a place: what comes behind is not handled.
    assert!(worker.send(Work::Done(1_000)).await.is_ok());
    for _ in 0..100 {
        yield_now().await;
    }
    assert_eq!(
        (started.load(Ordering::SeqCst), inbox.try_recv()),
        (32, Ok(None))
    );
    for number in 0..40 {
        finish.send(number).unwrap();
    }
    let mut results = Vec::new();
    while results.len() < 41 {
        results.push(inbox.recv().await.unwrap());
    }
    results.sort_unstable();
    assert_eq!(results, (0..40).chain([1_000]).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_result_of_work_whose_actor_is_gone_is_dropped() {
    let node = node().await;
    let mut letters = node.dead_letters();
    let (worker, _inbox) = worker(&node);
    let (begin, begun) = oneshot::channel();
    let (finish, finished) = blocking::channel::<u64>();
    let drops = Drops::default();
    let guard = drops.guard();
    give(&worker, move || {
        begin.send(()).unwrap();
        let _guard = guard;
        finished.recv().unwrap()
    })
    .await;
    begun.await.unwrap();
    worker.stop();
    assert_eq!(ended(&worker).await, StopReason::Stopped);
    // Nothing waits for the work, not even the end of the node.
    node.shutdown(Duration::from_mins(1)).await.unwrap();
    assert_eq!(drops.count(), 0);
    finish.send(1).unwrap();
    while drops.count() == 0 {
        yield_now().await;
    }
    let letter = time::timeout(Duration::ZERO, letters.next()).await;
    assert!(letter.is_err(), "{letter:?}");
}

#[tokio::test]
async fn results_that_find_no_room_are_bounded() {
    struct Greedy(mpsc::UnboundedSender<usize>);

    impl Actor for Greedy {
        type Message = Option<u64>;

        async fn handle(&mut self, _: Option<u64>, cx: &mut Context<Self>) -> ActorResult {
            let mut given = 0;
            while cx.spawn_blocking(|| 1, Some).await.is_ok() {
                given += 1;
            }
            self.0.send(given)?;
            std::future::pending().await
        }
    }

    let node = node().await;
    let (tell, mut told) = mpsc::unbounded_channel();
    let greedy = node.spawn_with(small(1), Greedy(tell));
    greedy.send(None).await.unwrap();
    // One has found room in the mailbox.
    let given = told.recv().await;
    assert!((1_024..=1_025).contains(&given.unwrap()), "{given:?}");
    greedy.kill();
}
