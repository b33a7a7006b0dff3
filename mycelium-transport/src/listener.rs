//! The task that takes in connections at a node's socket.

use std::{
    collections::VecDeque,
    error::Error,
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{
    net::{UnixListener, UnixStream},
    select, time,
};
use tokio_util::sync::CancellationToken;

use crate::{
    connection::Dialler, driver::Joined, handshake::HandshakeError, peers::Peers, socket::Socket,
    unix_dir::UnixDir,
};

/// The most handshakes under way at once.
const PENDING_HANDSHAKES: usize = 100;

/// How long to leave a listener alone that could not accept, for want of file descriptors perhaps.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Takes in connections until the node closes; then the socket is removed.
pub(crate) async fn listen(peers: Arc<Peers>, listener: UnixListener, place: UnixDir) {
    let node = peers.node().clone();
    let mut handshakes = Handshakes::default();
    loop {
        let accepted = select! {
            accepted = listener.accept() => accepted,
            () = node.closing().cancelled() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let (peers, handshake) = (Arc::clone(&peers), handshakes.begin());
                node.spawn_task(async move {
                    let joined = select! {
                        joined = take_in(&peers, stream) => joined,
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
    drop(place);
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
async fn take_in(peers: &Peers, stream: UnixStream) -> Option<Joined> {
    let joined = async {
        let socket = Socket::of_own_user(stream)?;
        let established = peers.introduce(socket, Dialler::Peer).await?;
        peers.join(established, Dialler::Peer)
    };
    match joined.await {
        Ok(joined) => return Some(joined),
        Err(error @ (HandshakeError::Linked(_) | HandshakeError::Closing)) => {
            tracing::debug!(%error, "a connection was turned away");
        }
        Err(error) => {
            let cause = error.source().map(ToString::to_string);
            tracing::warn!(%error, cause, "a connection was turned away");
        }
    }
    None
}
