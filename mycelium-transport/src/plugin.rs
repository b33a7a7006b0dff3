//! [`TransportPlugin`]: the part of a node that links it to others, and the methods that set it up.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use mycelium_core::{Node, NodeBuilder, Plugin, PluginError, Starting};
use mycelium_wire::NodeName;
use tokio::task::JoinSet;

use crate::{
    PeerAddr, TlsConfig, Transport, TransportError,
    dialer::Dialer,
    listener::{Listener, listen},
    liveness::{self, LivenessConfig},
    memory::MemoryListener,
    peers::{Addresses, Peers},
    tcp::{self, TcpGuard},
    tls::config::TlsSlot,
    unix_dir::UnixDir,
};

/// The links of a node, as set up by [`BuildTransport`].
#[derive(Default)]
pub(crate) struct TransportPlugin {
    transport: Transport,
    unix_dir: Option<PathBuf>,
    tcp: Vec<String>,
    peers: Vec<PeerAddr>,
    liveness: LivenessConfig,
    tls: Option<TlsConfig>,
    is_plain_tcp_open: bool,
}

/// The transport's settings on a [`NodeBuilder`].
///
/// # Examples
///
/// Two nodes of one host, in one process for the sake of the example:
///
/// ```
/// use std::time::Duration;
///
/// use mycelium_core::Node;
/// use mycelium_transport::{BuildTransport, PeerAddr, TransportNode};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let temporary = tempfile::tempdir()?;
/// # let dir = temporary.path().join("fabric");
/// let book = Node::builder("book").unix(&dir).start().await?;
/// let feed = Node::builder("feed").unix(&dir);
/// let feed = feed.peer(PeerAddr::unix(&dir, "book")).start().await?;
/// assert_eq!(feed.links()[0].peer(), book.id());
/// assert_eq!(book.addresses(), [PeerAddr::unix(&dir, "book")]);
///
/// feed.shutdown(Duration::from_secs(5)).await?;
/// book.shutdown(Duration::from_secs(5)).await?;
/// # Ok(()) }
/// ```
pub trait BuildTransport {
    /// Listens at a Unix socket in `dir`, for processes of this host and user.
    ///
    /// The directory is made with mode 0700 where it is missing; one that others may enter, or
    /// that belongs to somebody else, is refused when the node starts. The socket is
    /// `dir/<node>.sock`.
    #[must_use]
    fn unix(self, dir: impl Into<PathBuf>) -> Self;

    /// Listens at a TCP port of this host: `127.0.0.1:0`, `localhost:7000`, `[::1]:0`. Port 0 lets
    /// the kernel choose; [`addresses`](TransportNode::addresses) tells what it chose. A name that
    /// stands for several addresses is bound to the first that is free. May be called more than
    /// once.
    ///
    /// Without [`tls`](Self::tls) this is for processes of this user only: both ends look each
    /// other up in the kernel's table of sockets, and what is not loopback is refused when the node
    /// starts, with [`TransportError::NotLoopback`].
    #[must_use]
    fn tcp(self, address: impl Into<String>) -> Self;

    /// Keeps a link to the node that listens at `address`: this side dials, and dials again.
    ///
    /// The address is tried once while the node starts, so that the peer's names can be resolved
    /// at once; a peer that is not there yet is dialled in the background. A pair of nodes has one
    /// link, however many addresses it is dialled at, and from whichever side.
    ///
    /// The node does not start with a Unix address but without [`unix`](Self::unix), or with an
    /// address beyond loopback but without [`tls`](Self::tls); see [`TransportError`].
    #[must_use]
    fn peer(self, address: PeerAddr) -> Self;

    /// Says when a peer that is not heard is suspected, and when it counts as down.
    #[must_use]
    fn liveness(self, config: LivenessConfig) -> Self;

