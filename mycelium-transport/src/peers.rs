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
    driver::{self, Ending, Joined},
    handshake::{Established, HandshakeError, shake_hands},
    link::{Down, PeerLink},
    socket::Socket,
};

/// How long a peer whose link was lost may take to come back before it counts as down.
const DOWN_AFTER: Duration = Duration::from_secs(2);

/// The links of a node, and what it tells about itself when it makes one.
pub(crate) struct Peers {
    node: Node,
    limits: Limits,
    boot_id: u128,
    addresses: Mutex<Vec<PeerAddr>>,
    /// By the peer's name: two nodes of one name are never linked at once.
    links: Mutex<HashMap<NodeName, Arc<PeerLink>>>,
}

impl Peers {
    pub(crate) fn new(node: Node) -> Self {
        Self {
            node,
            limits: Limits::default(),
            boot_id: boot_id(),
            addresses: Mutex::default(),
            links: Mutex::default(),
        }
    }

    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    pub(crate) fn listens_at(&self, address: PeerAddr) {
        self.addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(address);
    }

    pub(crate) fn addresses(&self) -> Vec<PeerAddr> {
        self.addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Makes a connection to a peer out of a fresh socket.
    pub(crate) async fn introduce(&self, socket: Socket) -> Result<Established, HandshakeError> {
        let hello = self.hello();
        shake_hands(socket, &hello, self.limits, |peer| self.admit(peer)).await
    }

    /// Makes a connection part of the link of its pair, which is up from here on.
    ///
    /// # Errors
    ///
    /// Another life of the peer took the name while the hands were shaken.
    pub(crate) fn join(&self, established: Established) -> Result<Joined, CloseReason> {
        let link = self.adopt(&established.hello)?;
        let socket = Arc::new(established.socket);
        let generation = link.connect(established.send, Arc::clone(&socket));
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
            Ending::Closed(reason) if reason.is_orderly() => self.drop_link(&link, Down::Dead),
            _ => self.await_return(link, generation),
        }
    }

    /// The peer is not coming back.
    pub(crate) fn drop_link(&self, link: &Arc<PeerLink>, down: Down) {
        let mut links = self.links();
        if links
            .get(link.peer().name())
            .is_some_and(|known| Arc::ptr_eq(known, link))
        {
            links.remove(link.peer().name());
        }
        drop(links);
        self.node.remove_link(link.peer());
        link.end(down);
        tracing::info!(peer = %link.peer(), ?down, "a node is down");
    }

    /// Whether a connection to this peer may be made.
    fn admit(&self, hello: &Hello) -> Result<(), CloseReason> {
        let name = hello.node.name();
        if name == self.node.id().name() {
            return Err(CloseReason::DuplicateNode(name.clone()));
        }
        let links = self.links();
        match links.get(name) {
            Some(link) if *link.peer() != hello.node && link.is_up() => {
                Err(CloseReason::DuplicateNode(name.clone()))
            }
            _ => Ok(()),
        }
    }

    /// The link of the pair, made where this life of the peer is met for the first time.
    fn adopt(&self, hello: &Hello) -> Result<Arc<PeerLink>, CloseReason> {
        self.admit(hello)?;
        let mut links = self.links();
        let known = links.get(hello.node.name()).cloned();
        if let Some(link) = &known
            && *link.peer() == hello.node
        {
            return Ok(Arc::clone(link));
        }
        let message_bytes = self.limits.message_bytes.min(hello.message_limit_bytes);
        let limits = Limits {
            message_bytes,
            ..self.limits
        };
        let link = PeerLink::new(&self.node, hello.node.clone(), LinkKind::Unix, limits);
        links.insert(hello.node.name().clone(), Arc::clone(&link));
        drop(links);
        if let Some(before) = known {
            self.drop_link(&before, Down::Replaced);
        }
        self.node.add_link(Arc::clone(&link) as Arc<dyn Link>);
        tracing::info!(peer = %link.peer(), "linked to a node");
        Ok(link)
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
                peers.drop_link(&link, Down::Dead);
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
                .addresses()
                .iter()
                .map(|address| address.to_string().into())
                .collect(),
        }
    }

    fn links(&self) -> MutexGuard<'_, HashMap<NodeName, Arc<PeerLink>>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The random id of this boot of the host (random(4)); 0 where the host does not tell.
fn boot_id() -> u128 {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    u128::from_str_radix(&text.trim().replace('-', ""), 16).unwrap_or(0)
}
