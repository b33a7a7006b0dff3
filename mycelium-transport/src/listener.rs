//! [`Listener`]: where a node listens, and the task that takes connections in.

use std::{error::Error, io, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, UnixListener},
    select,
    sync::Semaphore,
    time,
};

use crate::{
    driver::Joined, handshake::HandshakeError, memory::MemoryListener, peers::Peers,
    socket::Socket, unix_dir::UnixDir,
};

/// The most handshakes under way at once; further peers wait in the kernel's backlog.
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
    Tcp(TcpListener),
    Memory(MemoryListener),
}

impl Listener {
    async fn accept(&mut self) -> io::Result<Socket> {
        match self {
            Self::Unix { listener, .. } => Ok(Socket::Unix(listener.accept().await?.0)),
            Self::Tcp(listener) => Ok(Socket::Tcp(listener.accept().await?.0)),
            Self::Memory(listener) => Ok(Socket::Pipe(listener.accept().await)),
        }
    }
}

/// Takes in connections until the node closes.
pub(crate) async fn listen(peers: Arc<Peers>, mut listener: Listener) {
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
            Ok(socket) => {
                let peers = Arc::clone(&peers);
                node.spawn_task(async move {
                    let established = take_in(&peers, socket).await;
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
