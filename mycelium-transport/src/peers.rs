//! [`Peers`]: which nodes this one is linked to; one link per pair of nodes.

mod bypass;

use std::{
    fs, future, mem,
    net::IpAddr,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mycelium_core::{Link, LinkEvent, LinkKind, Node, PeerClock};
use mycelium_wire::{CloseReason, Hello, Limits, NodeId, NodeName};
use rustix::process::{geteuid, getpid};
use tokio::{select, time};

use crate::{
    PeerAddr, Transport,
    dialer::Dialer,
    driver::{self, Ending, Joined, Lifeline, Role},
    handshake::{Established, Greeted, HandshakeError, Side},
    link::PeerLink,
    liveness::{Finding, LivenessConfig},
    outbound::{Down, Released},
    pairs::{Pairs, ProposeError, Verdict},
    peer_process::PeerProcess,
    socket::Socket,
};

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
    liveness: LivenessConfig,
    boot_id: u128,
    transport: Transport,
    /// Whether this node listens at a Unix socket.
    has_unix: bool,
    addresses: Arc<Addresses>,
    /// Taken before the lock of a link, and before the node's own table of links.
    pairs: Mutex<Pairs>,
}

impl Peers {
    pub(crate) fn new(
        node: Node,
        transport: Transport,
        has_unix: bool,
        liveness: LivenessConfig,
    ) -> Self {
        let pairs = Mutex::new(Pairs::new(node.id().name().clone()));
        let addresses = node.extensions().get_or_insert_with(Addresses::default);
        Self {
            node,
            transport,
            has_unix,
            liveness,
            limits: Limits::default(),
            boot_id: boot_id(),
            addresses,
            pairs,
        }
    }

    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    pub(crate) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Exchanges hellos over a fresh socket, and makes sure that the peer is of our own user.
    pub(crate) async fn greet(&self, socket: Socket) -> Result<Greeted, HandshakeError> {
        self.greet_beside(socket, 0).await
    }

    /// Proposes a connection that we dialled, and makes it the one of its pair.
    pub(crate) async fn propose(&self, mut greeted: Greeted) -> Result<Joined, ProposeError> {
        let proposal = match Proposal::make(self, &greeted.hello) {
            Ok(proposal) => proposal,
            Err(ProposeError::Handshake(HandshakeError::Closed(reason))) => {
                greeted.refuse(&reason);
                return Err(HandshakeError::from(reason).into());
            }
            Err(error) => {
                greeted.refuse(&CloseReason::Requested);
                return Err(error);
            }
        };
        let ours = self.pairs().epoch_of(&greeted.hello.node);
        let epoch = greeted.propose(ours).await?;
        let hello = greeted.hello.clone();
        let pairs = self.pairs();
        if pairs.epoch_of(&hello.node) > epoch {
            // It was declared down meanwhile: the next handshake tells it so.
            return Err(ProposeError::Busy);
        }
        let joined = self.join(pairs, &hello, greeted.accepted(epoch), None);
        drop(proposal);
        Ok(joined)
    }

    /// Takes a connection in that a peer dialled, and makes it the one of its pair.
    pub(crate) async fn accept(&self, socket: Socket) -> Result<Joined, HandshakeError> {
        let way_back = socket.remote_ip();
        let mut greeted = self.greet(socket).await?;
        let theirs = greeted.proposed().await?;
        if greeted.hello.joins != 0 {
            return self.accept_bypass(greeted);
        }
        loop {
            let ours_is_answered = {
                let pairs = self.pairs();
                match pairs.judge(&greeted.hello) {
                    Verdict::Take => {
                        let hello = greeted.hello.clone();
                        let epoch = pairs.epoch_of(&hello.node).max(theirs);
                        let established = greeted.accept(epoch);
                        return Ok(self.join(pairs, &hello, established, way_back));
                    }
                    Verdict::Refuse(reason) => {
                        greeted.refuse(&reason);
                        return Err(reason.into());
                    }
                    Verdict::Wait(ours_is_answered) => ours_is_answered,
                }
            };
            ours_is_answered.cancelled().await;
        }
    }

