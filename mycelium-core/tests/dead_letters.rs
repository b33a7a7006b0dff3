//! What actors leave unhandled is reported on a bounded stream.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows tests by their attribute, not their helpers"
)]

use mycelium_core::{DeadLetter, DeadLetterNotice, DeadLetterReason, Node, StopReason};

use crate::{ended::ended, gated::Gate, node::node};

#[path = "kit/ended.rs"]
mod ended;
#[path = "kit/gated.rs"]
mod gated;
#[path = "kit/node.rs"]
mod node;

/// An actor that ends with so many messages unhandled.
async fn leave(node: &Node, messages: u64) -> Gate {
    let gate = Gate::spawn(node, 1_024);
    for message in 0..messages {
        gate.actor.try_send(message).unwrap();
    }
    gate.actor.kill();
    ended(&gate.actor).await;
    gate
}

fn letter(notice: Option<DeadLetterNotice>) -> DeadLetter {
    match notice {
        Some(DeadLetterNotice::Letter(letter)) => letter,
        other => panic!("not a letter: {other:?}"),
    }
}

#[tokio::test]
async fn a_letter_says_whose_messages_of_what_type_how_many_and_why() {
    let node = node().await;
    let mut letters = node.dead_letters();
    let gate = leave(&node, 5).await;
    let letter = letter(letters.next().await);
    assert_eq!(letter.target, gate.actor.id());
    assert_eq!(letter.message_type, "u64");
    let killed = DeadLetterReason::ActorEnded(StopReason::Killed);
    assert_eq!(letter.reason, killed);
    assert_eq!(letter.count, 5);
}

#[tokio::test]
async fn an_actor_that_left_nothing_writes_no_letter() {
    let node = node().await;
    let mut letters = node.dead_letters();
    leave(&node, 0).await;
    leave(&node, 1).await;
    assert_eq!(letter(letters.next().await).count, 1);
}

#[tokio::test]
async fn a_stream_has_the_letters_since_it_was_asked_for() {
    let node = node().await;
    let mut early = node.dead_letters();
    leave(&node, 1).await;
    let mut late = node.dead_letters();
    leave(&node, 2).await;
    assert_eq!(letter(early.next().await).count, 1);
    assert_eq!(letter(early.next().await).count, 2);
    assert_eq!(letter(late.next().await).count, 2);
}

#[tokio::test]
async fn a_slow_reader_is_told_how_many_letters_it_missed() {
    let node = node().await;
    let mut letters = node.dead_letters();
    for _ in 0..1_024 + 10 {
        leave(&node, 1).await;
    }
    let notice = letters.next().await;
    assert!(
        matches!(notice, Some(DeadLetterNotice::Missed(10))),
        "{notice:?}"
    );
    assert_eq!(letter(letters.next().await).count, 1);
}

#[tokio::test]
async fn the_stream_ends_when_the_node_is_gone() {
    let node = node().await;
    let mut letters = node.dead_letters();
    leave(&node, 1).await;
    drop(node);
    assert_eq!(letter(letters.next().await).count, 1);
    assert!(letters.next().await.is_none());
}
