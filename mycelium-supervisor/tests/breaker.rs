//! Circuit breakers: what opens them, what closes them, and what comes back.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows tests by their attribute, not their helpers"
)]

#[path = "kit/member.rs"]
mod member;

use std::{num::NonZeroUsize, time::Duration};

use mycelium_core::{
    AskError, Inbox, Node, ReplyTo, SendError, SpawnOptions, testing::VirtualTime,
};
use mycelium_supervisor::{Breaker, BreakerConfig, BreakerError, Intensity, Supervisor};

use crate::member::{Log, Order, Start};

const SECOND: Duration = Duration::from_secs(1);

/// Opens with the call after four of which half have failed.
fn four() -> BreakerConfig {
    BreakerConfig::default().calls(4).trials(1)
}

async fn node() -> Node {
    Node::builder("test").start().await.unwrap()
}

/// An inbox of one message.
fn small<M: mycelium_core::Message>(node: &Node) -> Inbox<M> {
    node.inbox_with(SpawnOptions::default().capacity(NonZeroUsize::MIN))
}

/// Whether the breaker lets a call through that would succeed.
fn is_open(breaker: &Breaker<u64>) -> bool {
    matches!(breaker.try_send(9), Err(BreakerError::Open(9)))
}

#[tokio::test]
async fn it_opens_when_the_mailbox_stays_full_and_closes_when_trials_succeed() {
    let node = node().await;
    let mut stuck = small(&node);
    let at_once = four().open_for(Duration::ZERO);
    let breaker = Breaker::new(stuck.actor_ref(), four());
    let trying = Breaker::new(stuck.actor_ref(), at_once);
    breaker.try_send(0).unwrap();
    for breaker in [&breaker, &trying] {
        for _ in 0..5 {
            let full = breaker.try_send(1);
            let is_full = matches!(full, Err(BreakerError::Failed(SendError::Full(1))));
            assert!(is_full || is_open(breaker));
        }
    }
    assert!(is_open(&breaker));
    assert!(is_open(&breaker.clone()), "clones share the state");
    for _ in 0..4 {
        assert!(stuck.try_recv().unwrap().is_some());
        trying.try_send(2).unwrap();
    }
    assert!(is_open(&breaker), "its time is not up");
}

#[tokio::test]
async fn a_time_that_passes_opens_it() {
    let _time = VirtualTime::start();
    let node = node().await;
    let stuck = small(&node);
    let breaker = Breaker::new(stuck.actor_ref(), four());
    breaker.send_timeout(0, SECOND).await.unwrap();
    for _ in 0..4 {
        let late = breaker.send_timeout(1, SECOND).await;
        assert!(matches!(
            late,
            Err(BreakerError::Failed(SendError::Timeout(1)))
        ));
    }
    let refused = breaker.send_timeout(1, SECOND).await;
    assert!(matches!(refused, Err(BreakerError::Open(1))));
}

#[tokio::test]
async fn asks_that_are_not_answered_open_it_and_no_message_is_made_then() {
    let _time = VirtualTime::start();
    let node = node().await;
    let silent = node.inbox::<ReplyTo<u64>>();
    let breaker = Breaker::new(silent.actor_ref(), four());
    for _ in 0..5 {
        let asked = breaker.ask(SECOND, |reply| reply).await;
        assert!(matches!(
            asked,
            Err(BreakerError::Failed(AskError::Timeout))
        ));
    }
    let asked = breaker.ask(SECOND, |_| unreachable!("it is open")).await;
    assert!(matches!(asked, Err::<u64, _>(BreakerError::Open(()))));
}

#[tokio::test]
async fn restarts_open_it() {
    let log = Log::default();
    let node = node().await;
    let many = Intensity {
        max_restarts: 10,
        within: SECOND,
    };
    let mut tree = Supervisor::builder(&node, "top").intensity(many);
    let child = tree.child(log.child("a", Start::Works)).unwrap();
    let _supervisor = tree.start().await.unwrap();
    let breaker = Breaker::new(child.clone(), four());
    for life in 1..=5 {
        assert_eq!(child.restarts(), life - 1);
        child.send(Order::Fail).await.unwrap();
        log.wait_for(&format!("a{} started", life + 1)).await;
    }
    let asked = breaker.ask(SECOND, Order::Life).await;
    assert!(matches!(asked, Err(BreakerError::Open(()))));
}

#[tokio::test]
async fn the_end_of_the_actor_does_not_open_it() {
    let node = node().await;
    let gone = node.inbox::<u64>();
    let breaker = Breaker::new(gone.actor_ref(), four());
    drop(gone);
    for _ in 0..10 {
        let sent = breaker.try_send(1);
        let is_down = |error: &SendError<u64>| matches!(error, SendError::ActorDown { .. });
        assert!(matches!(&sent, Err(BreakerError::Failed(error)) if is_down(error)));
    }
}
