//! Whether the process at the other end of a connection is of our own user.
//!
//! Only then may it be a peer: where there are no certificates, the user is all that the two can
//! know of each other.

use std::{io, net::SocketAddr};

use rustix::process::geteuid;
use tokio::{net::TcpStream, net::UnixStream, task};

use crate::socket_table;

/// How often the table of sockets is read for a row that is not found: one that is near a change
/// of the table can be missed.
const READS: usize = 3;

/// Why a connection is not to be trusted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Untrusted {
    #[error("the process at the other end runs as user {found}, this one as {wanted}")]
    ForeignUser { wanted: u32, found: u32 },
    #[error("the kernel's table of sockets has no process for the other end, {peer}")]
    Nobody { peer: SocketAddr },
    #[error("cannot find out who is at the other end")]
    Unknown(#[from] io::Error),
}

/// Asks the kernel who connected the other end of a Unix socket.
pub(crate) fn check_unix(stream: &UnixStream) -> Result<(), Untrusted> {
    check_uid(stream.peer_cred()?.uid())
}

/// Looks for the other end of a loopback TCP connection in the kernel's table of sockets.
///
/// To be called when the peer has sent something: a socket that was not accepted yet is nobody's.
pub(crate) async fn check_tcp(stream: &TcpStream) -> Result<(), Untrusted> {
    let (ours, peers) = (stream.local_addr()?, stream.peer_addr()?);
    let search = task::spawn_blocking(move || find_owner(peers, ours));
    match search.await.map_err(io::Error::other)?? {
        Some(uid) => check_uid(uid),
        None => Err(Untrusted::Nobody { peer: peers }),
    }
}

fn find_owner(local: SocketAddr, remote: SocketAddr) -> io::Result<Option<u32>> {
    for _ in 1..READS {
        if let Some(uid) = socket_table::owner(local, remote)? {
            return Ok(Some(uid));
        }
    }
    socket_table::owner(local, remote)
}

fn check_uid(found: u32) -> Result<(), Untrusted> {
    let wanted = geteuid().as_raw();
    if found == wanted {
        Ok(())
    } else {
        Err(Untrusted::ForeignUser { wanted, found })
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};

    use super::{Untrusted, check_tcp};

    #[tokio::test]
    async fn both_ends_of_a_connection_of_ours_are_ours() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).await.expect("a free port");
            let place = listener.local_addr().expect("it is bound");
            let (dialled, accepted) = tokio::join!(TcpStream::connect(place), listener.accept());
            let (dialled, (accepted, _)) =
                (dialled.expect("it listens"), accepted.expect("it is there"));
            check_tcp(&dialled).await.expect("ours");
            check_tcp(&accepted).await.expect("ours");
        }
    }

    #[tokio::test]
    async fn an_end_that_was_not_accepted_is_nobodys() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let place = listener.local_addr().expect("it is bound");
        let dialled = TcpStream::connect(place).await.expect("it listens");
        let refused = check_tcp(&dialled).await;
        assert!(
            matches!(refused, Err(Untrusted::Nobody { .. })),
            "{refused:?}"
        );
    }
}