    /// The peer's Unix socket, where the pair may have a link over Unix.
    pub(crate) fn unix_socket_of(&self, hello: &Hello) -> Option<PathBuf> {
        let is_ours = hello.uid == geteuid().as_raw();
        if !self.has_unix
            || self.transport != Transport::Auto
            || !self.is_of_this_host(hello)
            || !is_ours
        {
            return None;
        }
        hello
            .addresses
            .iter()
            .find_map(|address| match address.parse() {
                Ok(PeerAddr::Unix(socket)) => Some(socket),
                _ => None,
            })
    }

    /// Whether a peer says that it runs on this host.
    fn is_of_this_host(&self, hello: &Hello) -> bool {
        hello.boot_id == self.boot_id && self.boot_id != 0
    }

    /// The link to this life of a peer.
    pub(crate) fn link_to(&self, peer: &NodeId) -> Option<Arc<PeerLink>> {
        let pairs = self.pairs();
        let link = pairs.get(peer.name()).filter(|link| link.peer() == peer);
        link.cloned()
    }

    /// Drives a connection until it ends; the link outlives it for as long as the peer may return.
    pub(crate) async fn drive(self: &Arc<Self>, mut joined: Joined) {
        let (link, generation) = (Arc::clone(&joined.link), joined.generation);
        let lifeline = match mem::replace(&mut joined.role, Role::Bypass) {
            Role::Own(lifeline) => lifeline,
            Role::Bypass => return driver::drive_bypass(&self.node, joined).await,
        };
        if link
            .origin()
            .is_some_and(|origin| origin.side == Side::Dialling)
        {
            let widen = Arc::clone(self).widen(Arc::clone(&link), generation);
            self.node.spawn_task(widen);
        }
        match driver::drive(&self.node, joined).await {
            Ending::Closed(reason) if reason.is_final() => self.give_up(&link),
            _ => self.await_return(link, generation, lifeline),
        }
    }

    /// The peer is not coming back, unless it is back already.
    pub(crate) fn give_up(&self, link: &Arc<PeerLink>) {
        let mut pairs = self.pairs();
        if !link.is_up() && pairs.remove(link) {
            let released = self.retire(link, Down::Dead);
            drop(pairs);
            released.wake();
        }
    }

    /// So much time has passed for the links: peers are shown that this node lives, and those that
    /// were silent for too long are declared down.
    pub(crate) fn look(&self, elapsed: Duration) {
        let links = self.pairs().links();
        for link in &links {
            let peer = link.peer();
            match link.look(elapsed, &self.liveness) {
                (_, Finding::Nothing) => {}
                (_, Finding::Suspected) => {
                    tracing::warn!(%peer, "a node is silent");
                    let peer = peer.clone();
                    self.node.report_link(LinkEvent::Suspected { peer });
                }
                (_, Finding::Revived) => {
                    tracing::info!(%peer, "a node is heard again");
                    let peer = peer.clone();
                    self.node.report_link(LinkEvent::Heard { peer });
                }
                (generation, Finding::Down(silence)) => {
                    self.declare_down(link, generation, silence);
                }
            }
        }
    }

    /// The peer was silent for too long on this connection.
    fn declare_down(&self, link: &Arc<PeerLink>, generation: u32, silence: Duration) {
        let mut pairs = self.pairs();
        // Perhaps it has a connection since that is heard.
        let is_current = link.with_connection(generation, |_| ()).is_some();
        if !is_current || !pairs.remove(link) {
            return;
        }
        let silent_ms = u64::try_from(silence.as_millis()).unwrap_or(u64::MAX);
        link.bid_farewell(generation, &CloseReason::Silent { silent_ms });
        let released = self.retire(link, Down::Dead);
        drop(pairs);
        released.wake();
    }

    /// Ends a link that was taken out of its pair.
    fn retire(&self, link: &Arc<PeerLink>, down: Down) -> Released {
        tracing::info!(peer = %link.peer(), ?down, "a node is down");
        self.node.remove_link(link.peer());
        let released = link.end(down);
        self.node.book(link.stats());
        let peer = link.peer().clone();
        self.node.report_link(LinkEvent::Down { peer });
        released
    }

