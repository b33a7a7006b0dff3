//! Links between actors: two lives that end together, unless one ends in good order.
//!
//! Each side has a [`Tie`] to the other in its [`Exit`](super::exit::Exit). A life that fails, panics or
//! is killed ends those it is tied to; one that was stopped only drops its ties. To an actor of another
//! node the tie is a kill that goes over the link; the other way round, the end of the remote actor is
//! watched.

use std::sync::{Arc, Weak};

use super::{LocalCell, exit::Mourner};
use crate::{LocalRef, Message, Remote, StopReason};

/// What ends with somebody else's life.
pub(crate) trait Tie: Send + Sync {
    fn end(&self, because: &StopReason);

    /// Whether there is nothing left to end.
    fn is_gone(&self) -> bool;
}

/// A life of an actor of this process.
pub(crate) struct Near<M> {
    actor: Weak<LocalCell<M>>,
    life: u32,
}

impl<M: Message> Near<M> {
    /// The life that there is, or that comes next.
    pub(crate) fn of(actor: &LocalRef<M>) -> Arc<Self> {
        Arc::new(Self {
            actor: Arc::downgrade(&actor.0),
            life: actor.0.front.life_to_link(),
        })
    }
}

impl<M: Message> Tie for Near<M> {
    fn end(&self, because: &StopReason) {
        if let Some(actor) = self.actor.upgrade() {
            let reason = StopReason::Linked(because.to_string().into());
            actor.end_life(self.life, reason);
        }
    }

    fn is_gone(&self) -> bool {
        let actor = self.actor.upgrade();
        actor.is_none_or(|actor| actor.front.phase.is_ended())
    }
}

/// An actor of another node, whose end is watched for as long as this is held.
pub(crate) struct Far {
    remote: Arc<Remote>,
    _watch: Arc<dyn Mourner>,
}

impl Far {
    /// Ends `near` when the remote actor's life ends, unless in good order.
    pub(crate) fn new<M: Message>(near: Arc<Near<M>>, remote: &Arc<Remote>) -> Arc<Self> {
        let watch: Arc<dyn Mourner> = Arc::new(Watched(near));
        remote.tell(Arc::downgrade(&watch));
        Arc::new(Self {
            remote: Arc::clone(remote),
            _watch: watch,
        })
    }
}

impl Tie for Far {
    fn end(&self, _because: &StopReason) {
        self.remote.link.kill(&self.remote);
    }

    fn is_gone(&self) -> bool {
        self.remote.end_reason().is_some()
    }
}

/// Ends a life with that of a remote actor.
struct Watched<M>(Arc<Near<M>>);

impl<M: Message> Mourner for Watched<M> {
    fn actor_ended(&self, reason: &StopReason) {
        if *reason != StopReason::Stopped {
            self.0.end(reason);
        }
    }

    fn life_ended(&self, _life: u32, reason: &StopReason) {
        self.actor_ended(reason);
    }
}
