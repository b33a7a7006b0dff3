//! What messages and mailboxes cost in memory: nothing per send, one slot per queued message.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows tests by their attribute, not their helpers"
)]

use std::{
    future::{Future, poll_fn},
    marker::PhantomData,
    num::NonZeroUsize,
    pin::pin,
    task::Poll,
    time::Duration,
};

use allocation_counter::{AllocationInfo, measure};
use mycelium_core::{
    Actor, ActorRef, ActorResult, AskError, Context, LocalRef, Message, Node, ReplyTo, SendError,
    SendOptions, SpawnOptions,
};
use mycelium_wire::TraceContext;
use tokio::{
    runtime::{Builder, Runtime},
    task::yield_now,
};

use crate::{ended::ended, node::node};

#[path = "kit/ended.rs"]
mod ended;
#[path = "kit/node.rs"]
mod node;

const MESSAGES: u64 = 10_000;

/// Sums what it is sent, and stays at a message of `u64::MAX` for one turn of the runtime.
struct Sum(u64);

impl Actor for Sum {
    type Message = u64;

    async fn handle(&mut self, message: u64, _cx: &mut Context<Self>) -> ActorResult {
        if message == u64::MAX {
            yield_now().await;
        }
        self.0 = self.0.wrapping_add(message);
        Ok(())
    }
}

/// Handles nothing: what it is sent stays in its mailbox.
struct Asleep<M>(PhantomData<M>);

impl<M: Message + Sync> Actor for Asleep<M> {
    type Message = M;

    async fn started(&mut self, _cx: &mut Context<Self>) -> ActorResult {
        std::future::pending().await
    }

    async fn handle(&mut self, _message: M, _cx: &mut Context<Self>) -> ActorResult {
        Ok(())
    }
}

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

fn local<M>(actor: &ActorRef<M>) -> &LocalRef<M> {
    match actor {
        ActorRef::Local(local) => local,
        _ => unreachable!("the actor lives here"),
    }
}

async fn until_empty(actor: &ActorRef<u64>) {
    while local(actor).mailbox_len() > 0 {
        yield_now().await;
    }
}

/// Counts the allocations of sending and handling, on the one thread that does both.
fn count(capacity: usize, send_all: impl AsyncFn(&ActorRef<u64>)) -> u64 {
    let capacity = NonZeroUsize::new(capacity).unwrap();
    count_with(SpawnOptions::default().capacity(capacity), send_all)
}

fn count_with(options: SpawnOptions, send_all: impl AsyncFn(&ActorRef<u64>)) -> u64 {
    let runtime = one_thread();
    let actor = runtime.block_on(async { node().await.spawn_with(options, Sum(0)) });
    let run = || {
        runtime.block_on(async {
            send_all(&actor).await;
            until_empty(&actor).await;
        });
    };
    run();
    // A `block_on` in which a task gives way makes tokio's list of those who did.
    let tokios = measure(|| runtime.block_on(yield_now())).count_total;
    measure(run).count_total - tokios
}

#[test]
fn a_send_that_finds_room_allocates_nothing() {
    let allocations = count(1_024, async |actor| {
        for message in 0..MESSAGES {
            actor.send(message).await.unwrap();
            if message % 100 == 0 {
                until_empty(actor).await;
            }
        }
    });
    assert_eq!(allocations, 0);
}

#[test]
fn what_goes_along_with_a_message_costs_one_allocation() {
    let options = SendOptions::default()
        .ttl(Duration::from_hours(1))
        .trace(TraceContext::default());
    let allocations = count(64, async |actor| {
        for message in 0..MESSAGES {
            if let Err(SendError::Full(_)) = actor.with(options).try_send(message) {
                until_empty(actor).await;
                actor.with(options).send(message).await.unwrap();
            }
        }
    });
    // Those that found no room were made for nothing.
    let least = MESSAGES;
    assert!(
        (least..least + least / 32).contains(&allocations),
        "{allocations}"
    );
    let none = count(1_024, async |actor| {
        for message in 0..1_000 {
            actor
                .with(SendOptions::default())
                .send(message)
                .await
                .unwrap();
        }
    });
    assert_eq!(none, 0);
}

