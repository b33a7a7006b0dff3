//! Actors that wait for each other are named, by debug builds.

#![cfg(debug_assertions)]
#![expect(
    clippy::unwrap_used,
    reason = "clippy knows tests by their attribute, not their helpers"
)]

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use mycelium_core::{
    Actor, ActorRef, ActorResult, Context, Node, ReplyTo, SendError, SpawnOptions,
};
use tokio::{sync::Semaphore, task::yield_now};
use tracing::subscriber::{self, DefaultGuard};

use crate::{ended::ended, node::node, warnings::Warnings};

#[path = "kit/ended.rs"]
mod ended;
#[path = "kit/node.rs"]
mod node;
#[path = "kit/warnings.rs"]
mod warnings;

/// Does what it is told.
struct Peer;

enum Order {
    /// Asks the first of them to ask the next, and so on; then answers.
    AskAlong(Vec<ActorRef<Order>>, ReplyTo<()>),
    /// Answers, and asks the asker before it returns.
    AnswerThenAsk(ActorRef<Order>, ReplyTo<()>),
    /// Asks it to answer and then to ask back.
    AskToAskBack(ActorRef<Order>),
    /// Sends so many to it once the gate is open.
    Flood(ActorRef<Order>, usize, Arc<Semaphore>),
    /// As `Flood`, each with a time limit.
    FloodInTime(ActorRef<Order>, usize, Arc<Semaphore>),
    /// Keeps an ask that waits, and returns.
    AskAndKeep(ActorRef<Order>),
    Nothing,
}

impl Actor for Peer {
    type Message = Order;

    async fn handle(&mut self, order: Order, cx: &mut Context<Self>) -> ActorResult {
        match order {
            Order::AskAlong(mut others, reply) => {
                if !others.is_empty() {
                    let next = others.remove(0);
                    let _ = next.ask(|reply| Order::AskAlong(others, reply)).await;
                }
                reply.send(());
            }
            Order::AnswerThenAsk(asker, reply) => {
                reply.send(());
                asker
                    .ask(|reply| Order::AskAlong(Vec::new(), reply))
                    .await
                    .unwrap();
            }
            Order::AskToAskBack(other) => {
                let me = cx.actor_ref();
                other
                    .ask(|reply| Order::AnswerThenAsk(me, reply))
                    .await
                    .unwrap();
            }
            Order::Flood(other, count, gate) => {
                gate.acquire().await?.forget();
                for _ in 0..count {
                    other.send(Order::Nothing).await.unwrap();
                }
            }
            Order::FloodInTime(other, count, gate) => {
                gate.acquire().await?.forget();
                for _ in 0..count {
                    let sent = other.send_timeout(Order::Nothing, Duration::from_secs(1));
                    assert!(matches!(sent.await, Ok(()) | Err(SendError::Timeout(_))));
                }
            }
            Order::AskAndKeep(other) => {
                let ask = async move {
                    let _ = other.ask(|reply| Order::AskAlong(Vec::new(), reply)).await;
                };
                let mut ask = Box::pin(ask);
                std::future::poll_fn(|task| {
                    assert!(ask.as_mut().poll(task).is_pending());
                    std::task::Poll::Ready(())
                })
                .await;
                std::mem::forget(ask);
            }
            Order::Nothing => {}
        }
        Ok(())
    }
}

fn listen() -> (Warnings, DefaultGuard) {
    let warnings = Warnings::default();
    let listening = subscriber::set_default(warnings.clone());
    (warnings, listening)
}

fn small(node: &Node) -> ActorRef<Order> {
    node.spawn_with(SpawnOptions::default().capacity(NonZeroUsize::MIN), Peer)
}

fn name(actor: &ActorRef<Order>) -> String {
    format!("{} (wait_cycles::Peer)", actor.id())
}

