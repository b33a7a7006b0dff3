//! [`Context`]: what a handler is given besides the message.

use crate::{Actor, ActorRef, LocalRef, Node};

/// The actor's view of itself and its node.
pub struct Context<A: Actor> {
    me: LocalRef<A::Message>,
    node: Node,
}

impl<A: Actor> Context<A> {
    pub(crate) fn new(me: LocalRef<A::Message>, node: Node) -> Self {
        Self { me, node }
    }

    /// A ref to this actor.
    pub fn actor_ref(&self) -> ActorRef<A::Message> {
        ActorRef::Local(self.me.clone())
    }

    /// The node the actor lives on.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Stops this actor once it has handled what its mailbox holds.
    pub fn stop(&self) {
        self.me.stop();
    }

    /// Messages of this process that wait to be handled.
    pub fn mailbox_len(&self) -> usize {
        self.me.mailbox_len()
    }
}
