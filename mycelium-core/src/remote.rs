//! [`Remote`]: an actor of a peer, as all refs of this node to it share it.

use std::{
    mem,
    sync::{Arc, OnceLock, Weak},
    task::Context,
};

use mycelium_wire::{ActorId, BindingId, EndReason, NodeId, Resolved};

use crate::{
    StopReason,
    cell::{exit::Mourner, owner::contain},
    link::Link,
    mailbox::waiters::{Ticket, Waiters},
    sync::{AtomicBool, AtomicU32, Mutex, Ordering},
};

/// An actor of a peer, as all refs of this node to it share it: its binding, and the line of
/// those who wait for credit.
///
/// The credit itself is counted by the link.
pub struct Remote {
    pub(crate) link: Arc<dyn Link>,
    pub(crate) actor: RemoteActor,
    binding: BindingId,
    /// Senders that wait for credit or for the link.
    waiters: Mutex<Waiters>,
    /// Whether `waiters` may hold somebody: spares senders its lock.
    is_awaited: AtomicBool,
    ended: OnceLock<EndReason>,
    watchers: Mutex<Watchers>,
    is_watched: AtomicBool,
    /// How many lives of the actor have begun after another, as its node has told.
    restarts: AtomicU32,
}

/// Who wants to know when the actor is gone.
#[derive(Default)]
struct Watchers {
    waiting: Vec<Weak<dyn Mourner>>,
    /// Why it is gone, once they were told.
    told: Option<StopReason>,
}

impl Remote {
    /// Made by the link, which chooses a binding id that no other actor of the peer has.
    pub fn new(link: Arc<dyn Link>, described: Resolved, binding: BindingId) -> Self {
        let actor = RemoteActor {
            node: link.peer().clone(),
            described,
        };
        Self {
            link,
            actor,
            binding,
            waiters: Mutex::default(),
            is_awaited: AtomicBool::new(false),
            ended: OnceLock::new(),
            watchers: Mutex::default(),
            is_watched: AtomicBool::new(false),
            restarts: AtomicU32::new(0),
        }
    }

    /// What makes the actor itself: the life of its node, and its id there.
    pub(crate) fn identity(&self) -> (u128, ActorId) {
        (self.actor.node.incarnation(), self.actor.described.actor)
    }

    /// Whether somebody wants to know when the actor is gone: it is to be bound on every connection.
    pub fn is_watched(&self) -> bool {
        if !self.is_watched.load(Ordering::Relaxed) {
            return false;
        }
        let watchers = self.watchers.lock();
        let mut waiting = watchers.waiting.iter();
        waiting.any(|watch| watch.strong_count() > 0)
    }

    /// Tells `mourner` when the actor is gone; at once if it is known to be.
    pub(crate) fn tell(&self, mourner: Weak<dyn Mourner>) {
        let mut watchers = self.watchers.lock();
        if let Some(reason) = watchers.told.clone() {
            drop(watchers);
            if let Some(mourner) = mourner.upgrade() {
                mourner.actor_ended(&reason);
            }
            return;
        }
        let waiting = &mut watchers.waiting;
        if waiting.len() == waiting.capacity() {
            waiting.retain(|other| other.strong_count() > 0);
        }
        waiting.push(mourner);
        drop(watchers);
        self.is_watched.store(true, Ordering::Relaxed);
        self.link.watch(self);
    }

    /// How often the actor was restarted, as its node has told.
    pub(crate) fn restarts(&self) -> u32 {
        // Relaxed: a count that nothing else depends on.
        self.restarts.load(Ordering::Relaxed)
    }

    /// A life of the actor, which is kept, is over; or has started, where there is no reason. Those who
    /// watch it are told. Not under a lock of the link.
    pub fn tell_life(&self, life: u32, ended: Option<&StopReason>) {
        let watchers = self.watchers.lock();
        let watching: Vec<_> = watchers.waiting.iter().filter_map(Weak::upgrade).collect();
        drop(watchers);
        if ended.is_none() && life > 1 {
            self.restarts.fetch_add(1, Ordering::Relaxed);
        }
        for watcher in watching {
            contain(|| match ended {
                Some(reason) => watcher.life_ended(life, reason),
                None => watcher.life_started(life),
            });
        }
    }

