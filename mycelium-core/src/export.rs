//! [`Exports`]: the actors of a node that other nodes may reach, and how.

use std::{
    any::Any,
    collections::HashMap,
    sync::{Arc, Weak},
};

use mycelium_wire::{ActorId, Bind, Codec, EndReason, ExportKey, Resolved, Wire};

use crate::{
    LocalRef, Message, inbound::InboundQueue, link::Link, mailbox::frames::FrameQueue, sync::Mutex,
};

/// The most actors of one node that others may reach.
const LIMIT: usize = 65_536;

/// The actors whose refs have left the node.
///
/// An entry holds the codec; the actor's cell knows nothing of the wire.
#[derive(Default)]
pub(crate) struct Exports {
    entries: Mutex<HashMap<ActorId, Entry>>,
}

struct Entry {
    resolved: Resolved,
    exported: Box<dyn Exported>,
}

/// The node has exported as many actors as it may; stop some, or register fewer.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the node has exported {LIMIT} actors already, and may not export more")]
pub struct TooManyExports;

impl Exports {
    /// Makes the actor reachable, under one random key for its whole life.
    pub(crate) fn export<M: Wire>(&self, actor: &LocalRef<M>) -> Result<Resolved, TooManyExports> {
        let mut entries = self.entries.lock();
        if let Some(entry) = entries.get(&actor.id()) {
            return Ok(entry.resolved.clone());
        }
        if entries.len() >= LIMIT {
            return Err(TooManyExports);
        }
        let resolved = Resolved {
            actor: actor.id(),
            key: ExportKey::from_u64(rand::random()),
            fingerprint: M::FINGERPRINT,
            capacity_messages: u32::try_from(actor.capacity_messages()).unwrap_or(u32::MAX),
            type_name: M::NAME.into(),
        };
        let exported = Box::new(Export {
            actor: actor.clone(),
            codec: Codec::new(),
        });
        let entry = Entry {
            resolved: resolved.clone(),
            exported,
        };
        // Under the lock: an actor that ends later is removed later. One that has ended already
        // would never be; its peers are told that there is no such actor.
        if !actor.0.front.phase.is_ended() {
            entries.insert(actor.id(), entry);
        }
        Ok(resolved)
    }

    /// The actor of this node that a ref with this key means, if it lives and takes an `M`: types
    /// of two modules may have the same name and schema.
    pub(crate) fn local<M: Message>(&self, described: &Resolved) -> Result<LocalRef<M>, EndReason> {
        let entries = self.entries.lock();
        let entry = entries
            .get(&described.actor)
            .filter(|entry| entry.resolved.key == described.key);
        let entry = entry.ok_or(EndReason::NoSuchActor)?;
        let exported: &dyn Any = &*entry.exported;
        match exported.downcast_ref::<Export<M>>() {
            Some(export) => Ok(export.actor.clone()),
            None => Err(EndReason::WrongType {
                found: entry.resolved.type_name.clone(),
            }),
        }
    }

    /// What a ref to the actor must show, if it is reachable.
    pub(crate) fn describe(&self, actor: ActorId) -> Option<Resolved> {
        Some(self.entries.lock().get(&actor)?.resolved.clone())
    }

    /// A queue for the frames of a binding, if the peer showed the key and sends the right type.
    pub(crate) fn open(
        &self,
        bind: &Bind,
        link: Weak<dyn Link>,
    ) -> Result<Arc<dyn InboundQueue>, EndReason> {
        let entries = self.entries.lock();
        let entry = Self::check(&entries, bind)?;
        Ok(entry.exported.open(link))
    }

    /// How many messages the actor's mailbox takes, if a binding to it is in order.
    pub(crate) fn capacity_messages(&self, bind: &Bind) -> Result<u32, EndReason> {
        let entries = self.entries.lock();
        Ok(Self::check(&entries, bind)?.resolved.capacity_messages)
    }

    /// The actor is gone.
    pub(crate) fn remove(&self, actor: ActorId) {
        let entry = self.entries.lock().remove(&actor);
        // Dropped outside the lock: it holds the last ref to the cell, perhaps.
        drop(entry);
    }

    /// Whether the actor is there, but not for whoever shows this key.
    pub(crate) fn is_wrong_key(&self, bind: &Bind) -> bool {
        let entries = self.entries.lock();
        let entry = entries.get(&bind.actor);
        entry.is_some_and(|entry| entry.resolved.key != bind.key)
    }

    fn check<'a>(
        entries: &'a HashMap<ActorId, Entry>,
        bind: &Bind,
    ) -> Result<&'a Entry, EndReason> {
        let entry = entries
            .get(&bind.actor)
            .filter(|entry| entry.resolved.key == bind.key);
        let entry = entry.ok_or(EndReason::NoSuchActor)?;
        if entry.resolved.fingerprint == bind.fingerprint {
            Ok(entry)
        } else {
            Err(EndReason::WrongType {
                found: entry.resolved.type_name.clone(),
            })
        }
    }
}

/// An exported actor without its message type.
trait Exported: Any + Send + Sync {
    fn open(&self, link: Weak<dyn Link>) -> Arc<dyn InboundQueue>;
}

struct Export<M> {
    actor: LocalRef<M>,
    codec: Codec<M>,
}

impl<M: Message> Exported for Export<M> {
    fn open(&self, link: Weak<dyn Link>) -> Arc<dyn InboundQueue> {
        FrameQueue::open(Arc::clone(&self.actor.0), self.codec, link)
    }
}
