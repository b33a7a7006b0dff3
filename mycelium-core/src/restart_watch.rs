//! Restart watches: an actor is told when another, which is kept, has begun another life.
//!
//! The notices of one watch are one: it tells of the latest life and of how many there were since the
//! last time, so that an actor which restarts over and over takes one place in the watcher's lane.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use mycelium_wire::ActorId;

use crate::{
    ActorRef, LocalRef, Message, Remote, StopReason,
    cell::{LocalCell, exit::Mourner},
    sync::Mutex,
    watch::{Identity, Told},
};

/// An actor whose restarts are watched has begun another life: what it knew is gone, unless it found it
/// again.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Restarted {
    /// Its id on its node.
    pub actor: ActorId,
    /// The number of the life that has begun; the first is 1.
    pub life: u32,
    /// How many lives have begun since the last notice, this one included.
    pub restarts: u32,
    /// Why the life before ended.
    pub reason: StopReason,
    /// The life of its node.
    incarnation: u128,
}

impl Restarted {
    /// Whether it is this actor that was restarted.
    pub fn concerns<M>(&self, actor: &ActorRef<M>) -> bool {
        actor.identity() == (self.incarnation, self.actor)
    }
}

/// Whose restarts an actor watches. Dropping a watch takes it back.
#[derive(Default)]
pub(crate) struct RestartWatches(HashMap<Identity, Held>);

/// A watch, held for as long as it stands.
struct Held {
    watch: Arc<dyn LifeWatch>,
    /// Held, so that the actor's node tells of its lives.
    _remote: Option<Arc<Remote>>,
}

/// A [`RestartWatch`] without the type of the watcher's messages.
trait LifeWatch: Mourner {
    /// What the watcher has still to be told.
    fn take(&self) -> Option<Due>;
}

/// One actor's interest in the lives of another.
struct RestartWatch<M> {
    watcher: Weak<LocalCell<M>>,
    watched: Identity,
    seen: Mutex<Seen>,
}

/// What was seen of an actor's lives.
#[derive(Default)]
struct Seen {
    /// Why the last life that is over ended, until the next has begun.
    ended: Option<StopReason>,
    due: Option<Due>,
}

/// What the watcher has still to be told.
struct Due {
    life: u32,
    restarts: u32,
    reason: StopReason,
}

impl RestartWatches {
    /// Watches an actor of this process.
    pub(crate) fn watch<M: Message, T: Message>(
        &mut self,
        watcher: &LocalRef<M>,
        actor: &LocalRef<T>,
    ) {
        let identity = (actor.0.front.incarnation, actor.0.front.id);
        if let Some(watch) = self.begin(watcher, identity, None) {
            actor.0.front.exit.tell(watch);
        }
    }

    /// Watches an actor of another node.
    pub(crate) fn watch_remote<M: Message>(&mut self, watcher: &LocalRef<M>, remote: &Arc<Remote>) {
        let held = Some(Arc::clone(remote));
        if let Some(watch) = self.begin(watcher, remote.identity(), held) {
            remote.tell(watch);
        }
    }

    fn begin<M: Message>(
        &mut self,
        watcher: &LocalRef<M>,
        watched: Identity,
        remote: Option<Arc<Remote>>,
    ) -> Option<Weak<dyn Mourner>> {
        if self.0.contains_key(&watched) {
            return None;
        }
        watcher.0.front.mailbox.notices.reserve(self.0.len() + 1);
        let watch = Arc::new(RestartWatch {
            watcher: Arc::downgrade(&watcher.0),
            watched,
            seen: Mutex::default(),
        });
        let told: Weak<RestartWatch<M>> = Arc::downgrade(&watch);
        let held = Held {
            watch,
            _remote: remote,
        };
        self.0.insert(watched, held);
        Some(told)
    }

    /// Takes a watch back; says whether there was one.
    pub(crate) fn unwatch(&mut self, actor: Identity) -> bool {
        self.0.remove(&actor).is_some()
    }

    /// What there is to be told of an actor.
    pub(crate) fn take(&self, actor: Identity) -> Option<Restarted> {
        let Due {
            life,
            restarts,
            reason,
        } = self.0.get(&actor)?.watch.take()?;
        Some(Restarted {
            actor: actor.1,
            life,
            restarts,
            reason,
            incarnation: actor.0,
        })
    }
}

impl<M: Message> LifeWatch for RestartWatch<M> {
    fn take(&self) -> Option<Due> {
        self.seen.lock().due.take()
    }
}

impl<M: Message> Mourner for RestartWatch<M> {
    /// That is for [`Context::watch`](crate::Context::watch) to tell.
    fn actor_ended(&self, _reason: &StopReason) {}

    fn life_ended(&self, _life: u32, reason: &StopReason) {
        self.seen.lock().ended = Some(reason.clone());
    }

    fn life_started(&self, life: u32) {
        let Some(watcher) = self.watcher.upgrade() else {
            return;
        };
        let mut seen = self.seen.lock();
        // Without an end before it, it is the first that the watcher could know.
        let Some(reason) = seen.ended.take() else {
            return;
        };
        let untold = seen.due.take();
        let is_queued = untold.is_some();
        let restarts = untold.map_or(0, |due| due.restarts) + 1;
        seen.due = Some(Due {
            life,
            restarts,
            reason,
        });
        drop(seen);
        if !is_queued {
            watcher.front.tell(Told::Restarted(self.watched));
        }
    }
}
