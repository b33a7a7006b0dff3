//! [`LinkEvent`]: what happens to the links of a node.

use mycelium_wire::NodeId;
use tokio::sync::broadcast;

/// How many events a slow reader of [`LinkEvents`] may be behind before it misses some.
const BACKLOG_EVENTS: usize = 1_024;

/// What happened to the link to a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkEvent {
    /// It has a connection, for the first time or again.
    Up {
        /// The peer.
        peer: NodeId,
    },
    /// The peer is silent.
    Suspected {
        /// The peer.
        peer: NodeId,
    },
    /// A peer that was silent is heard again.
    Heard {
        /// The peer.
        peer: NodeId,
    },
    /// The connection is lost; the peer may come back.
    Lost {
        /// The peer.
        peer: NodeId,
        /// Messages of which nobody knows whether they were handled: they were in flight.
        unknown: u64,
    },
    /// The peer is gone for good, in this life or this epoch.
    Down {
        /// The peer.
        peer: NodeId,
    },
}

/// A bounded stream of [`LinkEvent`]s, from the moment it was asked for.
pub struct LinkEvents(broadcast::Receiver<LinkEvent>);

/// The next item of [`LinkEvents`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkNotice {
    /// Something happened.
    Event(LinkEvent),
    /// This reader was too slow and missed so many events.
    Missed(u64),
}

impl LinkEvents {
    /// The next notice; `None` once the node is gone.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<LinkNotice> {
        match self.0.recv().await {
            Ok(event) => Some(LinkNotice::Event(event)),
            Err(broadcast::error::RecvError::Lagged(count)) => Some(LinkNotice::Missed(count)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// The writing end, on the node.
pub(crate) struct LinkEventOffice(broadcast::Sender<LinkEvent>);

impl LinkEventOffice {
    pub(crate) fn new() -> Self {
        Self(broadcast::Sender::new(BACKLOG_EVENTS))
    }

    pub(crate) fn subscribe(&self) -> LinkEvents {
        LinkEvents(self.0.subscribe())
    }

    pub(crate) fn report(&self, event: LinkEvent) {
        // Nobody listening is fine.
        let _ = self.0.send(event);
    }
}
