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

/// The most links of one node.
const LINKS: usize = 1_024;

/// The most peers whose epochs are remembered after their links have ended.
const EPOCHS: usize = 4_096;

/// The links of a node, and what it has proposed to its peers.
pub(crate) struct Pairs {
    us: NodeName,
    /// By the peer's name: two nodes of one name are never linked at once.
    links: HashMap<NodeName, Arc<PeerLink>>,
    /// Fires when the proposal to the peer is taken or refused.
    proposals: HashMap<NodeName, CancellationToken>,
    /// What follows the links that have ended: the life of the peer, and the pair's next epoch.
    epochs: HashMap<NodeName, (u128, u32)>,
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
            epochs: HashMap::new(),
        }
    }

    /// How often one of the two was declared down, as far as this node knows.
    pub(crate) fn epoch_of(&self, peer: &NodeId) -> u32 {
        let link = self.links.get(peer.name());
        if let Some(link) = link.filter(|link| link.peer() == peer) {
            return link.epoch();
        }
        match self.epochs.get(peer.name()) {
            Some((incarnation, epoch)) if *incarnation == peer.incarnation() => *epoch,
            _ => 0,
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

    /// Every link that has not ended.
    pub(crate) fn links(&self) -> Vec<Arc<PeerLink>> {
        self.links.values().cloned().collect()
    }

    /// Takes a link out, because its peer is down, if it is still the one of its pair; says whether
    /// it was. The next link of the pair is of another epoch.
    pub(crate) fn remove(&mut self, link: &Arc<PeerLink>) -> bool {
        let name = link.peer().name();
        let known = self.links.get(name);
        let is_known = known.is_some_and(|known| Arc::ptr_eq(known, link));
        if is_known {
            self.links.remove(name);
            self.raise(link);
        }
        is_known
    }

    fn raise(&mut self, link: &PeerLink) {
        if !self.epochs.contains_key(link.peer().name())
            && self.epochs.len() >= EPOCHS
            && let Some(other) = self.epochs.keys().next().cloned()
        {
            self.epochs.remove(&other);
        }
        let next = (link.peer().incarnation(), link.epoch().saturating_add(1));
        self.epochs.insert(link.peer().name().clone(), next);
    }

    /// Whether a connection to this peer may be made at all.
    fn admit(&self, hello: &Hello) -> Result<(), CloseReason> {
        let name = hello.node.name();
        let is_another = |link: &Arc<PeerLink>| *link.peer() != hello.node && link.is_up();
        if *name == self.us || self.links.get(name).is_some_and(is_another) {
            return Err(CloseReason::DuplicateNode(name.clone()));
        }
        let others = self.links.len() + self.proposals.len();
        if !self.links.contains_key(name) && others >= LINKS {
            return Err(CloseReason::TooManyLinks { limit: LINKS });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use mycelium_wire::{CloseReason, Hello, NodeId};

    use super::{Pairs, ProposeError, Verdict};
    use crate::handshake::HandshakeError;

    fn pairs_of(us: &str) -> Pairs {
        Pairs::new(us.parse().expect("a name"))
    }

    fn hello_of(node: &str) -> Hello {
        Hello {
            node: NodeId::new(node.parse().expect("a name"), 1),
            nonce: 2,
            boot_id: 3,
            uid: 4,
            pid: 5,
            message_limit_bytes: 6,
            joins: 0,
            addresses: Vec::new(),
        }
    }

    #[test]
    fn the_proposal_of_the_smaller_name_counts_where_two_meet() {
        let (mut smaller, mut greater) = (pairs_of("a"), pairs_of("b"));
        let (a, b) = (hello_of("a"), hello_of("b"));
        smaller.propose(&b).expect("nothing is under way");
        greater.propose(&a).expect("nothing is under way");

        let refused = smaller.judge(&b);
        assert!(matches!(refused, Verdict::Refuse(CloseReason::Requested)));
        let Verdict::Wait(refused) = greater.judge(&a) else {
            panic!("it has to wait for the refusal")
        };
        assert!(!refused.is_cancelled());
        greater.settle(a.node.name());
        assert!(refused.is_cancelled());
        assert!(matches!(greater.judge(&a), Verdict::Take));
    }

    #[test]
    fn one_connection_to_a_peer_is_proposed_at_a_time() {
        let mut pairs = pairs_of("a");
        let b = hello_of("b");
        pairs.propose(&b).expect("nothing is under way");
        assert!(matches!(pairs.propose(&b), Err(ProposeError::Busy)));
        pairs.propose(&hello_of("c")).expect("it is another pair");
        pairs.settle(b.node.name());
        pairs.propose(&b).expect("nothing is under way");
    }

    #[test]
    fn a_node_of_our_own_name_is_no_peer() {
        let mut pairs = pairs_of("a");
        let twin = hello_of("a");
        let judged = pairs.judge(&twin);
        assert!(
            matches!(judged, Verdict::Refuse(CloseReason::DuplicateNode(name)) if name == *twin.node.name())
        );
        let refused = pairs.propose(&twin);
        let Err(ProposeError::Handshake(HandshakeError::Closed(reason))) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(reason, CloseReason::DuplicateNode(twin.node.name().clone()));
    }
}
