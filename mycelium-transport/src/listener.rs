//! [`Listener`]: where a node listens, and the task that takes connections in.

use std::{
    collections::VecDeque,
    error::Error,
    io,
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{
    net::{TcpListener, UnixListener},
    select, time,
};
use tokio_util::sync::CancellationToken;

use crate::{
    driver::Joined, handshake::HandshakeError, memory::MemoryListener, peers::Peers,
    socket::Socket, tcp::TcpGuard, unix_dir::UnixDir,
};

/// The most handshakes under way at once.
const PENDING_HANDSHAKES: usize = 100;

/// How long to leave a listener alone that could not accept, for want of file descriptors perhaps.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Where a node listens; it does no longer when this is dropped.
pub(crate) enum Listener {
    Unix {
        listener: UnixListener,
        #[expect(dead_code, reason = "removes the socket when it is dropped")]
        place: UnixDir,
    },
    Tcp {
        listener: TcpListener,
        guard: Arc<TcpGuard>,
    },
    Memory(MemoryListener),
}

impl Listener {
    async fn accept(&mut self) -> io::Result<Socket> {
        match self {
            Self::Unix { listener, .. } => Ok(Socket::Unix(listener.accept().await?.0)),
            Self::Tcp { listener, guard } => guard.accepted(listener.accept().await?.0),
            Self::Memory(listener) => Ok(Socket::Pipe(listener.accept().await)),
        }
    }
}

/// Takes in connections until the node closes.
pub(crate) async fn listen(peers: Arc<Peers>, mut listener: Listener) {
    let node = peers.node().clone();
    let mut handshakes = Handshakes::default();
    loop {
        let accepted = select! {
            accepted = listener.accept() => accepted,
            () = node.closing().cancelled() => break,
        };
        match accepted {
            Ok(socket) => {
                let (peers, handshake) = (Arc::clone(&peers), handshakes.begin());
                node.spawn_task(async move {
                    let joined = select! {
                        joined = take_in(&peers, socket) => joined,
                        () = handshake.cancelled() => None,
                    };
                    drop(handshake);
                    if let Some(joined) = joined {
                        peers.drive(joined).await;
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "accepting a connection failed");
                time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The handshakes under way, in the order they began. Beyond the limit a new one takes the place
/// of the oldest: peers that say nothing keep nobody out.
#[derive(Default)]
struct Handshakes(VecDeque<Weak<CancellationToken>>);

impl Handshakes {
    /// The token fires when the handshake has to make room; it is dropped when the handshake ends.
    fn begin(&mut self) -> Arc<CancellationToken> {
        self.0.retain(|other| other.strong_count() > 0);
        if self.0.len() >= PENDING_HANDSHAKES
            && let Some(oldest) = self.0.pop_front().and_then(|oldest| oldest.upgrade())
        {
            oldest.cancel();
        }
        let begun = Arc::new(CancellationToken::new());
        self.0.push_back(Arc::downgrade(&begun));
        begun
    }
}

/// Shakes hands with whoever connected.
async fn take_in(peers: &Arc<Peers>, socket: Socket) -> Option<Joined> {
    let joined = select! {
        joined = peers.accept(socket) => joined,
        () = peers.node().closing().cancelled() => return None,
    };
    match joined {
        Ok(joined) => Some(joined),
        Err(HandshakeError::Closed(reason)) if reason.is_orderly() => {
            tracing::debug!("a connection was not needed");
            None
        }
        Err(error) => {
            let cause = error.source().map(ToString::to_string);
            tracing::warn!(%error, cause, "a connection was turned away");
            None
        }
    }
}
