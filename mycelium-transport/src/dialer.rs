//! [`Dialer`]: keeps the link to one configured peer, from our side.

use std::{error::Error, io, path::Path, sync::Arc, time::Duration};

use mycelium_wire::{CloseReason, Hello, NodeId, NodeName};
use tokio::{
    net::UnixStream,
    select,
    time::{self, Instant},
};

use crate::{
    PeerAddr, TransportError,
    driver::Joined,
    handshake::{Greeted, HANDSHAKE_TIMEOUT, HandshakeError},
    link::PeerLink,
    memory,
    pairs::ProposeError,
    peers::Peers,
    socket::Socket,
    tcp::{self, TcpGuard},
};

/// The bound of the first pause between two tries; each failure doubles it.
const BACKOFF_MIN: Duration = Duration::from_millis(10);

/// The greatest bound of a pause between two tries.
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// A connection that held for this long was a success: the pauses start anew.
const STABLE_AFTER: Duration = Duration::from_millis(100);

/// How long a peer's Unix socket may take to answer before its TCP connection is used.
const UNIX_ANSWER: Duration = Duration::from_secs(2);

/// Dials one address, again and again.
pub(crate) struct Dialer {
    peers: Arc<Peers>,
    address: PeerAddr,
    /// Who has to be there; anybody, where this is not known.
    wanted: Option<NodeName>,
    backoff: Duration,
    /// The link that the last connection belonged to, or that makes another one needless.
    link: Option<Arc<PeerLink>>,
}

