//! [`Remotes`]: the actors of a peer that refs of this node point to, and their binding ids.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use mycelium_core::Remote;
use mycelium_wire::{ActorId, BindingId, Resolved};

/// The table of a link's outgoing bindings. Ids that became free are used again before new ones,
/// so that the peer's table grows no larger than ours.
#[derive(Default)]
pub(crate) struct Remotes {
    slots: Vec<Slot>,
    by_actor: HashMap<Shown, BindingId>,
    free: Vec<BindingId>,
}

/// What a binding shows of its actor: the id, the key and the schema. A ref that came with another
/// key gets a binding of its own, which the actor's node refuses; refs with the right one live on.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Shown(ActorId, u64, u64);

impl Shown {
    fn of(actor: &Resolved) -> Self {
        Self(actor.actor, actor.key.as_u64(), actor.fingerprint)
    }
}

enum Slot {
    Free,
    /// A binding of an actor; refs point to it for as long as the remote lives.
    Used {
        shown: Shown,
        remote: Weak<Remote>,
    },
    /// No ref is left; the peer still has to say that it has taken everything. A new ref to the
    /// actor takes the binding over, so that its window is never had twice.
    Leaving {
        shown: Shown,
    },
    /// As [`Leaving`](Self::Leaving), of a binding that only brought a kill, beside this one that is
    /// leaving.
    Passing {
        beside: BindingId,
    },
}

impl Remotes {
    /// How many ids are taken.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// The `Remote` of an actor, if a ref to it is alive.
    pub(crate) fn find(&self, actor: &Resolved) -> Option<Arc<Remote>> {
        self.get(self.binding_of(actor)?)
    }

    /// The binding that the peer has, or had and did not let go of, for this actor.
    pub(crate) fn binding_of(&self, actor: &Resolved) -> Option<BindingId> {
        self.by_actor.get(&Shown::of(actor)).copied()
    }

    /// The `Remote` behind a binding, if a ref to it is alive.
    pub(crate) fn get(&self, binding: BindingId) -> Option<Arc<Remote>> {
        match self.slots.get(index(binding))? {
            Slot::Used { remote, .. } => remote.upgrade(),
            Slot::Free | Slot::Leaving { .. } | Slot::Passing { .. } => None,
        }
    }

    /// An id for a new binding, or `None` when `limit` are in use.
    pub(crate) fn reserve(&mut self, limit: u32) -> Option<BindingId> {
        if let Some(binding) = self.free.pop() {
            return Some(binding);
        }
        let next = u32::try_from(self.slots.len())
            .ok()
            .filter(|next| *next < limit)?;
        self.slots.push(Slot::Free);
        Some(BindingId::from_u32(next))
    }

    /// Puts the actor under the id that was reserved for it.
    pub(crate) fn insert(&mut self, binding: BindingId, remote: &Arc<Remote>) {
        let shown = Shown::of(remote.described());
        self.slots[index(binding)] = Slot::Used {
            shown,
            remote: Arc::downgrade(remote),
        };
        self.by_actor.insert(shown, binding);
    }

    /// The last ref is gone. The id stays taken until [`release`](Self::release). Does nothing
    /// where another remote of the actor has taken the binding over; says whether it did not.
    pub(crate) fn leave(&mut self, remote: &Remote) -> bool {
        let slot = &mut self.slots[index(remote.binding())];
        match slot {
            Slot::Used {
                shown,
                remote: last,
            } if std::ptr::eq(last.as_ptr(), remote) => {
                *slot = Slot::Leaving { shown: *shown };
                true
            }
            _ => false,
        }
    }

    /// The id reserved for a kill, `beside` the binding that is leaving, is in use until
    /// [`release`](Self::release).
    pub(crate) fn pass(&mut self, binding: BindingId, beside: BindingId) {
        self.slots[index(binding)] = Slot::Passing { beside };
    }

    /// Whether a kill is on its way beside this binding.
    pub(crate) fn is_passed_for(&self, binding: BindingId) -> bool {
        let passes = |slot: &Slot| matches!(slot, Slot::Passing { beside } if *beside == binding);
        self.slots.iter().any(passes)
    }

    /// The peer has let go of a binding: its id is free again, where no ref has taken it over.
    pub(crate) fn release(&mut self, binding: BindingId) {
        let Some(slot) = self.slots.get_mut(index(binding)) else {
            return;
        };
        match slot {
            Slot::Leaving { shown } => {
                self.by_actor.remove(shown);
            }
            Slot::Passing { .. } => {}
            Slot::Free | Slot::Used { .. } => return,
        }
        *slot = Slot::Free;
        self.free.push(binding);
    }

    /// The connection is gone: whatever was leaving has left.
    pub(crate) fn release_all(&mut self) {
        for number in 0..self.slots.len() {
            let number = u32::try_from(number).expect("ids are below a u32 limit");
            self.release(BindingId::from_u32(number));
        }
    }

    /// Every actor that a living ref points to.
    pub(crate) fn living(&self) -> Vec<Arc<Remote>> {
        let living = |slot: &Slot| match slot {
            Slot::Used { remote, .. } => remote.upgrade(),
            Slot::Free | Slot::Leaving { .. } | Slot::Passing { .. } => None,
        };
        self.slots.iter().filter_map(living).collect()
    }
}

fn index(binding: BindingId) -> usize {
    binding.as_u32() as usize
}