    /// Makes a connection part of the link of its pair, which is up from here on.
    fn join(
        &self,
        mut pairs: MutexGuard<'_, Pairs>,
        hello: &Hello,
        established: Established,
        dialled_from: Option<IpAddr>,
    ) -> Joined {
        let Established {
            socket,
            send,
            receive,
            epoch,
            origin,
        } = established;
        let lifeline = Lifeline {
            process: PeerProcess::behind(&socket, hello.pid),
            way_back: dialled_from.and_then(|ip| way_back(hello, ip)),
        };
        let is_same = |link: &&Arc<PeerLink>| *link.peer() == hello.node && link.epoch() == epoch;
        let known = pairs.get(hello.node.name()).filter(is_same).cloned();
        let is_new = known.is_none();
        let link = known.unwrap_or_else(|| self.new_link(hello, epoch, socket.kind()));
        let socket = Arc::new(socket);
        let (generation, released) = link.connect(origin, send, Arc::clone(&socket));
        let before = is_new.then(|| pairs.insert(Arc::clone(&link))).flatten();
        let replaced = before.as_ref().map(|before| {
            // The same life in a later epoch had declared us down: what it still says on the old
            // connection is of an epoch that is over.
            let is_same_life = *before.peer() == hello.node;
            let down = if is_same_life {
                Down::Dead
            } else {
                Down::Replaced
            };
            self.retire(before, down)
        });
        if is_new {
            self.node.add_link(Arc::clone(&link) as Arc<dyn Link>);
            tracing::info!(peer = %link.peer(), kind = ?link.kind(), "linked to a node");
        }
        // What falls here takes other locks.
        drop(pairs);
        drop(before);
        replaced.unwrap_or_default().wake();
        released.wake();
        Joined {
            link,
            socket,
            receive,
            generation,
            role: Role::Own(lifeline),
        }
    }

    fn new_link(&self, hello: &Hello, epoch: u32, kind: LinkKind) -> Arc<PeerLink> {
        let message_bytes = self.limits.message_bytes.min(hello.message_limit_bytes);
        let limits = Limits {
            message_bytes,
            ..self.limits
        };
        let clock = if self.is_of_this_host(hello) {
            PeerClock::Ours
        } else {
            PeerClock::Another
        };
        PeerLink::new(&self.node, hello.node.clone(), epoch, kind, clock, limits)
    }

    /// Declares the peer down unless it comes back in time; at once where it is known to be gone.
    fn await_return(self: &Arc<Self>, link: Arc<PeerLink>, generation: u32, lifeline: Lifeline) {
        let peers = Arc::clone(self);
        self.node.spawn_task(async move {
            let Lifeline { process, way_back } = lifeline;
            select! {
                () = time::sleep(peers.liveness.patience()) => {}
                () = exit_of(process) => {}
                () = peers.look_for(&link, generation, way_back) => {}
                () = peers.node.closing().cancelled() => {}
            }
            if link.is_reconnecting_since(generation) {
                peers.give_up(&link);
            }
        });
    }

    /// Dials a peer that dialled us, to find whether it still listens: ends when it does not, or
    /// when the link is up again.
    async fn look_for(
        self: &Arc<Self>,
        link: &Arc<PeerLink>,
        generation: u32,
        way_back: Option<PeerAddr>,
    ) {
        let Some(address) = way_back else {
            return future::pending().await;
        };
        let is_lost = || link.is_reconnecting_since(generation);
        Dialer::new(Arc::clone(self), address)
            .wanting(link.peer().name().clone())
            .look_for(is_lost)
            .await;
    }

    /// When a peer that is not heard is suspected, and when it counts as down.
    pub(crate) fn liveness(&self) -> &LivenessConfig {
        &self.liveness
    }

    fn hello(&self) -> Hello {
        Hello {
            node: self.node.id().clone(),
            nonce: rand::random(),
            boot_id: self.boot_id,
            uid: geteuid().as_raw(),
            pid: getpid().as_raw_nonzero().get().unsigned_abs(),
            message_limit_bytes: self.limits.message_bytes,
            joins: 0,
            addresses: self
                .addresses
                .all()
                .iter()
                .map(|address| address.to_string().into())
                .collect(),
        }
    }

