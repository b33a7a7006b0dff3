//! [`PeerProcess`]: the process at the other end of a Unix socket, held so that its end is noticed.
//!
//! A pidfd stands for one process and never for a later one with its number. The kernel gives the
//! pidfd of whoever connected or listened (`SO_PEERPIDFD`, Linux 6.5).

use nix::sys::socket::{getsockopt, sockopt::PeerPidfd};
use tokio::net::unix::pipe::Receiver;

use crate::socket::Socket;

/// A process whose end can be waited for.
///
/// The pidfd lies in tokio's type for pipes, which is told that it is none: all that is asked of it is
/// when it becomes readable, and a pidfd does when its process exits.
#[derive(Debug)]
pub(crate) struct PeerProcess(Receiver);

impl PeerProcess {
    /// The process that holds the other end, where the kernel tells and it is the one that the
    /// peer says it is: a socket may have been handed on.
    pub(crate) fn behind(socket: &Socket, claimed_pid: u32) -> Option<Self> {
        let Socket::Unix(stream) = socket else {
            return None;
        };
        let pid = stream.peer_cred().ok()?.pid()?;
        if u32::try_from(pid) != Ok(claimed_pid) {
            return None;
        }
        let pidfd = getsockopt(stream, PeerPidfd).ok()?;
        let pidfd = Receiver::from_owned_fd_unchecked(pidfd).ok()?;
        Some(Self(pidfd))
    }

    /// Waits until the process has exited.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub(crate) async fn exited(&self) {
        // An error means that the runtime ends: nobody waits any more.
        let _ = self.0.readable().await;
    }
}
