//! [`Pairs`]: which nodes this one is linked to, and which connection of a pair counts.
//!
//! Two nodes may dial each other at the same moment, or one of them twice; yet a pair has one link
//! with one connection. The dialling side *proposes* a connection by its `Confirm`, the accepting
//! side takes it by its own:
//!
//! - A node proposes only while its link to the peer is not up, and one connection at a time. So
//!   a proposal says as well that the peer has lost every connection before.
//! - Whoever has no proposal of its own under way takes the peer's, in place of a connection whose
//!   loss it has not noticed yet.
//! - Where two proposals meet, that of the node with the smaller name counts: this node refuses
//!   the other, and its peer waits for the refusal before it takes this one.
//!
//! All of it is decided under one lock.

use std::{collections::HashMap, sync::Arc};

use mycelium_core::Link;
use mycelium_wire::{CloseReason, Hello, NodeId, NodeName};
use tokio_util::sync::CancellationToken;

use crate::{handshake::HandshakeError, link::PeerLink};

/// The links of a node, and what it has proposed to its peers.
pub(crate) struct Pairs {
    us: NodeName,
    /// By the peer's name: two nodes of one name are never linked at once.
    links: HashMap<NodeName, Arc<PeerLink>>,
    /// Fires when the proposal to the peer is taken or refused.
    proposals: HashMap<NodeName, CancellationToken>,
}

/// What to do with a connection that the peer proposes.
pub(crate) enum Verdict {
    Take,
    Refuse(CloseReason),
    /// Until the proposal of our own is answered.
    Wait(CancellationToken),
}

/// Why a connection that we dialled came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProposeError {
    #[error("{0} is linked already")]
    Linked(NodeId),
    #[error("another connection to the peer is being made")]
    Busy,
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
}

impl Pairs {
    pub(crate) fn new(us: NodeName) -> Self {
        Self {
            us,
            links: HashMap::new(),
            proposals: HashMap::new(),
        }
    }

    /// Takes note that we propose a connection to this peer.
    pub(crate) fn propose(&mut self, hello: &Hello) -> Result<(), ProposeError> {
        self.admit(hello).map_err(HandshakeError::from)?;
        let name = hello.node.name();
        if self.links.get(name).is_some_and(|link| link.is_up()) {
            return Err(ProposeError::Linked(hello.node.clone()));
        }
        if self.proposals.contains_key(name) {
            return Err(ProposeError::Busy);
        }
        self.proposals
            .insert(name.clone(), CancellationToken::new());
        Ok(())
    }

    /// Our proposal was answered, or given up.
    pub(crate) fn settle(&mut self, peer: &NodeName) {
        if let Some(settled) = self.proposals.remove(peer) {
            settled.cancel();
        }
    }

    /// What to do with a connection that this peer proposes.
    pub(crate) fn judge(&self, hello: &Hello) -> Verdict {
        if let Err(reason) = self.admit(hello) {
            return Verdict::Refuse(reason);
        }
        match self.proposals.get(hello.node.name()) {
            None => Verdict::Take,
            Some(_) if self.us < *hello.node.name() => Verdict::Refuse(CloseReason::Requested),
            Some(ours) => Verdict::Wait(ours.clone()),
        }
    }

    /// The link to the node of this name.
    pub(crate) fn get(&self, name: &NodeName) -> Option<&Arc<PeerLink>> {
        self.links.get(name)
    }

    /// Puts a link in the place of the one that the pair had, perhaps to another life of the peer.
    pub(crate) fn insert(&mut self, link: Arc<PeerLink>) -> Option<Arc<PeerLink>> {
        self.links.insert(link.peer().name().clone(), link)
    }

    /// Takes a link out, if it is still the one of its pair; says whether it was.
    pub(crate) fn remove(&mut self, link: &Arc<PeerLink>) -> bool {
        let name = link.peer().name();
        let known = self.links.get(name);
        let is_known = known.is_some_and(|known| Arc::ptr_eq(known, link));
        if is_known {
            self.links.remove(name);
        }
        is_known
    }

    /// Whether a connection to this peer may be made at all.
    fn admit(&self, hello: &Hello) -> Result<(), CloseReason> {
        let name = hello.node.name();
        let is_another = |link: &Arc<PeerLink>| *link.peer() != hello.node && link.is_up();
        if *name == self.us || self.links.get(name).is_some_and(is_another) {
            return Err(CloseReason::DuplicateNode(name.clone()));
        }
        Ok(())
    }
}