    /// Puts all TCP of this node, accepted and dialled, on loopback and beyond, under mutual
    /// TLS 1.3. Peers need it too: both sides show certificates of a CA that the other trusts, and
    /// a certificate is good for the node that it names only.
    ///
    /// Costs a round trip more per connection, the encryption of every byte, and two allocations per
    /// record, of up to 16 KiB of messages that gathered; links over Unix sockets do without. A
    /// certificate that does not name this node is refused when it starts,
    /// with [`TransportError::WrongCertificateName`]. See [`reload_tls`](TransportNode::reload_tls)
    /// for replacing it before it expires.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use mycelium_core::Node;
    /// use mycelium_transport::{BuildTransport, TlsConfig};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// // The certificate's DNS name is book-1; `book-1.key` has mode 0600.
    /// let tls = TlsConfig::from_files("ca.pem", "book-1.pem", "book-1.key")?;
    /// let book = Node::builder("book-1").tls(tls).tcp("0.0.0.0:7000").start().await?;
    /// # let _ = book;
    /// # Ok(()) }
    /// ```
    #[must_use]
    fn tls(self, config: TlsConfig) -> Self;

    /// Lets TCP without TLS leave this host: for networks that nobody else is on, if there are any.
    ///
    /// Whoever reaches the port may call itself any node, read every message, and change them: the
    /// CRC finds accidents, not intent. On loopback both ends still have to be of one user.
    /// Without effect where there is [`tls`](Self::tls).
    #[must_use]
    fn insecure_plain_tcp(self) -> Self;

    /// Makes all links of this node of one kind, those to nodes of this process too. The default
    /// is [`Transport::Auto`].
    ///
    /// The node listens at addresses of this kind only, and does not start with a peer's address
    /// of another.
    #[must_use]
    fn transport(self, transport: Transport) -> Self;
}

impl BuildTransport for NodeBuilder {
    fn unix(mut self, dir: impl Into<PathBuf>) -> Self {
        self.plugin::<TransportPlugin>().unix_dir = Some(dir.into());
        self
    }

    fn tcp(mut self, address: impl Into<String>) -> Self {
        self.plugin::<TransportPlugin>().tcp.push(address.into());
        self
    }

    fn peer(mut self, address: PeerAddr) -> Self {
        self.plugin::<TransportPlugin>().peers.push(address);
        self
    }

    fn liveness(mut self, config: LivenessConfig) -> Self {
        self.plugin::<TransportPlugin>().liveness = config;
        self
    }

    fn tls(mut self, config: TlsConfig) -> Self {
        self.plugin::<TransportPlugin>().tls = Some(config);
        self
    }

    fn insecure_plain_tcp(mut self) -> Self {
        self.plugin::<TransportPlugin>().is_plain_tcp_open = true;
        self
    }

    fn transport(mut self, transport: Transport) -> Self {
        self.plugin::<TransportPlugin>().transport = transport;
        self
    }
}

/// What the transport tells about a running [`Node`].
pub trait TransportNode {
    /// The addresses at which the node listens.
    fn addresses(&self) -> Vec<PeerAddr>;

    /// Uses other certificates for the connections that are made from now on; links that are up
    /// stay as they are, and so does what this node listens at.
    ///
    /// # Errors
    ///
    /// [`TransportError::WrongCertificateName`] where the new certificate does not name this node,
    /// [`TransportError::WithoutTls`] where the node was started without; nothing changes then.
    fn reload_tls(&self, config: TlsConfig) -> Result<(), TransportError>;
}

impl TransportNode for Node {
    fn addresses(&self) -> Vec<PeerAddr> {
        let addresses = self.extensions().get::<Addresses>();
        addresses.map_or_else(Vec::new, |addresses| addresses.all())
    }

    fn reload_tls(&self, config: TlsConfig) -> Result<(), TransportError> {
        let node = self.id().name();
        check_certificate(node, &config)?;
        match self.extensions().get::<TcpGuard>().as_deref() {
            Some(TcpGuard::Tls(slot)) => {
                slot.replace(config);
                Ok(())
            }
            _ => Err(TransportError::WithoutTls { node: node.clone() }),
        }
    }
}

