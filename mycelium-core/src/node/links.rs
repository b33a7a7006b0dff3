//! The links of a [`Node`], and what its peers may reach through them.

use std::sync::Arc;

use mycelium_wire::{Codec, NodeId, NodeName, Resolved, Wire};

use super::{Names, Node};
use crate::{
    ActorRef, Link, LinkEvent, LinkEvents, LinkKind, LinkRefusal, LinkStats, LocalRef, RemoteRef,
    TooManyExports,
    export::Exports,
    remote::{Remote, RemoteActor},
};

impl Node {
    /// A stream of what happens to the node's links from now on.
    pub fn link_events(&self) -> LinkEvents {
        self.0.link_events.subscribe()
    }

    /// Something happened to a link: tells those who listen.
    pub fn report_link(&self, event: LinkEvent) {
        self.0.link_events.report(event);
    }

    /// The links that are up or being dialled again.
    pub fn links(&self) -> Vec<Arc<dyn Link>> {
        self.0.links.lock().values().cloned().collect()
    }

    /// Makes an actor of this node reachable for others.
    ///
    /// # Errors
    ///
    /// [`TooManyExports`] beyond 65,536 actors.
    pub fn export<M: Wire>(&self, actor: &LocalRef<M>) -> Result<Resolved, TooManyExports> {
        self.0.exports.export(actor)
    }

    /// A ref to an actor of a peer, from what the peer told about it.
    ///
    /// # Errors
    ///
    /// [`LinkRefusal::TooManyBindings`], or that the peer is down.
    pub fn remote_ref<M: Wire>(
        link: Arc<dyn Link>,
        actor: Resolved,
    ) -> Result<ActorRef<M>, LinkRefusal> {
        let kind = link.kind();
        let remote = RemoteRef::known(Codec::new(), link.attach(actor)?);
        Ok(match kind {
            LinkKind::Unix => ActorRef::Unix(remote),
            LinkKind::Tcp => ActorRef::Tcp(remote),
        })
    }

    /// The place of an actor on the link to its node.
    pub(crate) fn attach(&self, actor: &RemoteActor) -> Result<Arc<Remote>, LinkRefusal> {
        let link = self.route_to(&actor.node)?;
        link.attach(actor.described.clone())
    }

    /// The link to a node, or why there is none.
    pub(crate) fn route_to(&self, node: &NodeId) -> Result<Arc<dyn Link>, LinkRefusal> {
        match self.link_to(node) {
            Some(link) => Ok(link),
            None if self.is_linked_to(node.name()) => Err(LinkRefusal::Stale),
            None => Err(LinkRefusal::Unreachable),
        }
    }

    /// Whether this node is linked to a node of this name, in whichever life.
    pub fn is_linked_to(&self, name: &NodeName) -> bool {
        self.0.links.lock().keys().any(|peer| peer.name() == name)
    }

    /// The link to a node, if there is one.
    pub(crate) fn link_to(&self, peer: &NodeId) -> Option<Arc<dyn Link>> {
        self.0.links.lock().get(peer).cloned()
    }

    /// A link is up for the first time.
    pub fn add_link(&self, link: Arc<dyn Link>) {
        let replaced = self.0.links.lock().insert(link.peer().clone(), link);
        // Its end may drop refs of other links: not under the lock.
        drop(replaced);
    }

    /// The link's peer is down for good.
    pub fn remove_link(&self, peer: &NodeId) {
        let link = self.0.links.lock().remove(peer);
        drop(link);
    }

    /// A link has ended, and this is what went over it.
    pub fn book(&self, stats: LinkStats) {
        *self.0.past.lock() += stats;
    }

    pub(crate) fn exports(&self) -> &Exports {
        &self.0.exports
    }

    pub(crate) fn find_exported(&self, name: &str) -> Option<Resolved> {
        let names = self.0.extensions.get::<Names>()?;
        self.0.exports.describe(names.0.find(name)?)
    }
}