    /// The actor is gone, or its node is: those who watch it are told, once. Not under a lock of the
    /// link.
    pub fn mourn(&self, reason: &StopReason) {
        let mut watchers = self.watchers.lock();
        if watchers.told.is_some() {
            return;
        }
        watchers.told = Some(reason.clone());
        let waiting = mem::take(&mut watchers.waiting);
        drop(watchers);
        for mourner in waiting.iter().filter_map(Weak::upgrade) {
            contain(|| mourner.actor_ended(reason));
        }
    }

    /// The actor as its node described it.
    pub fn described(&self) -> &Resolved {
        &self.actor.described
    }

    /// The id under which the link binds the actor.
    pub fn binding(&self) -> BindingId {
        self.binding
    }

    /// Lets the first of those who wait try again: there is credit, or the link's state changed.
    pub fn wake(&self) {
        let head = self.waiters.lock().head();
        if let Some(head) = head {
            head.wake();
        }
    }

    /// The actor is gone, or was never there: every send fails from now on.
    ///
    /// The link says so under the lock that it sends under, and [wakes](Self::wake) those who wait
    /// outside of it.
    pub fn end(&self, reason: EndReason) {
        // The first reason counts; a second `Ended` of one binding changes nothing.
        let _ = self.ended.set(reason);
    }

    /// Why the actor is gone, if the peer has said that it is.
    pub fn end_reason(&self) -> Option<&EndReason> {
        self.ended.get()
    }

    /// Whether a sender with this ticket (or with none yet) may try before all others.
    pub(crate) fn may_try(&self, ticket: Option<Ticket>) -> bool {
        !self.is_awaited.load(Ordering::Relaxed) || self.waiters.lock().is_first(ticket)
    }

    /// Joins the line, and says whether the task is new there.
    pub(crate) fn wait(&self, ticket: &mut Option<Ticket>, cx: &mut Context<'_>) -> bool {
        let mut waiters = self.waiters.lock();
        let is_new = waiters.wait(ticket, cx.waker());
        self.is_awaited.store(true, Ordering::Relaxed);
        is_new
    }

    /// Leaves the line, and lets the next try.
    pub(crate) fn leave(&self, ticket: &mut Option<Ticket>) {
        let mut waiters = self.waiters.lock();
        waiters.leave(ticket);
        self.is_awaited
            .store(!waiters.is_empty(), Ordering::Relaxed);
        let next = waiters.head();
        drop(waiters);
        if let Some(next) = next {
            next.wake();
        }
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.link.detach(self);
    }
}

/// What a ref says about an actor of another node.
#[derive(Clone, Debug)]
pub(crate) struct RemoteActor {
    pub(crate) node: NodeId,
    pub(crate) described: Resolved,
}

impl From<&EndReason> for StopReason {
    fn from(reason: &EndReason) -> Self {
        match reason {
            EndReason::Stopped => Self::Stopped,
            EndReason::Failed(text) => Self::Failed(text.as_ref().into()),
            EndReason::Panicked(text) => Self::Panicked(text.as_ref().into()),
            EndReason::Killed => Self::Killed,
            EndReason::Linked(text) => Self::Linked(text.as_ref().into()),
            EndReason::WrongType { .. } => Self::WrongType,
            _ => Self::NoSuchActor,
        }
    }
}

impl From<&StopReason> for EndReason {
    fn from(reason: &StopReason) -> Self {
        match reason {
            StopReason::Stopped => Self::Stopped,
            StopReason::Failed(text) => Self::Failed(text.as_ref().into()),
            StopReason::Panicked(text) => Self::Panicked(text.as_ref().into()),
            StopReason::Killed | StopReason::NodeDown => Self::Killed,
            StopReason::Linked(text) => Self::Linked(text.as_ref().into()),
            // The last is said of actors of other nodes alone.
            StopReason::NoSuchActor | StopReason::WrongType => Self::NoSuchActor,
        }
    }
}