#[test]
fn an_actor_that_measures_ages_costs_its_senders_no_allocation() {
    let options = SpawnOptions::default().measure_age();
    let allocations = count_with(options, async |actor| {
        for message in 0..1_000 {
            actor.send(message).await.unwrap();
        }
    });
    assert_eq!(allocations, 0);
}

#[test]
fn a_try_send_allocates_nothing_whether_there_is_room_or_not() {
    let allocations = count(64, async |actor| {
        for message in 0..MESSAGES {
            if let Err(SendError::Full(_)) = actor.try_send(message) {
                until_empty(actor).await;
                actor.try_send(message).unwrap();
            }
        }
    });
    assert_eq!(allocations, 0);
}

#[test]
fn a_send_that_waits_for_room_allocates_nothing() {
    for capacity in [1, 2, 64] {
        let allocations = count(capacity, async |actor| {
            let send_all = async || {
                for message in 0..MESSAGES / 2 {
                    actor.send(message).await.unwrap();
                }
            };
            tokio::join!(send_all(), send_all());
        });
        assert_eq!(allocations, 0, "capacity {capacity}");
    }
}

#[test]
fn a_handler_that_waits_allocates_nothing() {
    let allocations = count(64, async |actor| {
        for _ in 0..MESSAGES {
            actor.send(u64::MAX).await.unwrap();
        }
    });
    assert_eq!(allocations, 0);
}

#[test]
fn a_ref_takes_at_most_24_bytes() {
    assert!(size_of::<ActorRef<()>>() <= 24);
    assert!(size_of::<ActorRef<[u64; 64]>>() <= 24);
    assert!(size_of::<Option<ActorRef<String>>>() <= 24);
}

/// Fills a mailbox and says how many bytes that took.
fn fill<const BYTES: usize>(capacity: usize) -> AllocationInfo {
    let runtime = one_thread();
    let actor = runtime.block_on(async {
        let options = SpawnOptions::default().capacity(NonZeroUsize::new(capacity).unwrap());
        let actor = node().await.spawn_with(options, Asleep(PhantomData));
        yield_now().await;
        actor
    });
    measure(|| {
        while actor.try_send([0_u8; BYTES]).is_ok() {}
        assert_eq!(local(&actor).mailbox_len(), capacity);
    })
}

fn assert_slot<const BYTES: usize>() {
    // Powers of two and not: a full mailbox has no idle slots.
    for capacity in [1, 2, 7, 64, 1_000, 1_024, 1_025, 3_000] {
        let bytes = fill::<BYTES>(capacity).bytes_current.unsigned_abs();
        let per_message = bytes.div_ceil(capacity as u64);
        let allowed = BYTES.max(16) + 24;
        assert!(
            per_message <= allowed as u64,
            "{BYTES} bytes, capacity {capacity}: {per_message} per message, {allowed} allowed"
        );
    }
}

#[test]
fn a_queued_message_takes_its_size_and_at_most_24_bytes() {
    assert_slot::<8>();
    assert_slot::<64>();
    assert_slot::<200>();
}

fn spawn_cost(node: &Node, capacity: usize) -> AllocationInfo {
    let options = SpawnOptions::default().capacity(NonZeroUsize::new(capacity).unwrap());
    measure(|| drop(node.spawn_with(options, Sum(0))))
}

#[test]
fn an_actor_costs_four_allocations_and_room_that_is_not_used_nothing() {
    one_thread().block_on(async {
        let node = node().await;
        // The node's table and the runtime grow now and then: not when this one comes.
        let _warm = spawn_cost(&node, 1);
        let small = spawn_cost(&node, 1);
        let large = spawn_cost(&node, 1_000_000);
        assert_eq!(small, large);
        assert_eq!(large.count_total, 4);
        assert!(large.bytes_total < 2_048, "{large:?}");
    });
}

