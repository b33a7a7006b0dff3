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
pub(crate) struct Table(DashMap<Box<str>, Entry>);

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
    ) -> Result<(), RegisterError> {
        let length = name.len();
        if length == 0 || length > NAME_LIMIT_BYTES {
            return Err(RegisterError::BadName { length });
        }
        match self.0.entry(name.into()) {
            MapEntry::Occupied(_) => Err(RegisterError::NameTaken(name.into())),
            MapEntry::Vacant(place) => {
                let (actor, local) = (local.id(), Box::new(local.clone()));
                place.insert(Entry {
                    actor,
                    local,
                    type_name,
                    visibility,
                });
                Ok(())
            }
        }
    }

    /// The actor of a name; `None` where there is none.
    pub(crate) fn get<M: Message>(
        &self,
        name: &str,
        wanted: &'static str,
    ) -> Option<Result<LocalRef<M>, ResolveError>> {
        let entry = self.0.get(name)?;
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
        self.0.remove(name).is_some()
    }

    /// Removes the name if it still belongs to this actor.
    pub(crate) fn remove_of(&self, name: &str, actor: ActorId) {
        self.0.remove_if(name, |_, entry| entry.actor == actor);
    }

    pub(crate) fn names(&self) -> Vec<Box<str>> {
        self.0.iter().map(|entry| entry.key().clone()).collect()
    }

    fn find_exported(&self, name: &str) -> Option<ActorId> {
        let entry = self.0.get(name)?;
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
