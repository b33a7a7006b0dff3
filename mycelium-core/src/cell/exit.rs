//! [`Exit`]: why an actor is gone, and who wants to know.

use std::{
    mem,
    sync::{Arc, OnceLock, Weak},
};

use super::{links::Tie, owner::contain};
use crate::{StopReason, sync::Mutex, watch::Identity};

/// Why an actor is gone, and who wants to know.
#[derive(Default)]
pub(crate) struct Exit {
    reason: OnceLock<StopReason>,
    hooks: Mutex<Hooks>,
}

/// Called once, when the actor is gone for good.
type Hook = Box<dyn FnOnce(&StopReason) + Send>;

/// What is told, once, when an actor is gone for good, unless it is gone before; and, where the actor
/// is kept, of its lives until then.
pub(crate) trait Mourner: Send + Sync {
    fn actor_ended(&self, reason: &StopReason);

    /// A life of the actor is over, and there may be another.
    fn life_ended(&self, _life: u32, _reason: &StopReason) {}

    /// A life of the actor has started.
    fn life_started(&self, _life: u32) {}
}

#[derive(Default)]
struct Hooks {
    waiting: Vec<Hook>,
    /// Swept of those that are gone whenever it would grow.
    mourners: Vec<Weak<dyn Mourner>>,
    /// The actors that end with the life there is, or the next; swept like the mourners.
    ties: Vec<(Identity, Arc<dyn Tie>)>,
    is_done: bool,
}

impl Exit {
    /// Settles the reason, once: the first that ends the actor counts.
    pub(crate) fn decide(&self, reason: StopReason) -> &StopReason {
        self.reason.get_or_init(|| reason)
    }

    /// The reason, for senders who find the mailbox closed: a stop is only decided at its end.
    pub(crate) fn reason(&self) -> StopReason {
        self.reason.get().cloned().unwrap_or(StopReason::Stopped)
    }

    /// Calls `hook` when the actor is gone; at once if it is.
    pub(crate) fn on_end(&self, hook: impl FnOnce(&StopReason) + Send + 'static) {
        let mut hooks = self.hooks.lock();
        if hooks.is_done {
            drop(hooks);
            hook(&self.reason());
        } else {
            hooks.waiting.push(Box::new(hook));
        }
    }

    /// Tells `mourner` when the actor is gone; at once if it is. Keeps nothing of a mourner that
    /// is gone before, for long.
    pub(crate) fn tell(&self, mourner: Weak<dyn Mourner>) {
        let mut hooks = self.hooks.lock();
        if !hooks.is_done {
            if hooks.mourners.len() == hooks.mourners.capacity() {
                hooks.mourners.retain(|other| other.strong_count() > 0);
            }
            hooks.mourners.push(mourner);
            return;
        }
        drop(hooks);
        if let Some(mourner) = mourner.upgrade() {
            mourner.actor_ended(&self.reason());
        }
    }

    /// Ends another actor when this one's life does, unless in good order; at once if it is gone. A tie
    /// to the same actor takes the place of the one before.
    pub(crate) fn tie(&self, other: Identity, tie: Arc<dyn Tie>) {
        let mut hooks = self.hooks.lock();
        if hooks.is_done {
            drop(hooks);
            return tie.end(&StopReason::NoSuchActor);
        }
        let stays = |(tied, tie): &(Identity, Arc<dyn Tie>)| *tied != other && !tie.is_gone();
        let (mut ties, gone): (Vec<_>, Vec<_>) =
            mem::take(&mut hooks.ties).into_iter().partition(stays);
        ties.push((other, tie));
        hooks.ties = ties;
        drop(hooks);
        // Outside the lock: the last ref to a remote actor may go with one.
        drop(gone);
    }

    /// Takes a tie back.
    pub(crate) fn untie(&self, other: Identity) {
        let mut hooks = self.hooks.lock();
        let untied: Vec<_> = hooks
            .ties
            .extract_if(.., |(tied, _)| *tied == other)
            .collect();
        drop(hooks);
        drop(untied);
    }

    /// A life of the actor is over; the actor is not gone, or not yet.
    pub(super) fn end_life(&self, life: u32, reason: &StopReason) {
        let mut hooks = self.hooks.lock();
        let ties = mem::take(&mut hooks.ties);
        let mourners = living(&hooks.mourners);
        drop(hooks);
        cut(&ties, reason);
        for mourner in mourners {
            contain(|| mourner.life_ended(life, reason));
        }
    }

    /// A life of the actor has started.
    pub(super) fn begin_life(&self, life: u32) {
        let mourners = living(&self.hooks.lock().mourners);
        for mourner in mourners {
            contain(|| mourner.life_started(life));
        }
    }

    /// The actor is gone.
    pub(crate) fn end(&self) {
        let mut hooks = self.hooks.lock();
        hooks.is_done = true;
        let waiting = mem::take(&mut hooks.waiting);
        let mourners = mem::take(&mut hooks.mourners);
        let ties = mem::take(&mut hooks.ties);
        drop(hooks);
        let reason = self.reason();
        cut(&ties, &reason);
        for mourner in living(&mourners) {
            contain(|| mourner.actor_ended(&reason));
        }
        for hook in waiting {
            contain(|| hook(&reason));
        }
    }
}

/// Those that are not gone, held so that none goes under a lock.
fn living(mourners: &[Weak<dyn Mourner>]) -> Vec<Arc<dyn Mourner>> {
    mourners.iter().filter_map(Weak::upgrade).collect()
}

/// Ends those that are tied to a life that is over.
fn cut(ties: &[(Identity, Arc<dyn Tie>)], reason: &StopReason) {
    if *reason != StopReason::Stopped {
        for (_, tie) in ties {
            contain(|| tie.end(reason));
        }
    }
}
