//! [`Table`]: the names of one node.

use std::any::Any;

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
#[derive(Default)]
pub(crate) struct Table {
    names: DashMap<Box<str>, Entry>,
    /// The names that every actor has, or had: from its first name on until its end, which takes
    /// them away.
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
    type_name: &'static str,
    visibility: Visibility,
}

impl Table {
    pub(crate) fn insert<M: Message>(
        &self,
        name: &str,
        local: &LocalRef<M>,
        type_name: &'static str,
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
                place.insert(Entry {
                    actor,
                    local,
                    type_name,
                    visibility,
                });
                Ok(self.note(actor, name))
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
        Some(
            entry
                .local
                .downcast_ref::<LocalRef<M>>()
                .cloned()
                .ok_or_else(|| {
                    let found = entry.type_name.into();
                    ResolveError::WrongType {
                        name: name.into(),
                        wanted,
                        found,
                    }
                }),
        )
    }

    pub(crate) fn remove(&self, name: &str) -> bool {
        let removed = self.names.remove(name);
        if let Some((name, entry)) = &removed
            && let Some(mut names) = self.by_actor.get_mut(&entry.actor)
        {
            names.retain(|other| other != name);
        }
        removed.is_some()
    }

    /// Removes the name if it still belongs to this actor.
    pub(crate) fn remove_of(&self, name: &str, actor: ActorId) {
        self.names.remove_if(name, |_, entry| entry.actor == actor);
    }

    pub(crate) fn names(&self) -> Vec<Box<str>> {
        self.names.iter().map(|entry| entry.key().clone()).collect()
    }

    fn find_exported(&self, name: &str) -> Option<ActorId> {
        let entry = self.names.get(name)?;
        (entry.visibility == Visibility::Everyone).then_some(entry.actor)
    }
}

/// The table as core asks it for a peer.
pub(crate) struct SharedTable(pub(crate) std::sync::Arc<Table>);

impl NameTable for SharedTable {
    fn find(&self, name: &str) -> Option<ActorId> {
        self.0.find_exported(name)
    }
}