/// The first asks the next, and so on; the last asks the first. Returns what is warned of.
async fn asked_round(length: usize) -> (Vec<ActorRef<Order>>, Warnings) {
    let (warnings, _listening) = listen();
    let node = node().await;
    let ring: Vec<_> = (0..length).map(|_| node.spawn(Peer)).collect();
    let mut along = ring[1..].to_vec();
    along.push(ring[0].clone());
    let asked = ring[0].ask(|reply| Order::AskAlong(along, reply));
    // The last of the asks times out, and with it the cycle.
    asked.timeout(Duration::from_mins(1)).await.unwrap();
    (ring, warnings)
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_asks_itself_is_named_once() {
    let (ring, warnings) = asked_round(1).await;
    let me = name(&ring[0]);
    assert_eq!(warnings.count(), 1);
    assert!(warnings.first().contains(&format!("{me} asks {me}")));
}

#[tokio::test(start_paused = true)]
async fn two_actors_that_ask_each_other_are_named_once() {
    let (ring, warnings) = asked_round(2).await;
    let (a, b) = (name(&ring[0]), name(&ring[1]));
    assert_eq!(warnings.count(), 1);
    let told = warnings.first();
    assert!(
        told.contains(&format!("{b} asks {a}, which asks {b}")),
        "{told}"
    );
}

#[tokio::test(start_paused = true)]
async fn three_actors_that_ask_round_a_cycle_are_named_once() {
    let (ring, warnings) = asked_round(3).await;
    let [a, b, c] = [0, 1, 2].map(|at| name(&ring[at]));
    assert_eq!(warnings.count(), 1);
    let told = warnings.first();
    let cycle = format!("{c} asks {a}, which asks {b}, which asks {c}");
    assert!(told.contains(&cycle), "{told}");
}

/// Two actors with room for one message that flood each other, once both are busy.
async fn flood(order: fn(ActorRef<Order>, usize, Arc<Semaphore>) -> Order) -> [ActorRef<Order>; 2] {
    let (node, gate) = (node().await, Arc::new(Semaphore::new(0)));
    let (a, b) = (small(&node), small(&node));
    a.send(order(b.clone(), 2, Arc::clone(&gate)))
        .await
        .unwrap();
    b.send(order(a.clone(), 2, Arc::clone(&gate)))
        .await
        .unwrap();
    gate.add_permits(2);
    [a, b]
}

#[tokio::test]
async fn actors_that_send_into_each_others_full_mailboxes_are_named_once() {
    let (warnings, _listening) = listen();
    let [a, b] = flood(Order::Flood).await;
    while warnings.count() == 0 {
        yield_now().await;
    }
    let told = warnings.first();
    let cycle = |first: &_, second: &_| {
        let (first, second) = (name(first), name(second));
        format!("{first} sends to {second}, which sends to {first}")
    };
    assert!(
        told.contains(&cycle(&a, &b)) || told.contains(&cycle(&b, &a)),
        "{told}"
    );
    a.kill();
    b.kill();
    ended(&a).await;
    ended(&b).await;
    // The others are those of the two messages that were not handled.
    assert_eq!(warnings.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn sends_with_a_time_limit_are_not_told_of() {
    let (warnings, _listening) = listen();
    for actor in flood(Order::FloodInTime).await {
        actor.stop();
        ended(&actor).await;
    }
    assert_eq!(warnings.count(), 0);
}

#[tokio::test]
async fn asking_a_busy_actor_is_not_told_of() {
    let (warnings, _listening) = listen();
    let (node, gate) = (node().await, Arc::new(Semaphore::new(0)));
    let (asker, busy, third) = (node.spawn(Peer), node.spawn(Peer), node.spawn(Peer));
    busy.send(Order::Flood(third, 1, Arc::clone(&gate)))
        .await
        .unwrap();
    let asked = asker.ask(|reply| Order::AskAlong(vec![busy], reply));
    let open = async {
        yield_now().await;
        gate.add_permits(1);
    };
    tokio::join!(asked, open).0.unwrap();
    assert_eq!(warnings.count(), 0);
}

/// The first asker has its answer, and has not been polled yet, when it is asked itself.
#[tokio::test]
async fn an_answer_that_the_asker_has_not_seen_yet_ends_its_wait() {
    let (warnings, _listening) = listen();
    let node = node().await;
    let (a, b) = (node.spawn(Peer), node.spawn(Peer));
    a.send(Order::AskToAskBack(b.clone())).await.unwrap();
    for actor in [a, b] {
        actor
            .ask(|reply| Order::AskAlong(Vec::new(), reply))
            .await
            .unwrap();
    }
    assert_eq!(warnings.count(), 0);
}

/// One waits for room that comes with the very handler that waits for it in turn.
#[tokio::test]
async fn room_that_the_sender_has_not_seen_yet_ends_its_wait() {
    let (warnings, _listening) = listen();
    let (node, gate) = (node().await, Arc::new(Semaphore::new(0)));
    let (a, b) = (small(&node), small(&node));
    let third = node.spawn(Peer);
    b.send(Order::Flood(third, 1, Arc::clone(&gate)))
        .await
        .unwrap();
    yield_now().await;
    let open = Arc::new(Semaphore::new(2));
    b.send(Order::Flood(a.clone(), 2, Arc::clone(&open)))
        .await
        .unwrap();
    a.send(Order::Flood(b.clone(), 1, open)).await.unwrap();
    yield_now().await;
    gate.add_permits(1);
    for actor in [b, a] {
        actor
            .ask(|reply| Order::AskAlong(Vec::new(), reply))
            .await
            .unwrap();
    }
    assert_eq!(warnings.count(), 0);
}

/// A handler may keep a future that waits, and return: its actor does not wait then.
#[tokio::test]
async fn an_ask_that_outlives_its_handler_is_no_wait() {
    let (warnings, _listening) = listen();
    let node = node().await;
    let (a, b) = (node.spawn(Peer), node.spawn(Peer));
    let gate = Arc::new(Semaphore::new(0));
    b.send(Order::Flood(a.clone(), 1, Arc::clone(&gate)))
        .await
        .unwrap();
    a.send(Order::AskAndKeep(b.clone())).await.unwrap();
    let asked = b.ask(|reply| Order::AskAlong(vec![a.clone()], reply));
    gate.add_permits(1);
    asked.await.unwrap();
    assert_eq!(warnings.count(), 0);
}
