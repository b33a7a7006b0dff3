//! [`Dialer`]: keeps the link to one configured peer, from our side.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    net::UnixStream,
    select,
    time::{self, Instant},
};

use crate::{
    PeerAddr,
    connection::Dialler,
    driver::Joined,
    handshake::{HANDSHAKE_TIMEOUT, HandshakeError},
    link::PeerLink,
    peers::Peers,
    socket::Socket,
};

/// The bound of the first pause between two tries; each failure doubles it.
const BACKOFF_MIN: Duration = Duration::from_millis(10);

/// The greatest bound of a pause between two tries.
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// A connection that held for this long was a success: the pauses start anew.
const STABLE_AFTER: Duration = Duration::from_millis(100);

/// Dials one address, again and again.
pub(crate) struct Dialer {
    peers: Arc<Peers>,
    address: PeerAddr,
    /// The bound of the next pause.
    backoff: Duration,
    /// The link to whoever was last met at the address.
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
    Handshake(#[from] HandshakeError),
}

impl Dialer {
    pub(crate) fn new(peers: Arc<Peers>, address: PeerAddr) -> Self {
        Self {
            peers,
            address,
            backoff: BACKOFF_MIN,
            link: None,
        }
    }

    /// Tries once, and keeps trying in a task of the node.
    ///
    /// When this returns the link is up, or the peer was not there and is dialled on.
    pub(crate) async fn start(mut self) {
        let first = self.dial().await;
        let node = self.peers.node().clone();
        node.spawn_task(self.keep(first));
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
            joined = self.dial().await;
        }
    }

    async fn drive(&mut self, joined: Joined) {
        let since = Instant::now();
        self.peers.drive(joined).await;
        if since.elapsed() >= STABLE_AFTER {
            self.backoff = BACKOFF_MIN;
        }
    }

    /// Waits until it is time to try: not while the peer's own dialling keeps the link up, nor
    /// at once after a failure.
    async fn rest(&mut self) {
        if let Some(link) = &self.link {
            link.wait_for_loss().await;
        }
        self.pause().await;
    }

    /// Tries once.
    async fn dial(&mut self) -> Option<Joined> {
        let error = match self.connect().await {
            Ok(joined) => {
                self.link = Some(Arc::clone(&joined.link));
                return Some(joined);
            }
            Err(error) => error,
        };
        tracing::debug!(address = %self.address, %error, "dialling failed");
        match error {
            DialError::Refused(_) => {
                // Nobody listens at the peer's address any more: it is not coming back.
                if let Some(link) = self.link.take() {
                    self.peers.give_up(&link);
                }
            }
            DialError::Handshake(HandshakeError::Linked(link)) => self.link = Some(link),
            DialError::Handshake(HandshakeError::Closed(reason)) => {
                tracing::warn!(address = %self.address, %reason, "a peer cannot be linked to");
            }
            DialError::Unreachable(_) | DialError::Handshake(_) => {}
        }
        None
    }

    async fn connect(&self) -> Result<Joined, DialError> {
        let PeerAddr::Unix(path) = &self.address;
        let stream = time::timeout(HANDSHAKE_TIMEOUT, UnixStream::connect(path)).await;
        let stream = stream.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let socket = Socket::of_own_user(stream.map_err(DialError::from_connect)?);
        let socket = socket.map_err(DialError::Unreachable)?;
        let established = self.peers.introduce(socket, Dialler::Us).await?;
        Ok(self.peers.join(established, Dialler::Us)?)
    }

    /// Waits with full jitter: anything up to a bound that doubles with each failure, so that
    /// many who lost the same peer do not come back at once.
    async fn pause(&mut self) {
        let pause = self.backoff.mul_f64(rand::random());
        self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
        time::sleep(pause).await;
    }
}

impl DialError {
    fn from_connect(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => Self::Refused(error),
            _ => Self::Unreachable(error),
        }
    }
}
