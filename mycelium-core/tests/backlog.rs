//! A mailbox that fills up is visible, and told of once.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows tests by their attribute, not their helpers"
)]

use std::num::NonZeroUsize;

use mycelium_core::{Actor, ActorRef, ActorResult, Context, Inbox, Node, ReplyTo, SpawnOptions};
use tracing::subscriber;

use crate::{node::node, warnings::Warnings};

#[path = "kit/node.rs"]
mod node;
#[path = "kit/warnings.rs"]
mod warnings;

fn capacity(messages: usize) -> SpawnOptions {
    SpawnOptions::default().capacity(NonZeroUsize::new(messages).unwrap())
}

fn send(actor: &ActorRef<u64>, messages: u64) {
    for message in 0..messages {
        actor.try_send(message).unwrap();
    }
}

fn receive(inbox: &mut Inbox<u64>, messages: usize) {
    for _ in 0..messages {
        assert!(matches!(inbox.try_recv(), Ok(Some(_))));
    }
}

#[tokio::test]
async fn a_backlog_is_told_of_once_until_it_has_gone() {
    let warnings = Warnings::default();
    let _listening = subscriber::set_default(warnings.clone());
    let mut inbox: Inbox<u64> = node().await.inbox_with(capacity(100));
    let actor = inbox.actor_ref();
    send(&actor, 79);
    assert_eq!(warnings.count(), 0);
    send(&actor, 1);
    assert_eq!(warnings.count(), 1);
    let told = warnings.first();
    for part in [
        "message_type=\"u64\"",
        "waiting_messages=80",
        "capacity_messages=100",
    ] {
        assert!(told.contains(part), "{told}");
    }
    // It stays, and it comes and goes above half.
    send(&actor, 20);
    receive(&mut inbox, 40);
    send(&actor, 40);
    assert_eq!(warnings.count(), 1);
    // It goes, and comes again.
    receive(&mut inbox, 100);
    assert_eq!(inbox.try_recv(), Ok(None));
    send(&actor, 100);
    assert_eq!(warnings.count(), 2);
}

#[tokio::test]
async fn a_small_mailbox_may_be_full_without_a_word() {
    let warnings = Warnings::default();
    let _listening = subscriber::set_default(warnings.clone());
    let inbox: Inbox<u64> = node().await.inbox_with(capacity(15));
    send(&inbox.actor_ref(), 15);
    assert_eq!((inbox.mailbox_len(), warnings.count()), (15, 0));
}

/// Tells how much waits behind what it handles.
struct Depth;

impl Actor for Depth {
    type Message = ReplyTo<usize>;

    async fn handle(&mut self, reply: ReplyTo<usize>, cx: &mut Context<Self>) -> ActorResult {
        reply.send(cx.mailbox_len());
        Ok(())
    }
}

async fn ask(node: &Node) -> (ActorRef<ReplyTo<usize>>, [usize; 3]) {
    let actor = node.spawn(Depth);
    let ask = || async { actor.ask(|reply| reply).await.unwrap() };
    let (first, second, third) = tokio::join!(ask(), ask(), ask());
    (actor.clone(), [first, second, third])
}

#[tokio::test]
async fn the_depth_of_a_mailbox_is_visible_inside_and_outside() {
    let (actor, depths) = ask(&node().await).await;
    assert_eq!(depths, [2, 1, 0]);
    let ActorRef::Local(local) = actor else {
        panic!("the actor lives here")
    };
    assert_eq!(local.mailbox_len(), 0);
}
