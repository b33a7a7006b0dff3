//! Watches: an actor is told, once, when another is gone for good.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Weak},
};

use mycelium_wire::{ActorId, NodeId};

use crate::{
    ActorRef, LocalRef, Message, Node, Remote, StopReason,
    cell::{Front, LocalCell, exit::Mourner},
    link::LinkRefusal,
    sync::{AtomicBool, Mutex, Ordering},
};

/// What tells actors apart, those of other nodes included: the life of its node, and its id there.
pub(crate) type Identity = (u128, ActorId);

/// An actor that was watched is gone.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Terminated {
    /// Its id on its node.
    pub actor: ActorId,
    /// Why it is gone.
    pub reason: StopReason,
    /// The life of its node.
    incarnation: u128,
}

impl Terminated {
    /// Whether it is this actor that is gone.
    pub fn concerns<M>(&self, actor: &ActorRef<M>) -> bool {
        actor.identity() == self.identity()
    }

    pub(crate) fn identity(&self) -> Identity {
        (self.incarnation, self.actor)
    }
}

/// Why an actor cannot be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// This node is not linked to the actor's node, and so cannot hear of its end: make it a peer.
    #[error("this node is not linked to the actor's node; make it a peer")]
    Unreachable,
    /// The actor takes another type than the ref says: the ref leads nowhere.
    #[error("the actor takes messages of another type than the ref")]
    WrongType,
    /// The link holds as many bindings as it may; drop refs to some of the peer's actors.
    #[error("the link is bound to as many actors as it may be")]
    TooManyBindings,
}

/// Who an actor watches. Dropping a watch takes it back.
#[derive(Default)]
pub(crate) struct Watches(HashMap<Identity, Arc<dyn Mourner>>);

/// The notices an actor has still to be told, each with its place among the messages.
///
/// A notice comes after all that the dead actor had sent: it waits until the watcher has taken as
/// many messages as were stored when it came. Its room was made when the watch began, so it never
/// waits for any.
#[derive(Default)]
pub(crate) struct Notices {
    queue: Mutex<VecDeque<Notice>>,
    /// Whether `queue` may hold something: spares actors that watch nobody its lock.
    is_filled: AtomicBool,
}

struct Notice {
    /// Messages that were stored before it.
    after: usize,
    told: Told,
}

/// What an actor is told of another.
pub(crate) enum Told {
    /// It is gone.
    Terminated(Terminated),
    /// It has begun another life: the watch knows which.
    Restarted(Identity),
}

/// One actor's interest in another.
struct Watch<M> {
    watcher: Weak<LocalCell<M>>,
    watched: Identity,
    /// Of an actor of another node.
    far: Option<Far>,
}

/// Where an actor of another node is watched from.
struct Far {
    node: Node,
    peer: NodeId,
    /// Held, so that its node tells of its end.
    #[expect(dead_code, reason = "it is bound for as long as it is held")]
    remote: Option<Arc<Remote>>,
}

impl Watches {
    /// Watches `actor` on behalf of `watcher`; does nothing where it does already.
    pub(crate) fn watch<M: Message, T: Message>(
        &mut self,
        watcher: &LocalRef<M>,
        actor: &LocalRef<T>,
    ) {
        let watched = (actor.0.front.incarnation, actor.0.front.id);
        if let Some(watch) = self.begin(watcher, watched, None) {
            actor.0.front.exit.tell(Arc::downgrade(&watch));
        }
    }

    /// Watches an actor of another node, by a link that lives.
    pub(crate) fn watch_remote<M: Message>(
        &mut self,
        watcher: &LocalRef<M>,
        node: &Node,
        remote: &Arc<Remote>,
    ) {
        let far = Far {
            node: node.clone(),
            peer: remote.actor.node.clone(),
            remote: Some(Arc::clone(remote)),
        };
        if let Some(watch) = self.begin(watcher, remote.identity(), Some(far)) {
            remote.tell(Arc::downgrade(&watch));
        }
    }

