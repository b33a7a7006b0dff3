//! [`Remotes`]: the actors of a peer that refs of this node point to, and their binding ids.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use mycelium_core::Remote;
use mycelium_wire::{ActorId, BindingId, Resolved};

/// The table of a link's outgoing bindings. Ids are the lowest that are free, so that the peer's
/// table stays as small as ours.
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
    /// Refs point to the actor.
    Used {
        shown: Shown,
        remote: Weak<Remote>,
    },
    /// No ref is left; the peer still has to say that it has taken everything.
    Leaving,
}

impl Remotes {
    /// How many ids are taken.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// The `Remote` of an actor, if a ref to it is alive.
    pub(crate) fn find(&self, actor: &Resolved) -> Option<Arc<Remote>> {
        self.get(*self.by_actor.get(&Shown::of(actor))?)
    }

    /// The `Remote` behind a binding, if a ref to it is alive.
    pub(crate) fn get(&self, binding: BindingId) -> Option<Arc<Remote>> {
        match self.slots.get(index(binding))? {
            Slot::Used { remote, .. } => remote.upgrade(),
            Slot::Free | Slot::Leaving => None,
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

    /// The last ref is gone. The id stays taken until [`release`](Self::release).
    pub(crate) fn leave(&mut self, binding: BindingId) {
        let slot = &mut self.slots[index(binding)];
        if let Slot::Used { shown, .. } = *slot {
            *slot = Slot::Leaving;
            // A later ref to the same actor may have made a binding of its own by now.
            if self.by_actor.get(&shown) == Some(&binding) {
                self.by_actor.remove(&shown);
            }
        }
    }

    /// The id of a binding that was left is free again.
    pub(crate) fn release(&mut self, binding: BindingId) {
        if let Some(slot @ Slot::Leaving) = self.slots.get_mut(index(binding)) {
            *slot = Slot::Free;
            self.free.push(binding);
        }
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
            Slot::Free | Slot::Leaving => None,
        };
        self.slots.iter().filter_map(living).collect()
    }
}

fn index(binding: BindingId) -> usize {
    binding.as_u32() as usize
}