#[test]
fn an_actor_that_ended_leaves_nothing_behind() {
    let runtime = one_thread();
    let node = runtime.block_on(node());
    let live = || {
        runtime.block_on(async {
            let actor = node.spawn(Sum(0));
            for message in 0..500 {
                actor.try_send(message).unwrap();
            }
            until_empty(&actor).await;
            actor.kill();
            ended(&actor).await;
        });
    };
    live();
    let lives = measure(|| (0..100).for_each(|_| live()));
    assert_eq!((lives.count_current, lives.bytes_current), (0, 0));
}

/// Refs that are kept hold the cell, and no messages' room.
#[test]
fn a_ref_to_an_actor_that_ended_holds_no_ring() {
    let runtime = one_thread();
    let node = runtime.block_on(node());
    let mut kept = Vec::with_capacity(1);
    let life = measure(|| {
        runtime.block_on(async {
            let actor = node.spawn(Asleep::<[u64; 16]>(PhantomData));
            while actor.try_send([0; 16]).is_ok() {}
            actor.stop();
            actor.kill();
            ended(&actor).await;
            kept.push(actor);
        });
    });
    assert!(life.bytes_current < 4_096, "{life:?}");
}

enum Question {
    Double {
        number: u64,
        reply: ReplyTo<u64>,
    },
    /// Answered after a turn of the runtime.
    Later {
        number: u64,
        reply: ReplyTo<u64>,
    },
    Drop {
        reply: ReplyTo<u64>,
    },
}

struct Answers;

impl Actor for Answers {
    type Message = Question;

    async fn handle(&mut self, message: Question, _: &mut Context<Self>) -> ActorResult {
        match message {
            Question::Double { number, reply } => reply.send(2 * number),
            Question::Later { number, reply } => {
                yield_now().await;
                reply.send(2 * number);
            }
            Question::Drop { reply } => drop(reply),
        }
        Ok(())
    }
}

/// Counts the allocations of asking and answering, on the one thread that does both.
fn count_asks(ask_all: impl AsyncFn(&ActorRef<Question>)) -> u64 {
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let actor = runtime.block_on(async { node().await.spawn(Answers) });
    let run = || runtime.block_on(ask_all(&actor));
    run();
    // A `block_on` in which a task gives way makes tokio's list of those who did.
    let tokios = measure(|| runtime.block_on(yield_now())).count_total;
    measure(run).count_total.saturating_sub(tokios)
}

#[test]
fn an_ask_allocates_nothing() {
    let allocations = count_asks(async |actor| {
        let ask_all = async || {
            for number in 0..MESSAGES / 4 {
                let doubled = actor.ask(|reply| Question::Double { number, reply });
                assert_eq!(doubled.await.unwrap(), 2 * number);
                let doubled = actor.ask(|reply| Question::Later { number, reply });
                assert_eq!(doubled.await.unwrap(), 2 * number);
            }
        };
        tokio::join!(ask_all(), ask_all());
    });
    assert_eq!(allocations, 0);
}

#[test]
fn an_ask_that_comes_to_nothing_allocates_nothing() {
    let allocations = count_asks(async |actor| {
        for _ in 0..MESSAGES {
            let dropped = actor.ask(|reply| Question::Drop { reply }).await;
            assert!(matches!(dropped, Err(AskError::NoReply)), "{dropped:?}");
            // Given up before it is polled, and while it waits.
            let _never_polled = actor.ask(|reply| Question::Drop { reply });
            let mut ask = pin!(actor.ask(|reply| Question::Drop { reply }));
            poll_fn(|cx| {
                assert!(ask.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
        }
    });
    assert_eq!(allocations, 0);
}
