//! Watches: an actor is told, once, when another is gone for good.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Weak},
};

use mycelium_wire::ActorId;

use crate::{
    ActorRef, LocalRef, Message, StopReason,
    cell::{LocalCell, Mourner},
    sync::{AtomicBool, Mutex, Ordering},
};

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
        actor.identity() == (self.incarnation, self.actor)
    }
}

/// Why an actor cannot be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// It lives on another node, whose actors cannot be watched yet.
    #[error("the actor lives on another node; only actors of this one can be watched")]
    NotLocal,
}

/// Who an actor watches. Dropping a watch takes it back.
#[derive(Default)]
pub(crate) struct Watches(HashMap<ActorId, Arc<dyn Mourner>>);

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
    terminated: Terminated,
}

/// One actor's interest in another.
struct Watch<M> {
    watcher: Weak<LocalCell<M>>,
    watched: ActorId,
    incarnation: u128,
}

impl Watches {
    /// Watches `actor` on behalf of `watcher`; does nothing where it does already.
    pub(crate) fn watch<M: Message, T: Message>(
        &mut self,
        watcher: &LocalRef<M>,
        actor: &LocalRef<T>,
    ) {
        if let Some(watch) = self.begin(watcher, actor.0.front.id) {
            actor.0.front.exit.tell(Arc::downgrade(&watch));
        }
    }

    /// Tells `watcher` that an actor of its node is gone, of which nothing is left to ask why.
    pub(crate) fn miss<M: Message>(&mut self, watcher: &LocalRef<M>, actor: ActorId) {
        if let Some(watch) = self.begin(watcher, actor) {
            watch.actor_ended(&StopReason::NoSuchActor);
        }
    }

    /// A new watch, and room for its notice; `None` where there is one.
    fn begin<M: Message>(
        &mut self,
        watcher: &LocalRef<M>,
        watched: ActorId,
    ) -> Option<Arc<dyn Mourner>> {
        if self.0.contains_key(&watched) {
            return None;
        }
        let front = &watcher.0.front;
        front.mailbox.notices.reserve(self.0.len() + 1);
        let watch: Arc<dyn Mourner> = Arc::new(Watch {
            watcher: Arc::downgrade(&watcher.0),
            watched,
            incarnation: front.incarnation,
        });
        self.0.insert(watched, Arc::clone(&watch));
        Some(watch)
    }

    /// Takes a watch back: there will be no notice, even where it is on its way. Says whether
    /// there was one.
    pub(crate) fn unwatch(&mut self, actor: ActorId) -> bool {
        self.0.remove(&actor).is_some()
    }
}

impl Notices {
    /// The next notice whose turn has come, after so many messages were taken.
    pub(crate) fn pop(&self, taken: usize) -> Option<Terminated> {
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
        Some(notice?.terminated)
    }

    /// Makes room for the notices of so many watches.
    fn reserve(&self, watches: usize) {
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
        let terminated = Terminated {
            actor: self.watched,
            reason: reason.clone(),
            incarnation: self.incarnation,
        };
        let mailbox = watcher.mailbox();
        mailbox.notices.push(Notice {
            after: mailbox.local.stored(),
            terminated,
        });
        watcher.front.notify();
    }
}