    /// Tells `watcher` that an actor is gone of which nothing more will be heard.
    pub(crate) fn miss<M: Message>(
        &mut self,
        watcher: &LocalRef<M>,
        actor: Identity,
        from: (&Node, &NodeId),
        reason: &StopReason,
    ) {
        let far = Far {
            node: from.0.clone(),
            peer: from.1.clone(),
            remote: None,
        };
        if let Some(watch) = self.begin(watcher, actor, Some(far)) {
            watch.actor_ended(reason);
        }
    }

    /// A new watch, and room for its notice; `None` where there is one.
    fn begin<M: Message>(
        &mut self,
        watcher: &LocalRef<M>,
        watched: Identity,
        far: Option<Far>,
    ) -> Option<Arc<dyn Mourner>> {
        if self.0.contains_key(&watched) {
            return None;
        }
        let front = &watcher.0.front;
        front.mailbox.notices.reserve(self.0.len() + 1);
        let watch: Arc<dyn Mourner> = Arc::new(Watch {
            watcher: Arc::downgrade(&watcher.0),
            watched,
            far,
        });
        self.0.insert(watched, Arc::clone(&watch));
        Some(watch)
    }

    /// Takes a watch back: there will be no notice, even where it is on its way. Says whether
    /// there was one.
    pub(crate) fn unwatch(&mut self, actor: Identity) -> bool {
        self.0.remove(&actor).is_some()
    }
}

impl TryFrom<LinkRefusal> for StopReason {
    type Error = WatchError;

    /// What an actor is to those who want to watch it, and cannot send to it.
    fn try_from(refusal: LinkRefusal) -> Result<Self, WatchError> {
        match refusal {
            LinkRefusal::NodeDown | LinkRefusal::Stale => Ok(Self::NodeDown),
            LinkRefusal::TooManyBindings => Err(WatchError::TooManyBindings),
            _ => Err(WatchError::Unreachable),
        }
    }
}

impl Notices {
    /// The next notice whose turn has come, after so many messages were taken.
    pub(crate) fn pop(&self, taken: usize) -> Option<Told> {
        // Acquire: pairs with the Release in `push`; the notify comes after it.
        if !self.is_filled.load(Ordering::Acquire) {
            return None;
        }
        let mut queue = self.queue.lock();
        let is_due = queue
            .front()
            .is_some_and(|notice| taken.wrapping_sub(notice.after).cast_signed() >= 0);
        let notice = if is_due { queue.pop_front() } else { None };
        self.is_filled.store(!queue.is_empty(), Ordering::Release);
        Some(notice?.told)
    }

    /// Makes room for the notices of so many watches.
    pub(crate) fn reserve(&self, watches: usize) {
        self.queue.lock().reserve(watches);
    }

    fn push(&self, notice: Notice) {
        let mut queue = self.queue.lock();
        queue.push_back(notice);
        self.is_filled.store(true, Ordering::Release);
    }
}

impl<M: Message> Mourner for Watch<M> {
    fn actor_ended(&self, reason: &StopReason) {
        let Some(watcher) = self.watcher.upgrade() else {
            return;
        };
        let (incarnation, actor) = self.watched;
        let terminated = Terminated {
            actor,
            reason: reason.clone(),
            incarnation,
        };
        // What the dead sent came by its node's binding to the watcher.
        let exports = self.far.as_ref().map(|far| (far.node.exports(), &far.peer));
        let queue = exports.and_then(|(exports, peer)| exports.queue_of(watcher.front.id, peer));
        match queue {
            Some(queue) => queue.tell(terminated),
            None => watcher.front.tell(Told::Terminated(terminated)),
        }
    }
}

impl<M> Front<M> {
    /// Puts a notice behind the messages of this process.
    pub(crate) fn tell(&self, told: Told) {
        self.mailbox.notices.push(Notice {
            after: self.mailbox.local.stored(),
            told,
        });
        self.notify();
    }
}
