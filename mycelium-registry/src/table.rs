//! [`Table`]: the names of one node.

use std::any::{Any, type_name};

use dashmap::{DashMap, Entry as MapEntry};
use mycelium_core::{LocalRef, Message, NameTable};
use mycelium_wire::ActorId;

use crate::{RegisterError, ResolveError};

/// The most bytes a name may have.
pub(crate) const NAME_LIMIT_BYTES: usize = 255;

/// Who may find a name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Visibility {
    /// This process.
    Local,
    /// Linked nodes too.
    Everyone,
}

/// The names of one node. A lookup locks one shard of the map for reading.
///
/// Both maps change under the lock of the name's shard, which is taken before that of the actor's.
#[derive(Default)]
pub(crate) struct Table {
    names: DashMap<Box<str>, Entry>,
    /// The names that every actor has: from its first name on until its end, which takes them
    /// away. An actor whose names were taken away keeps its empty list, as a sign that the table
    /// is told of its end.
    by_actor: DashMap<ActorId, Vec<Box<str>>>,
}

/// Whether an actor has a name for the first time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Named {
    First,
    Again,
}

struct Entry {
    actor: ActorId,
    /// A `LocalRef` of the actor's message type.
    local: Box<dyn Any + Send + Sync>,
    /// The name of the message type, as users are told it.
    message: &'static str,
    /// Its path, by which types of one name are told apart.
    rust_type: &'static str,
    visibility: Visibility,
}

impl Table {
    pub(crate) fn insert<M: Message>(
        &self,
        name: &str,
        local: &LocalRef<M>,
        message: &'static str,
        visibility: Visibility,
    ) -> Result<Named, RegisterError> {
        let length = name.len();
        if length == 0 || length > NAME_LIMIT_BYTES {
            return Err(RegisterError::BadName { length });
        }
        match self.names.entry(name.into()) {
            MapEntry::Occupied(_) => Err(RegisterError::NameTaken(name.into())),
            MapEntry::Vacant(place) => {
                let (actor, local) = (local.id(), Box::new(local.clone()));
                // Locked until the actor's list has it: nobody takes it away in between.
                let placed = place.insert(Entry {
                    actor,
                    local,
                    message,
                    rust_type: type_name::<M>(),
                    visibility,
                });
                let named = self.note(actor, name);
                drop(placed);
                Ok(named)
            }
        }
    }

    fn note(&self, actor: ActorId, name: &str) -> Named {
        match self.by_actor.entry(actor) {
            MapEntry::Vacant(place) => {
                place.insert(vec![name.into()]);
                Named::First
            }
            MapEntry::Occupied(mut names) => {
                names.get_mut().push(name.into());
                Named::Again
            }
        }
    }

    /// The actor is gone, and its names with it.
    pub(crate) fn forget(&self, actor: ActorId) {
        let names = self.by_actor.remove(&actor).map(|(_, names)| names);
        for name in names.unwrap_or_default() {
            self.remove_of(&name, actor);
        }
    }

    /// The actor of a name; `None` where there is none.
    pub(crate) fn get<M: Message>(
        &self,
        name: &str,
        wanted: &'static str,
    ) -> Option<Result<LocalRef<M>, ResolveError>> {
        let entry = self.names.get(name)?;
        let local = entry.local.downcast_ref::<LocalRef<M>>().cloned();
        Some(local.ok_or_else(|| entry.is_not::<M>(name, wanted)))
    }

    /// Takes a name away; says whether there was one.
    pub(crate) fn remove(&self, name: &str) -> bool {
        self.remove_if(name, |_| true)
    }

    /// Takes a name away if it still belongs to this actor.
    pub(crate) fn remove_of(&self, name: &str, actor: ActorId) {
        self.remove_if(name, |owner| owner == actor);
    }

    fn remove_if(&self, name: &str, is_wanted: impl FnOnce(ActorId) -> bool) -> bool {
        let MapEntry::Occupied(place) = self.names.entry(name.into()) else {
            return false;
        };
        let actor = place.get().actor;
        if !is_wanted(actor) {
            return false;
        }
        // Before the name is free: whoever registers it next adds to this list.
        if let Some(mut names) = self.by_actor.get_mut(&actor) {
            names.retain(|other| **other != *name);
        }
        let removed = place.remove();
        // Outside the lock: it holds the last ref to the actor, perhaps.
        drop(removed);
        true
    }

    pub(crate) fn names(&self) -> Vec<Box<str>> {
        self.names.iter().map(|entry| entry.key().clone()).collect()
    }

    fn find_exported(&self, name: &str) -> Option<ActorId> {
        let entry = self.names.get(name)?;
        (entry.visibility == Visibility::Everyone).then_some(entry.actor)
    }
}

impl Entry {
    /// Says that the actor takes no `M`, by paths where the names are the same.
    fn is_not<M: Message>(&self, name: &str, wanted: &'static str) -> ResolveError {
        let (wanted, found) = if wanted == self.message {
            (type_name::<M>(), self.rust_type)
        } else {
            (wanted, self.message)
        };
        ResolveError::WrongType {
            name: name.into(),
            wanted,
            found: found.into(),
        }
    }
}

/// The table as core asks it for a peer.
pub(crate) struct SharedTable(pub(crate) std::sync::Arc<Table>);

impl NameTable for SharedTable {
    fn find(&self, name: &str) -> Option<ActorId> {
        self.0.find_exported(name)
    }
}
