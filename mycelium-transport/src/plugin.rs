//! [`Transport`]: the part of a node that links it to others, and the methods that set it up.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use mycelium_core::{Node, NodeBuilder, Plugin, PluginError, Starting};
use tokio::task::JoinSet;

use crate::{
    PeerAddr,
    dialer::Dialer,
    listener::listen,
    peers::{Addresses, Peers},
    unix_dir::UnixDir,
};

/// The links of a node, as set up by [`BuildTransport`].
#[derive(Default)]
pub(crate) struct Transport {
    unix_dir: Option<PathBuf>,
    peers: Vec<PeerAddr>,
}

/// The transport's settings on a [`NodeBuilder`].
pub trait BuildTransport {
    /// Listens at a Unix socket in `dir`, for processes of this host and user.
    ///
    /// The directory is made with mode 0700 where it is missing; one that others may enter, or
    /// that belongs to somebody else, is refused when the node starts. The socket is
    /// `dir/<node>.sock`.
    #[must_use]
    fn unix(self, dir: impl Into<PathBuf>) -> Self;

    /// Keeps a link to the node that listens at `address`: this side dials, and dials again.
    ///
    /// The address is tried once while the node starts, so that the peer's names can be resolved
    /// at once; a peer that is not there yet is dialled in the background.
    #[must_use]
    fn peer(self, address: PeerAddr) -> Self;
}

impl BuildTransport for NodeBuilder {
    fn unix(mut self, dir: impl Into<PathBuf>) -> Self {
        self.plugin::<Transport>().unix_dir = Some(dir.into());
        self
    }

    fn peer(mut self, address: PeerAddr) -> Self {
        self.plugin::<Transport>().peers.push(address);
        self
    }
}

/// What the transport tells about a running [`Node`].
pub trait TransportNode {
    /// The addresses at which the node listens.
    fn addresses(&self) -> Vec<PeerAddr>;
}

impl TransportNode for Node {
    fn addresses(&self) -> Vec<PeerAddr> {
        let addresses = self.extensions().get::<Addresses>();
        addresses.map_or_else(Vec::new, |addresses| addresses.all())
    }
}

impl Plugin for Transport {
    fn start(self: Box<Self>, node: &Node) -> Starting<'_> {
        Box::pin(async move {
            let peers = Arc::new(Peers::new(node.clone()));
            if let Some(dir) = &self.unix_dir {
                start_unix(node, &peers, dir)?;
            }
            let mut first_tries = JoinSet::new();
            for address in self.peers {
                first_tries.spawn_on(
                    Dialer::new(Arc::clone(&peers), address).start(),
                    node.runtime(),
                );
            }
            first_tries.join_all().await;
            Ok(())
        })
    }
}

fn start_unix(node: &Node, peers: &Arc<Peers>, dir: &Path) -> Result<(), PluginError> {
    let _on_runtime = node.runtime().enter();
    let (place, listener) = UnixDir::listen(dir, node.id().name())?;
    let address = PeerAddr::Unix(place.socket().to_owned());
    peers.addresses().add(address);
    node.spawn_task(listen(Arc::clone(peers), listener, place));
    Ok(())
}
