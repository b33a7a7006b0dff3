//! [`Socket`]: the bytes of one connection, read and written without blocking.

use std::{io, net::Shutdown};

use bytes::BytesMut;
use rustix::process::geteuid;
use socket2::SockRef;
use tokio::net::UnixStream;

/// A connected socket that any thread may write to while a task reads.
#[derive(Debug)]
pub(crate) struct Socket(UnixStream);

/// The peer's process runs as another user.
#[derive(Debug, thiserror::Error)]
#[error("the process at the other end runs as user {found}, this one as {wanted}")]
pub(crate) struct ForeignUser {
    wanted: u32,
    found: u32,
}

impl Socket {
    /// Takes a stream whose other end is a process of our own user.
    pub(crate) fn of_own_user(stream: UnixStream) -> io::Result<Self> {
        let found = stream.peer_cred()?.uid();
        let wanted = geteuid().as_raw();
        if found != wanted {
            let error = ForeignUser { wanted, found };
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, error));
        }
        Ok(Self(stream))
    }

    /// Reads what is there into the buffer's spare capacity, and waits where nothing is; 0 is the
    /// end of the stream.
    pub(crate) async fn read(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        loop {
            self.0.readable().await?;
            match self.0.try_read_buf(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
        }
    }

    /// Tells the peer that nothing more comes.
    pub(crate) fn end_writing(&self) {
        // A socket that is no longer connected has told it already.
        let _ = SockRef::from(&self.0).shutdown(Shutdown::Write);
    }

    /// Writes what the kernel takes now, perhaps nothing.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.try_write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            written => written,
        }
    }

    /// Writes everything, and waits for the peer to read where the kernel takes no more.
    pub(crate) async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = self.try_write(bytes)?;
            bytes = &bytes[written..];
            if written == 0 {
                self.0.writable().await?;
            }
        }
        Ok(())
    }
}
