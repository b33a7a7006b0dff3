//! [`Exports`]: the actors of a node that other nodes may reach, and how.

use std::{
    any::Any,
    collections::HashMap,
    sync::{Arc, Weak},
};

use mycelium_wire::{Accepted, ActorId, Bind, Codec, EndReason, ExportKey, NodeId, Resolved, Wire};

use crate::{
    Bounds, LocalRef, Message, inbound::InboundQueue, mailbox::frames::FrameQueue, sync::Mutex,
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
    /// The queues that hold frames or are bound, one for each peer.
    queues: Vec<(NodeId, Weak<dyn InboundQueue>)>,
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
            also_takes: M::ACCEPTS.iter().map(Accepted::fingerprint).collect(),
            type_name: M::NAME.into(),
        };
        let exported = Box::new(Export {
            actor: actor.clone(),
            codec: Codec::new(),
        });
        let entry = Entry {
            resolved: resolved.clone(),
            exported,
            queues: Vec::new(),
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

    /// The queue for the frames of this peer, with the capacity of the actor's mailbox, if the peer
    /// showed the key and sends a type that the actor takes.
    ///
    /// A peer finds its queue again for as long as frames lie in it, so that what it sends by a
    /// later connection or link stays behind what it sent before.
    pub(crate) fn open(
        &self,
        bind: &Bind,
        peer: &NodeId,
    ) -> Result<(Arc<dyn InboundQueue>, u32), EndReason> {
        let mut entries = self.entries.lock();
        let entry = entries
            .get_mut(&bind.actor)
            .filter(|entry| entry.resolved.key == bind.key);
        let entry = entry.ok_or(EndReason::NoSuchActor)?;
        if !entry.resolved.takes(bind.fingerprint) {
            return Err(EndReason::WrongType {
                found: entry.resolved.type_name.clone(),
            });
        }
        Ok((entry.queue(peer), entry.resolved.capacity_messages))
    }

    /// The queue for the frames of this peer, if it has bound the actor.
    pub(crate) fn queue_of(&self, actor: ActorId, peer: &NodeId) -> Option<Arc<dyn InboundQueue>> {
        let entries = self.entries.lock();
        let mut queues = entries.get(&actor)?.queues.iter();
        queues.find(|(of, _)| of == peer)?.1.upgrade()
    }

    /// How much of peers may wait in the queues of the actors.
    pub(crate) fn bounds(&self) -> Bounds {
        let entries = self.entries.lock();
        let queues = entries.values().flat_map(|entry| &entry.queues);
        let queues: Vec<_> = queues.filter_map(|(_, queue)| queue.upgrade()).collect();
        drop(entries);
        queues.iter().map(|queue| queue.bounds()).sum()
    }

    /// Whether the actor is reachable by another key than the one that was shown.
    pub(crate) fn is_wrong_key(&self, bind: &Bind) -> bool {
        let entries = self.entries.lock();
        let entry = entries.get(&bind.actor);
        entry.is_some_and(|entry| entry.resolved.key != bind.key)
    }

    /// The actor is gone.
    pub(crate) fn remove(&self, actor: ActorId) {
        let entry = self.entries.lock().remove(&actor);
        // Dropped outside the lock: it holds the last ref to the cell, perhaps.
        drop(entry);
    }
}

impl Entry {
    fn queue(&mut self, peer: &NodeId) -> Arc<dyn InboundQueue> {
        let known = self.queues.iter().find(|(of, _)| of == peer);
        if let Some(queue) = known.and_then(|(_, queue)| queue.upgrade()) {
            return queue;
        }
        let queue = self.exported.open();
        self.queues.retain(|(_, other)| other.strong_count() > 0);
        self.queues.push((peer.clone(), Arc::downgrade(&queue)));
        queue
    }
}

/// An exported actor without its message type.
trait Exported: Any + Send + Sync {
    fn open(&self) -> Arc<dyn InboundQueue>;
}

struct Export<M> {
    actor: LocalRef<M>,
    codec: Codec<M>,
}

impl<M: Message> Exported for Export<M> {
    fn open(&self) -> Arc<dyn InboundQueue> {
        FrameQueue::open(Arc::clone(&self.actor.0), self.codec)
    }
}
