//! [`InboundObjects`]: the port through which a transport brings a peer's objects in.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use mycelium_wire::{CloseReason, Frame};

use crate::{
    Link, Node,
    transfer::{Landing, Source},
};

/// The objects that one connection of a link brings in; it belongs to the connection's reader. Those
/// that are not whole when it is dropped are lost.
pub struct InboundObjects {
    node: Node,
    link: Weak<dyn Link>,
    generation: u32,
    /// Those under way, by their tickets; swept whenever the map would grow.
    landings: HashMap<u64, Arc<Landing>>,
}

impl InboundObjects {
    /// Brings objects of `link`'s peer to whoever waits for them on `node`.
    pub fn new(node: Node, link: Weak<dyn Link>, generation: u32) -> Self {
        Self {
            node,
            link,
            generation,
            landings: HashMap::new(),
        }
    }

    /// The peer offers an object, and is told where nobody waits for it.
    pub fn offer(&mut self, ticket: u64, length_bytes: u64) {
        let (link, generation) = (self.link.clone(), self.generation);
        let from = Source::Link { link, generation };
        match self.node.land(ticket, length_bytes, from) {
            Ok(landing) if length_bytes > 0 => {
                if self.landings.len() == self.landings.capacity() {
                    self.landings.retain(|_, landing| !landing.is_left());
                }
                self.landings.insert(ticket, landing);
            }
            Ok(_) => {}
            Err(why) => {
                if let Some(link) = self.link.upgrade() {
                    link.decline(generation, ticket, why);
                }
            }
        }
    }

    /// The next bytes of an object have come; they are dropped where nobody waits for them any more.
    ///
    /// # Errors
    ///
    /// [`CloseReason::Malformed`] when there are more than the peer offered, or its window admits.
    pub fn part(&mut self, ticket: u64, frame: Frame<'_>) -> Result<(), CloseReason> {
        let Some(landing) = self.landings.get(&ticket) else {
            return Ok(());
        };
        if landing.receive(frame.detach())? {
            self.landings.remove(&ticket);
        }
        Ok(())
    }

    /// No more of an object comes.
    pub fn withdrawn(&mut self, ticket: u64) {
        if let Some(landing) = self.landings.remove(&ticket) {
            landing.withdraw();
        }
    }

    /// The connection is gone.
    pub(crate) fn lose(&mut self) {
        for (_, landing) in self.landings.drain() {
            landing.lose();
        }
    }
}

impl Drop for InboundObjects {
    fn drop(&mut self) {
        self.lose();
    }
}