/// Why a try gave no connection.
#[derive(Debug, thiserror::Error)]
enum DialError {
    #[error("nobody listens there")]
    Refused(#[source] io::Error),
    #[error("it cannot be reached")]
    Unreachable(#[source] io::Error),
    #[error(transparent)]
    Address(TransportError),
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    #[error(transparent)]
    Propose(#[from] ProposeError),
}

impl Dialer {
    pub(crate) fn new(peers: Arc<Peers>, address: PeerAddr) -> Self {
        Self {
            peers,
            address,
            wanted: None,
            backoff: BACKOFF_MIN,
            link: None,
        }
    }

    /// Takes no other node than this for the peer.
    pub(crate) fn wanting(self, name: NodeName) -> Self {
        Self {
            wanted: Some(name),
            ..self
        }
    }

    /// Tries once, and keeps trying in a task of the node.
    ///
    /// When this returns the link is up, or the peer was not there and is dialled on.
    ///
    /// # Errors
    ///
    /// [`TransportError::NotLoopback`]: it will not be better the next time.
    pub(crate) async fn start(mut self) -> Result<(), TransportError> {
        let first = match self.connect().await {
            Err(DialError::Address(error @ TransportError::NotLoopback { .. })) => {
                return Err(error);
            }
            first => self.note(first),
        };
        let node = self.peers.node().clone();
        node.spawn_task(self.keep(first));
        Ok(())
    }

    /// Looks for a peer whose link is lost: dials until nobody listens there any more, or the link
    /// is up again, for which a connection of its own will do.
    pub(crate) async fn look_for(mut self, is_lost: impl Fn() -> bool) {
        while is_lost() {
            match self.connect().await {
                Err(DialError::Refused(_)) => return,
                Err(_) => self.pause().await,
                Ok(joined) => {
                    let peers = Arc::clone(&self.peers);
                    let driven = async move { peers.drive(joined).await };
                    self.peers.node().spawn_task(driven);
                    return;
                }
            }
        }
    }

    /// Drives one connection after the other until the node closes.
    async fn keep(mut self, first: Option<Joined>) {
        let mut joined = first;
        let closing = self.peers.node().closing().clone();
        loop {
            if let Some(joined) = joined.take() {
                self.drive(joined).await;
            }
            select! {
                () = self.rest() => {}
                () = closing.cancelled() => return,
            }
            select! {
                dialled = self.dial() => joined = dialled,
                () = closing.cancelled() => return,
            }
        }
    }

    async fn drive(&mut self, joined: Joined) {
        let since = Instant::now();
        self.peers.drive(joined).await;
        if since.elapsed() >= STABLE_AFTER {
            self.backoff = BACKOFF_MIN;
        }
    }

    /// Waits until it is time to try: not while another connection keeps the link up, nor at once
    /// after a failure.
    async fn rest(&mut self) {
        if let Some(link) = &self.link {
            link.wait_for_loss().await;
        }
        self.pause().await;
    }

    /// Tries once, unless the peer is linked already.
    async fn dial(&mut self) -> Option<Joined> {
        if self.link.as_ref().is_some_and(|link| link.is_up()) {
            return None;
        }
        let dialled = self.connect().await;
        self.note(dialled)
    }

    /// Takes note of how a try went.
    fn note(&mut self, dialled: Result<Joined, DialError>) -> Option<Joined> {
        let error = match dialled {
            Ok(joined) => {
                self.link = Some(Arc::clone(&joined.link));
                return Some(joined);
            }
            Err(error) => error,
        };
        let cause = error.source().map(ToString::to_string);
        tracing::debug!(address = %self.address, %error, cause, "dialling failed");
        match error {
            DialError::Propose(ProposeError::Linked(peer)) => {
                self.link = self.peers.link_to(&peer);
            }
            // Nobody listens at the peer's address any more: it is not coming back.
            DialError::Refused(_) => {
                if let Some(link) = self.link.take() {
                    self.peers.give_up(&link);
                }
            }
            DialError::Handshake(HandshakeError::Closed(reason))
            | DialError::Propose(ProposeError::Handshake(HandshakeError::Closed(reason)))
                if !reason.is_orderly() =>
            {
                tracing::warn!(address = %self.address, %reason, "a peer cannot be linked to");
            }
            DialError::Handshake(HandshakeError::Tls(reason)) => {
                tracing::warn!(address = %self.address, %reason, "a peer cannot be linked to");
            }
            _ => {}
        }
        None
    }

    /// Makes a connection: over TCP only where Unix cannot be.
    async fn connect(&self) -> Result<Joined, DialError> {
        let guard = self.peers.node().extensions();
        let guard = guard.get_or_insert_with(TcpGuard::default);
        let dialled = time::timeout(HANDSHAKE_TIMEOUT, connect(&self.address, &guard)).await;
        let timed_out = |_| DialError::Unreachable(io::ErrorKind::TimedOut.into());
        let greeted = self.peers.greet(dialled.map_err(timed_out)??).await?;
        let found = greeted.hello.node.name();
        if let Some(wanted) = self.wanted.as_ref().filter(|wanted| *wanted != found) {
            return Err(refuse_stranger(greeted, wanted));
        }
        if greeted.is_tcp()
            && let Some(joined) = self.over_unix(&greeted.hello).await
        {
            greeted.refuse(&CloseReason::Requested);
            return Ok(joined);
        }
        Ok(self.peers.propose(greeted).await?)
    }

    /// Makes a connection to a peer's Unix socket, where both have one and it is the peer that
    /// answers.
    async fn over_unix(&self, peer: &Hello) -> Option<Joined> {
        let socket = self.peers.unix_socket_of(peer)?;
        let dialled = time::timeout(UNIX_ANSWER, self.dial_unix(&socket, &peer.node)).await;
        let timed_out = |_| DialError::Unreachable(io::ErrorKind::TimedOut.into());
        match dialled.map_err(timed_out).flatten() {
            Ok(joined) => Some(joined),
            Err(error) => {
                let (socket, cause) = (socket.display(), error.source().map(ToString::to_string));
                tracing::debug!(%socket, %error, cause, "a peer's Unix socket does not answer");
                None
            }
        }
    }

    async fn dial_unix(&self, socket: &Path, wanted: &NodeId) -> Result<Joined, DialError> {
        let stream = UnixStream::connect(socket).await;
        let stream = stream.map_err(DialError::from_connect)?;
        let found = self.peers.greet(Socket::Unix(stream)).await?;
        if found.hello.node != *wanted {
            return Err(refuse_stranger(found, wanted));
        }
        Ok(self.peers.propose(found).await?)
    }

    /// Waits with full jitter: anything up to a bound that doubles with each failure, so that
    /// many who lost the same peer do not come back at once.
    async fn pause(&mut self) {
        let pause = self.backoff.mul_f64(rand::random());
        self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
        time::sleep(pause).await;
    }
}

/// Tells a node that another was dialled.
fn refuse_stranger(found: Greeted, wanted: &impl ToString) -> DialError {
    let wrong = CloseReason::WrongNode {
        wanted: wanted.to_string().into(),
        found: found.hello.node.to_string().into(),
    };
    found.refuse(&wrong);
    HandshakeError::from(wrong).into()
}

/// Connects to whoever listens at this address.
async fn connect(address: &PeerAddr, guard: &TcpGuard) -> Result<Socket, DialError> {
    let connected = match address {
        PeerAddr::Unix(path) => UnixStream::connect(path).await.map(Socket::Unix),
        PeerAddr::Tcp { host, port } => {
            let places = tcp::resolve(&address.to_string(), host, *port, guard).await;
            let places = places.map_err(DialError::Address)?;
            let connected = tcp::connect(&places).await;
            connected.and_then(|stream| guard.dialled(stream))
        }
        PeerAddr::Memory(name) => memory::connect(name).map(Socket::Pipe),
    };
    connected.map_err(DialError::from_connect)
}

impl DialError {
    fn from_connect(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => Self::Refused(error),
            _ => Self::Unreachable(error),
        }
    }
}
