//! [`Peers`]: which nodes this one is linked to; one link per pair of nodes.

use std::{
    collections::HashMap,
    fs,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mycelium_core::{Link, LinkKind, Node};
use mycelium_wire::{CloseReason, Hello, Limits, NodeName};
use rustix::process::{geteuid, getpid};
use tokio::{select, time};

use crate::{
    PeerAddr,
    connection::Dialler,
    driver::{self, Ending, Joined},
    handshake::{Established, HandshakeError, shake_hands},
    link::PeerLink,
    outbound::{Down, Released},
    socket::Socket,
};

/// How long a peer whose link was lost may take to come back before it counts as down.
const DOWN_AFTER: Duration = Duration::from_secs(2);

/// Where a node listens; its transport fills it in.
#[derive(Default)]
pub(crate) struct Addresses(Mutex<Vec<PeerAddr>>);

impl Addresses {
    pub(crate) fn add(&self, address: PeerAddr) {
        self.lock().push(address);
    }

    pub(crate) fn all(&self) -> Vec<PeerAddr> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<PeerAddr>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The links of a node, and what it tells about itself when it makes one.
///
/// Held by the tasks that listen, dial and drive, and not by the node: it holds the node.
pub(crate) struct Peers {
    node: Node,
    limits: Limits,
    boot_id: u128,
    addresses: Arc<Addresses>,
    /// By the peer's name: two nodes of one name are never linked at once. The lock is taken
    /// before that of a link, and guards against a link that ends while it is connected.
    links: Mutex<Links>,
}

type Links = HashMap<NodeName, Arc<PeerLink>>;

/// Why a connection is not made.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The peer is told.
    Close(CloseReason),
    /// The pair has a connection that is to stay.
    Linked(Arc<PeerLink>),
}

impl Peers {
    pub(crate) fn new(node: Node) -> Self {
        let addresses = node.extensions().get_or_insert_with(Addresses::default);
        Self {
            node,
            limits: Limits::default(),
            boot_id: boot_id(),
            addresses,
            links: Mutex::default(),
        }
    }

    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    pub(crate) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Makes a connection to a peer out of a fresh socket.
    ///
    /// # Cancel safety
    ///
    /// The peer sees a lost connection when the future is dropped.
    pub(crate) async fn introduce(
        &self,
        socket: Socket,
        dialler: Dialler,
    ) -> Result<Established, HandshakeError> {
        let hello = self.hello();
        let admit = |peer: &Hello| self.admit(&self.links(), peer, dialler);
        select! {
            established = shake_hands(socket, &hello, self.limits, admit) => established,
            () = self.node.closing().cancelled() => Err(HandshakeError::Closing),
        }
    }

    /// Makes a connection part of the link of its pair, which is up from here on.
    ///
    /// # Errors
    ///
    /// Another connection, or another life of the peer, came first while the hands were shaken.
    pub(crate) fn join(
        &self,
        established: Established,
        dialler: Dialler,
    ) -> Result<Joined, HandshakeError> {
        let mut links = self.links();
        self.admit(&links, &established.hello, dialler)?;
        let (link, replaced) = self.adopt(&mut links, &established.hello);
        let socket = Arc::new(established.socket);
        let (generation, released) = link.connect(dialler, established.send, Arc::clone(&socket));
        drop(links);
        replaced.wake();
        released.wake();
        Ok(Joined {
            link,
            socket,
            receive: established.receive,
            generation,
        })
    }

    /// Drives a connection until it ends; the link outlives it for as long as the peer may return.
    pub(crate) async fn drive(self: &Arc<Self>, joined: Joined) {
        let (link, generation) = (Arc::clone(&joined.link), joined.generation);
        match driver::drive(&self.node, joined).await {
            Ending::Closed(reason) if reason.is_orderly() => self.give_up(&link),
            _ => self.await_return(link, generation),
        }
    }

    /// The peer is not coming back, unless it is back already.
    pub(crate) fn give_up(&self, link: &Arc<PeerLink>) {
        let mut links = self.links();
        if !link.is_up() && is_known(&links, link) {
            let released = self.retire(&mut links, link, Down::Dead);
            drop(links);
            released.wake();
        }
    }

    /// Whether a connection to this peer may be made.
    ///
    /// When both nodes dial each other, the connections of the one whose name comes first count:
    /// both sides choose the same one. A later connection of the same side replaces the one before,
    /// whose loss was only noticed over there yet.
    fn admit(&self, links: &Links, hello: &Hello, dialler: Dialler) -> Result<(), Refusal> {
        let name = hello.node.name();
        let own_name = self.node.id().name();
        if name == own_name {
            return Err(Refusal::Close(CloseReason::DuplicateNode(name.clone())));
        }
        let Some(link) = links.get(name) else {
            return Ok(());
        };
        let Some(dialled_by) = link.dialler() else {
            return Ok(());
        };
        if *link.peer() != hello.node {
            return Err(Refusal::Close(CloseReason::DuplicateNode(name.clone())));
        }
        let counts = (dialler == Dialler::Us) == (own_name.as_str() < name.as_str());
        if dialler == dialled_by || counts {
            Ok(())
        } else {
            Err(Refusal::Linked(Arc::clone(link)))
        }
    }

    /// The link of the pair, made where this life of the peer is met for the first time; and whom
    /// to tell that the life before it is over.
    fn adopt(&self, links: &mut Links, hello: &Hello) -> (Arc<PeerLink>, Released) {
        let known = links.get(hello.node.name()).cloned();
        let replaced = match known {
            Some(link) if *link.peer() == hello.node => return (link, Released::default()),
            Some(before) => self.retire(links, &before, Down::Replaced),
            None => Released::default(),
        };
        let message_bytes = self.limits.message_bytes.min(hello.message_limit_bytes);
        let limits = Limits {
            message_bytes,
            ..self.limits
        };
        let link = PeerLink::new(&self.node, hello.node.clone(), LinkKind::Unix, limits);
        links.insert(hello.node.name().clone(), Arc::clone(&link));
        self.node.add_link(Arc::clone(&link) as Arc<dyn Link>);
        tracing::info!(peer = %link.peer(), "linked to a node");
        (link, replaced)
    }

    /// Forgets a link that is known, for good.
    fn retire(&self, links: &mut Links, link: &Arc<PeerLink>, down: Down) -> Released {
        links.remove(link.peer().name());
        self.node.remove_link(link.peer());
        tracing::info!(peer = %link.peer(), ?down, "a node is down");
        link.end(down)
    }

    /// Declares the peer down unless it comes back in time.
    fn await_return(self: &Arc<Self>, link: Arc<PeerLink>, generation: u32) {
        let peers = Arc::clone(self);
        self.node.spawn_task(async move {
            select! {
                () = time::sleep(DOWN_AFTER) => {}
                () = peers.node.closing().cancelled() => {}
            }
            if link.is_reconnecting_since(generation) {
                peers.give_up(&link);
            }
        });
    }

    fn hello(&self) -> Hello {
        Hello {
            node: self.node.id().clone(),
            nonce: rand::random(),
            boot_id: self.boot_id,
            uid: geteuid().as_raw(),
            pid: getpid().as_raw_nonzero().get().unsigned_abs(),
            message_limit_bytes: self.limits.message_bytes,
            addresses: self
                .addresses
                .all()
                .iter()
                .map(|address| address.to_string().into())
                .collect(),
        }
    }

    fn links(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_known(links: &Links, link: &Arc<PeerLink>) -> bool {
    let known = links.get(link.peer().name());
    known.is_some_and(|known| Arc::ptr_eq(known, link))
}

/// The random id of this boot of the host (random(4)); 0 where the host does not tell.
fn boot_id() -> u128 {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    u128::from_str_radix(&text.trim().replace('-', ""), 16).unwrap_or(0)
}
