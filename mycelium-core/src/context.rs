//! [`Context`]: what a handler is given besides the message.

use std::{sync::Weak, time::Duration};

use mycelium_wire::ActorId;

use crate::{
    Actor, ActorRef, LocalRef, Message, Node, SpawnOptions, StopReason, Timer, WatchError,
    cell::Control, watch::Watches,
};

/// The actor's view of itself and its node.
pub struct Context<A: Actor> {
    me: LocalRef<A::Message>,
    node: Node,
    watches: Watches,
    /// Swept of those that are gone whenever it would grow.
    children: Vec<Weak<dyn Control>>,
}

impl<A: Actor> Context<A> {
    pub(crate) fn new(me: LocalRef<A::Message>, node: Node) -> Self {
        Self {
            me,
            node,
            watches: Watches::default(),
            children: Vec::new(),
        }
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

    /// Is ready when this actor is asked to stop, or is killed: a long handler may wait for it
    /// beside its work.
    pub fn cancelled(&self) -> impl Future<Output = ()> + Send + 'static {
        self.me.0.front.ending().cancelled_owned()
    }

    /// Messages of this process that wait to be handled.
    pub fn mailbox_len(&self) -> usize {
        self.me.mailbox_len()
    }

    /// Spawns an actor that ends with this one: stopped when this one stops or fails, killed when
    /// it is killed.
    pub fn spawn<C: Actor>(&mut self, actor: C) -> ActorRef<C::Message> {
        self.spawn_with(SpawnOptions::default(), actor)
    }

    /// Spawns an actor that ends with this one, with options.
    pub fn spawn_with<C: Actor>(
        &mut self,
        options: SpawnOptions,
        actor: C,
    ) -> ActorRef<C::Message> {
        let (child, control) = self.node.spawn_local(&options, actor);
        if self.children.len() == self.children.capacity() {
            self.children.retain(|child| child.strong_count() > 0);
        }
        self.children.push(control);
        ActorRef::Local(child)
    }

    /// Asks to be told by [`Actor::terminated`], once, when `actor` is gone for good, after the
    /// last message it sent; at once if it is. Watching it again changes nothing.
    ///
    /// # Errors
    ///
    /// [`WatchError::NotLocal`] for an actor of another node.
    pub fn watch<M: Message>(&mut self, actor: &ActorRef<M>) -> Result<(), WatchError> {
        match actor {
            ActorRef::Local(actor) => self.watches.watch(&self.me, actor),
            // It came home in a message, and was gone by then.
            ActorRef::Unix(remote) | ActorRef::Tcp(remote) if remote.is_gone_from(&self.node) => {
                self.watches.miss(&self.me, actor.id());
            }
            _ => return Err(WatchError::NotLocal),
        }
        Ok(())
    }

    /// Takes a watch back: there will be no notice, even where it is on its way. Says whether
    /// there was one.
    pub fn unwatch<M: Message>(&mut self, actor: &ActorRef<M>) -> bool {
        // Actors of other nodes may have the same id.
        actor.identity() == (self.node.id().incarnation(), actor.id())
            && self.watches.unwatch(actor.id())
    }

    /// Sends this actor a message after a while; it waits for room like any other.
    pub fn send_after(&self, after: Duration, message: A::Message) -> Timer {
        let ended = self.me.0.front.ending();
        Timer::once(&self.node, ended, self.actor_ref(), after, message)
    }

    /// Sends this actor a message every `period`, the first after one period. While it lags,
    /// ticks are skipped.
    ///
    /// # Panics
    ///
    /// When `period` is zero.
    pub fn send_interval(
        &self,
        period: Duration,
        make: impl FnMut() -> A::Message + Send + 'static,
    ) -> Timer {
        assert!(!period.is_zero(), "an interval has a length");
        let ended = self.me.0.front.ending();
        Timer::each(&self.node, ended, self.actor_ref(), period, make)
    }

    /// A notice is told only where its watch still stands, and ends it.
    pub(crate) fn take_watch(&mut self, actor: ActorId) -> bool {
        self.watches.unwatch(actor)
    }
}

impl<A: Actor> Drop for Context<A> {
    /// Children end with their parent.
    fn drop(&mut self) {
        let is_killed = self.me.0.front.exit.reason() == StopReason::Killed;
        for child in self.children.drain(..).filter_map(|child| child.upgrade()) {
            if is_killed {
                child.kill();
            } else {
                child.stop();
            }
        }
    }
}
