//! [`Bypass`]: a link's second connection, which carries objects past its messages.
//!
//! What the kernel has taken of an object stands before every later message on the same socket. So
//! the first object of a connection makes its dialling side dial again: see
//! [`Peers`](crate::peers::Peers) for the handshake. The bypass ends with the connection that it is
//! beside, and objects go over that one while there is none.

use std::{
    collections::HashMap,
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use mycelium_core::{Bounds, OutgoingTransfer};
use mycelium_wire::{FRAGMENT_BYTES, TRANSFER_WINDOW_BYTES};

use crate::connection::Connection;

/// How long objects do without a bypass that could not be made.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// The bypass of a link, and the objects under way to the peer, under the lock of the link.
#[derive(Default)]
pub(crate) struct Bypass {
    state: State,
    /// By their tickets, with the generation of the connection that each goes over.
    objects: HashMap<u64, (u32, Arc<OutgoingTransfer>)>,
}

#[derive(Default)]
enum State {
    /// No object was to be moved yet.
    #[default]
    Unasked,
    /// The dialling side is about to make it.
    Asked,
    Up(Box<Connection>),
    /// It could not be made, and is not tried again before then.
    InVain {
        until: Instant,
    },
}

impl Bypass {
    /// Whether somebody has to ask for it; from here on it counts as asked for.
    pub(crate) fn ask(&mut self) -> bool {
        let is_wanting = match self.state {
            State::Unasked => true,
            State::InVain { until } => until <= Instant::now(),
            State::Asked | State::Up(_) => false,
        };
        if is_wanting {
            self.state = State::Asked;
        }
        is_wanting
    }

    /// The peer asks for it, who has none: one that there still was ends, with its objects.
    pub(crate) fn ask_again(&mut self) -> Vec<Arc<OutgoingTransfer>> {
        let lost = self.end();
        self.state = State::Asked;
        lost
    }

    /// Whether it is being made.
    pub(crate) fn is_awaited(&self) -> bool {
        matches!(self.state, State::Asked)
    }

    /// It could not be made: objects do without.
    pub(crate) fn give_up(&mut self) {
        if self.is_awaited() {
            let until = Instant::now() + RETRY_AFTER;
            self.state = State::InVain { until };
        }
    }

    /// It is made. One that there still was ends, with its objects.
    pub(crate) fn open(&mut self, connection: Connection) -> Vec<Arc<OutgoingTransfer>> {
        let lost = self.end();
        self.state = State::Up(Box::new(connection));
        lost
    }

    /// The connection, if it is up.
    pub(crate) fn up(&mut self) -> Option<&mut Connection> {
        match &mut self.state {
            State::Up(connection) => Some(connection),
            State::Unasked | State::Asked | State::InVain { .. } => None,
        }
    }

    /// The connection is gone, if it is the one of this generation: gives its objects.
    pub(crate) fn close(&mut self, generation: u32) -> Vec<Arc<OutgoingTransfer>> {
        match self.up() {
            Some(up) if up.generation == generation => self.end(),
            _ => Vec::new(),
        }
    }

    /// The connection that this is beside is gone: gives all objects of the two.
    pub(crate) fn end_all(&mut self) -> Vec<Arc<OutgoingTransfer>> {
        let mut lost = self.end();
        lost.extend(self.objects.drain().map(|(_, (_, object))| object));
        lost
    }

    /// Ends the connection, if it is up, and takes its objects out.
    fn end(&mut self) -> Vec<Arc<OutgoingTransfer>> {
        let State::Up(up) = mem::take(&mut self.state) else {
            return Vec::new();
        };
        up.failed.cancel();
        let of_it = |_: &u64, (generation, _): &mut (u32, _)| *generation == up.generation;
        let objects = self.objects.extract_if(of_it);
        objects.map(|(_, (_, object))| object).collect()
    }

    /// An object is under way.
    pub(crate) fn insert(&mut self, ticket: u64, generation: u32, object: Arc<OutgoingTransfer>) {
        self.objects.insert(ticket, (generation, object));
    }

    /// An object that is under way.
    pub(crate) fn get(&self, ticket: u64) -> Option<Arc<OutgoingTransfer>> {
        Some(Arc::clone(&self.objects.get(&ticket)?.1))
    }

    /// An object is under way no longer.
    pub(crate) fn remove(&mut self, ticket: u64) -> Option<Arc<OutgoingTransfer>> {
        Some(self.objects.remove(&ticket)?.1)
    }

    /// How much of objects may wait to be written, and in what the bypass is read into.
    pub(crate) fn bounds(&mut self) -> Bounds {
        let mut bounds = Bounds::default();
        bounds.outbound_bytes = self.objects.len() as u64 * TRANSFER_WINDOW_BYTES;
        bounds.link_bytes = self.up().map_or(0, |_| FRAGMENT_BYTES as u64);
        bounds
    }
}