impl Plugin for TransportPlugin {
    fn start(self: Box<Self>, node: &Node) -> Starting<'_> {
        Box::pin(async move {
            for peer in &self.peers {
                self.check(peer)?;
            }
            if let Some(tls) = &self.tls {
                check_certificate(node.id().name(), tls)?;
            }
            let guard = node.extensions().get_or_insert_with(|| self.guard());
            let has_unix = self.unix_dir().is_some();
            let peers = Peers::new(node.clone(), self.transport, has_unix, self.liveness);
            let peers = Arc::new(peers);
            liveness::start(&peers)?;
            #[cfg(test)]
            node.extensions()
                .get_or_insert_with(|| Arc::downgrade(&peers));
            self.listen(node, &peers, &guard).await?;
            let mut first_tries = JoinSet::new();
            for address in self.peers {
                first_tries.spawn_on(
                    Dialer::new(Arc::clone(&peers), address).start(),
                    node.runtime(),
                );
            }
            for first_try in first_tries.join_all().await {
                first_try?;
            }
            Ok(())
        })
    }
}

impl TransportPlugin {
    /// Where the node has a Unix socket.
    fn unix_dir(&self) -> Option<&Path> {
        let dir = self.unix_dir.as_deref();
        dir.filter(|_| self.transport.takes_unix())
    }

    /// Whether a peer can be dialled at its address.
    fn check(&self, peer: &PeerAddr) -> Result<(), TransportError> {
        if !self.transport.takes(peer) {
            return Err(TransportError::WrongTransport {
                peer: peer.clone(),
                transport: self.transport,
            });
        }
        match peer {
            PeerAddr::Unix(_) if self.unix_dir.is_none() => {
                Err(TransportError::WithoutUnix { peer: peer.clone() })
            }
            _ => Ok(()),
        }
    }

    /// What keeps strangers from the node's TCP connections.
    fn guard(&self) -> TcpGuard {
        match &self.tls {
            Some(config) => TcpGuard::Tls(TlsSlot::new(config.clone())),
            None if self.is_plain_tcp_open => TcpGuard::Nothing,
            None => TcpGuard::SameUser,
        }
    }

    async fn listen(
        &self,
        node: &Node,
        peers: &Arc<Peers>,
        guard: &Arc<TcpGuard>,
    ) -> Result<(), PluginError> {
        let name = node.id().name();
        let start = |address: PeerAddr, listener: Listener| {
            peers.addresses().add(address);
            node.spawn_task(listen(Arc::clone(peers), listener));
        };
        if let Some(dir) = self.unix_dir() {
            let _on_runtime = node.runtime().enter();
            let (place, listener) = UnixDir::listen(dir, name)?;
            let address = PeerAddr::Unix(place.socket().to_owned());
            start(address, Listener::Unix { listener, place });
        }
        for address in self.tcp.iter().filter(|_| self.transport.takes_tcp()) {
            let (address, checks) = (address.clone(), Arc::clone(guard));
            // On the node's runtime, which may be another than the one that starts the node.
            let bound = node
                .runtime()
                .spawn(async move { tcp::listen(&address, &checks).await });
            let (listener, address) = bound.await??;
            let guard = Arc::clone(guard);
            start(address, Listener::Tcp { listener, guard });
        }
        if self.transport == Transport::Memory {
            let listener = MemoryListener::listen(name)?;
            start(
                PeerAddr::Memory(name.to_string()),
                Listener::Memory(listener),
            );
        }
        Ok(())
    }
}

/// A node's certificate has to name it.
fn check_certificate(node: &NodeName, config: &TlsConfig) -> Result<(), TransportError> {
    if config.names(node) {
        return Ok(());
    }
    Err(TransportError::WrongCertificateName {
        node: node.clone(),
        certified: config.certified(),
    })
}
