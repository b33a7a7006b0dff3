//! The task that takes in connections at a node's socket.

use std::{sync::Arc, time::Duration};

use tokio::{
    net::{UnixListener, UnixStream},
    select,
    sync::Semaphore,
    time,
};

use crate::{handshake::HandshakeError, peers::Peers, socket::Socket, unix_dir::UnixDir};

/// The most handshakes under way at once; further peers wait in the kernel's backlog.
const PENDING_HANDSHAKES: usize = 100;

/// How long to leave a listener alone that could not accept, for want of file descriptors perhaps.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Takes in connections until the node closes; then the socket is removed.
pub(crate) async fn listen(peers: Arc<Peers>, listener: UnixListener, place: UnixDir) {
    let pending = Arc::new(Semaphore::new(PENDING_HANDSHAKES));
    let node = peers.node().clone();
    loop {
        let permit = Arc::clone(&pending).acquire_owned().await;
        let permit = permit.expect("the semaphore is never closed");
        let accepted = select! {
            accepted = listener.accept() => accepted,
            () = node.closing().cancelled() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let peers = Arc::clone(&peers);
                node.spawn_task(async move {
                    let established = take_in(&peers, stream).await;
                    drop(permit);
                    if let Some(joined) = established {
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

/// Shakes hands with whoever connected.
async fn take_in(peers: &Arc<Peers>, stream: UnixStream) -> Option<crate::driver::Joined> {
    let joined = async {
        let established = peers.introduce(Socket::of_own_user(stream)?).await?;
        Ok::<_, HandshakeError>(peers.join(established)?)
    };
    match joined.await {
        Ok(joined) => Some(joined),
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(%error, cause, "a connection was turned away");
            None
        }
    }
}
