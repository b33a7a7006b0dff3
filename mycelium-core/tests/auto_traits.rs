//! Pins which public types and futures may be sent to and shared with other threads.

use std::{cell::Cell, time::Duration};

use mycelium_core::{
    Actor, ActorError, ActorRef, ActorResult, Archived, Context, DeadLetter, DeadLetterNotice,
    DeadLetters, Extensions, Inbound, Inbox, Link, LinkRefusal, LocalRef, Names, Node, NodeBuilder,
    Outgoing, Plugin, Remote, RemoteRef, SendError, SendFuture, SendOptions, ShutdownTimeout,
    SpawnOptions, StartError, StopReason, TooManyExports,
};

/// May be sent, and no more: the least a message is.
type Unshared = Cell<u8>;

struct Idle(Cell<u8>);

impl Actor for Idle {
    type Message = Unshared;

    async fn handle(&mut self, message: Unshared, _cx: &mut Context<Self>) -> ActorResult {
        self.0.set(message.get());
        Ok(())
    }
}

fn send<T: Send + ?Sized>() {}
fn sync<T: Sync + ?Sized>() {}
fn unpin<T: Unpin + ?Sized>() {}
fn send_value<T: Send>(_: &T) {}

#[test]
fn refs_may_be_sent_and_shared_though_their_messages_may_only_be_sent() {
    send::<ActorRef<Unshared>>();
    sync::<ActorRef<Unshared>>();
    send::<LocalRef<Unshared>>();
    sync::<LocalRef<Unshared>>();
    send::<RemoteRef<Unshared>>();
    sync::<RemoteRef<Unshared>>();
    send::<Remote>();
    sync::<Remote>();
}

#[test]
fn nodes_and_their_parts_may_be_sent_and_shared() {
    send::<Node>();
    sync::<Node>();
    send::<NodeBuilder>();
    send::<dyn Plugin>();
    send::<Extensions>();
    sync::<Extensions>();
    send::<Names>();
    sync::<Names>();
    send::<SpawnOptions>();
    sync::<SpawnOptions>();
    send::<SendOptions>();
    sync::<SendOptions>();
    send::<Outgoing<'_, Unshared>>();
    sync::<Outgoing<'_, Unshared>>();
    send::<DeadLetters>();
    sync::<DeadLetters>();
    send::<DeadLetter>();
    sync::<DeadLetter>();
    send::<DeadLetterNotice>();
    sync::<DeadLetterNotice>();
    send::<Inbound>();
    send::<Inbox<Unshared>>();
    send::<dyn Link>();
    sync::<dyn Link>();
}

#[test]
fn a_context_may_be_sent_and_shared_whatever_its_actor_is() {
    send::<Context<Idle>>();
    sync::<Context<Idle>>();
}

#[test]
fn a_message_from_afar_may_be_sent_and_shared() {
    send::<Archived<Unshared>>();
    sync::<Archived<Unshared>>();
}

#[test]
fn errors_may_be_sent_and_shared_where_their_message_may() {
    send::<SendError<Unshared>>();
    send::<SendError<u8>>();
    sync::<SendError<u8>>();
    send::<ActorError>();
    sync::<ActorError>();
    send::<StopReason>();
    sync::<StopReason>();
    send::<StartError>();
    sync::<StartError>();
    send::<ShutdownTimeout>();
    sync::<ShutdownTimeout>();
    send::<TooManyExports>();
    sync::<TooManyExports>();
    send::<LinkRefusal>();
    sync::<LinkRefusal>();
}

#[test]
fn sends_may_be_polled_on_any_thread_and_need_no_pin() {
    send::<SendFuture<'_, Unshared>>();
    unpin::<SendFuture<'_, Unshared>>();
    sync::<SendFuture<'_, u8>>();
}

#[test]
fn futures_of_refs_nodes_and_streams_may_be_sent() {
    fn futures(
        node: &Node,
        actor: &ActorRef<Unshared>,
        letters: &mut DeadLetters,
        builder: NodeBuilder,
    ) {
        send_value(&actor.send_timeout(Cell::new(0), Duration::ZERO));
        let with = actor.with(SendOptions::default());
        send_value(&with.send(Cell::new(0)));
        send_value(&node.shutdown(Duration::ZERO));
        send_value(&letters.next());
        send_value(&builder.start());
    }
    let _ = futures;
}