    fn pairs(&self) -> MutexGuard<'_, Pairs> {
        self.pairs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a peer listens that dialled us from this address: only there can it be looked for.
fn way_back(hello: &Hello, ip: IpAddr) -> Option<PeerAddr> {
    let is_there = |address: &PeerAddr| matches!(address, PeerAddr::Tcp { host, .. } if host.parse() == Ok(ip));
    let mut addresses = hello.addresses.iter().filter_map(|text| text.parse().ok());
    addresses.find(is_there)
}

/// Waits until a process has exited; for ever where it is not known.
async fn exit_of(process: Option<PeerProcess>) {
    match process {
        Some(process) => process.exited().await,
        None => future::pending().await,
    }
}

/// A proposal of ours that is under way; given up when dropped.
struct Proposal<'a> {
    peers: &'a Peers,
    to: NodeName,
}

impl<'a> Proposal<'a> {
    fn make(peers: &'a Peers, hello: &Hello) -> Result<Self, ProposeError> {
        peers.pairs().propose(hello)?;
        let to = hello.node.name().clone();
        Ok(Self { peers, to })
    }
}

impl Drop for Proposal<'_> {
    fn drop(&mut self) {
        self.peers.pairs().settle(&self.to);
    }
}

/// The random id of this boot of the host (random(4)); 0 where the host does not tell.
fn boot_id() -> u128 {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    u128::from_str_radix(&text.trim().replace('-', ""), 16).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, Weak},
        time::Duration,
    };

    use mycelium_core::Node;
    use socket2::SockRef;

    use super::Peers;
    use crate::{BuildTransport, TransportNode, socket::Socket};

    /// The socket of a node's only link.
    fn socket_of(node: &Node) -> Arc<Socket> {
        let peers = node.extensions().get::<Weak<Peers>>();
        let peers = peers.expect("it has a transport").upgrade();
        let peers = peers.expect("the node runs");
        let link = node.links().pop().expect("it is linked");
        let link = peers.link_to(link.peer()).expect("it is ours");
        let socket = link.with_connection(1, |up| up.socket());
        socket.expect("the first connection is up")
    }

    // Without it every small message waits 40 ms for the acknowledgement of the one before.
    #[tokio::test]
    async fn nagles_delay_is_off_on_dialled_and_accepted_sockets() {
        let accepting = Node::builder("accepting").tcp("127.0.0.1:0").start().await;
        let accepting = accepting.expect("loopback has a free port");
        let address = accepting.addresses().remove(0);
        let dialling = Node::builder("dialling").peer(address).start().await;
        let dialling = dialling.expect("it needs nothing");
        while accepting.links().is_empty() {
            tokio::task::yield_now().await;
        }
        for node in [&dialling, &accepting] {
            let socket = socket_of(node);
            let Socket::Tcp(stream) = &*socket else {
                panic!("{socket:?}")
            };
            assert!(stream.nodelay().expect("the socket is open"), "{node:?}");
            let socket = SockRef::from(stream);
            assert!(!socket.keepalive().expect("the socket is open"));
            let unsent_bytes = socket.tcp_notsent_lowat();
            assert_eq!(unsent_bytes.expect("the socket is open"), 64 << 10);
        }
    }

    // The kernel gave a connection up whose peer was heard and took no more bytes for some seconds:
    // what was in flight was lost, and a handler that had blocked its thread for 5 s cost a link.
    #[tokio::test]
    async fn the_kernel_gives_no_connection_up_before_its_node_does() {
        let accepting = Node::builder("accepting").tcp("127.0.0.1:0").start().await;
        let accepting = accepting.expect("loopback has a free port");
        let address = accepting.addresses().remove(0);
        let dialling = Node::builder("dialling").peer(address).start().await;
        let dialling = dialling.expect("it needs nothing");
        let socket = socket_of(&dialling);
        let Socket::Tcp(stream) = &*socket else {
            panic!("{socket:?}")
        };
        let timeout = || SockRef::from(stream).tcp_user_timeout();
        assert_eq!(timeout().expect("the socket is open"), None);
        let ended = dialling.shutdown(Duration::from_mins(1)).await;
        ended.expect("it has no actors");
        assert!(timeout().expect("it is ours").is_some());
    }
}
