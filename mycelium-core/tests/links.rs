//! Links between actors: whose end ends whom.

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

use mycelium_core::{Actor, ActorRef, ActorResult, Context, ReplyTo, StopReason};

use crate::{ended::ended, kept::Kept, node::node};

struct Member;

enum Order {
    Link(ActorRef<Order>, ReplyTo<()>),
    Unlink(ActorRef<Order>, ReplyTo<()>),
    Fail,
    Ping(ReplyTo<()>),
}

impl Actor for Member {
    type Message = Order;

    async fn handle(&mut self, order: Order, cx: &mut Context<Self>) -> ActorResult {
        match order {
            Order::Link(other, done) => {
                cx.link(&other)?;
                done.send(());
            }
            Order::Unlink(other, done) => {
                cx.unlink(&other);
                done.send(());
            }
            Order::Fail => return Err("told to fail".into()),
            Order::Ping(reply) => reply.send(()),
        }
        Ok(())
    }
}

async fn link(one: &ActorRef<Order>, other: &ActorRef<Order>) {
    let linked = one.ask(|done| Order::Link(other.clone(), done)).await;
    linked.unwrap();
}

async fn ping(actor: &ActorRef<Order>) {
    actor.ask(Order::Ping).await.unwrap();
}

fn linked() -> StopReason {
    StopReason::Linked("the actor failed: told to fail".into())
}

#[tokio::test]
async fn a_failure_ends_the_other_whoever_made_the_link() {
    let node = node().await;
    for maker in [0, 1] {
        let pair = [node.spawn(Member), node.spawn(Member)];
        link(&pair[maker], &pair[1 - maker]).await;
        pair[0].send(Order::Fail).await.unwrap();
        assert_eq!(ended(&pair[1]).await, linked());
    }
}

#[tokio::test]
async fn a_chain_of_links_ends_as_a_whole() {
    let node = node().await;
    let chain: Vec<_> = (0..4).map(|_| node.spawn(Member)).collect();
    for pair in chain.windows(2) {
        link(&pair[0], &pair[1]).await;
    }
    chain[1].send(Order::Fail).await.unwrap();
    for actor in &chain {
        ended(actor).await;
    }
}

#[tokio::test]
async fn a_stop_undoes_the_link() {
    let node = node().await;
    let (one, other) = (node.spawn(Member), node.spawn(Member));
    link(&one, &other).await;
    one.stop();
    assert_eq!(ended(&one).await, StopReason::Stopped);
    ping(&other).await;
}

#[tokio::test]
async fn a_kill_ends_the_other() {
    let node = node().await;
    let (one, other) = (node.spawn(Member), node.spawn(Member));
    link(&one, &other).await;
    link(&other, &one).await;
    other.kill();
    let reason = StopReason::Linked("the actor was killed".into());
    assert_eq!(ended(&one).await, reason);
}

#[tokio::test]
async fn an_unlink_undoes_it_on_both_sides() {
    let node = node().await;
    let (one, other) = (node.spawn(Member), node.spawn(Member));
    link(&one, &other).await;
    let unlinked = other.ask(|done| Order::Unlink(one.clone(), done)).await;
    unlinked.unwrap();
    one.send(Order::Fail).await.unwrap();
    ended(&one).await;
    ping(&other).await;
}

#[tokio::test]
async fn whoever_links_to_an_actor_that_is_gone_ends() {
    let node = node().await;
    let (one, other) = (node.spawn(Member), node.spawn(Member));
    other.stop();
    ended(&other).await;
    let asked = one.ask(|done| Order::Link(other, done)).await;
    drop(asked);
    let reason = StopReason::Linked("no such actor".into());
    assert_eq!(ended(&one).await, reason);
}

#[tokio::test]
async fn an_actor_linked_to_itself_lives() {
    let node = node().await;
    let one = node.spawn(Member);
    link(&one, &one).await;
    ping(&one).await;
}

#[tokio::test]
async fn only_the_lives_that_were_linked_end_together() {
    let node = node().await;
    let mut one = Kept::new(&node, || Member);
    let mut other = Kept::new(&node, || Member);
    one.live().await;
    other.live().await;
    link(&one.actor, &other.actor).await;
    one.actor.send(Order::Fail).await.unwrap();
    one.ended().await;
    assert_eq!(other.ended().await, linked());
    one.live().await;
    other.live().await;
    other.actor.send(Order::Fail).await.unwrap();
    other.ended().await;
    ping(&one.actor).await;
}

#[tokio::test]
async fn a_life_that_was_stopped_has_left_its_link() {
    let node = node().await;
    let mut one = Kept::new(&node, || Member);
    one.live().await;
    let other = node.spawn(Member);
    link(&other, &one.actor).await;
    one.actor.stop();
    assert_eq!(one.ended().await, StopReason::Stopped);
    one.live().await;
    other.send(Order::Fail).await.unwrap();
    ended(&other).await;
    ping(&one.actor).await;
}

#[tokio::test]
async fn a_link_to_an_actor_between_two_lives_is_one_with_the_next() {
    let node = node().await;
    let mut one = Kept::new(&node, || Member);
    let other = node.spawn(Member);
    link(&other, &one.actor).await;
    one.live().await;
    ping(&other).await;
    other.send(Order::Fail).await.unwrap();
    assert_eq!(one.ended().await, linked());
}
