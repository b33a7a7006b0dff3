//! [`Socket`]: the bytes of one connection, read and written without blocking.

use std::{
    io,
    net::{IpAddr, Shutdown},
    os::fd::AsFd,
};

use bytes::BytesMut;
use mycelium_core::LinkKind;
use mycelium_wire::{Check, CloseReason, NodeName};
use rustix::{
    io::ioctl_fionread,
    net::{self, SendFlags},
};
use socket2::SockRef;
use tokio::net::{TcpStream, UnixStream};

use crate::{
    memory,
    pipe::Pipe,
    same_user::{self, Untrusted},
    tcp::{self, TcpGuard},
    tls::Tls,
};

/// What the kernel keeps on a Unix socket until the peer reads it, half of its own bookkeeping:
/// nothing overtakes that any more.
const UNREAD_BYTES: usize = 64 << 10;

/// A connected socket that any thread may write to while a task reads.
#[derive(Debug)]
pub(crate) enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
    Tls(Box<Tls>),
    /// Both ends are in this process.
    Pipe(Pipe),
}

impl Socket {
    /// Sets a fresh socket up, dialled or accepted. The other end of a Unix socket is known to be a
    /// process of our own user from here on.
    pub(crate) fn prepare(&self) -> Result<(), Untrusted> {
        match self {
            Self::Unix(stream) => {
                SockRef::from(stream).set_send_buffer_size(UNREAD_BYTES)?;
                same_user::check_unix(stream)
            }
            Self::Tcp(stream) => Ok(tcp::prepare(stream)?),
            Self::Tls(tls) => Ok(tcp::prepare(tls.stream())?),
            Self::Pipe(_) => Ok(()),
        }
    }

    /// Another connection to where this one was dialled.
    pub(crate) async fn dial_again(&self, guard: &TcpGuard, peer: &NodeName) -> io::Result<Self> {
        match self {
            Self::Unix(stream) => {
                let address = stream.peer_addr()?;
                let path = address.as_pathname().ok_or(io::ErrorKind::NotFound)?;
                Ok(Self::Unix(UnixStream::connect(path).await?))
            }
            Self::Tcp(stream) => guard.dialled(tcp::connect(&[stream.peer_addr()?]).await?),
            Self::Tls(tls) => guard.dialled(tcp::connect(&[tls.stream().peer_addr()?]).await?),
            Self::Pipe(_) => memory::connect(peer.as_str()).map(Self::Pipe),
        }
    }

    /// Makes the bytes secret where they have to be; nothing is read or written before. The other
    /// end of a TLS socket holds a certificate of our CA from here on.
    pub(crate) async fn secure(&self) -> io::Result<()> {
        match self {
            Self::Tls(tls) => tls.secure().await,
            Self::Unix(_) | Self::Tcp(_) | Self::Pipe(_) => Ok(()),
        }
    }

    /// Makes sure that the other end, which has sent its first frame, is a process of our own
    /// user, where nothing else says who it is.
    pub(crate) async fn check_user(&self) -> Result<(), Untrusted> {
        match self {
            // Beyond loopback nobody gets without `insecure_plain_tcp`.
            Self::Tcp(stream) if tcp::is_local(stream)? => same_user::check_tcp(stream).await,
            Self::Tcp(_) | Self::Tls(_) | Self::Unix(_) | Self::Pipe(_) => Ok(()),
        }
    }

    /// Makes sure that the other end may call itself by this name, where it has a certificate.
    pub(crate) fn check_name(&self, claimed: &NodeName) -> Result<(), CloseReason> {
        match self {
            Self::Tls(tls) => tls.check_name(claimed),
            Self::Tcp(_) | Self::Unix(_) | Self::Pipe(_) => Ok(()),
        }
    }

    /// What a link over this socket shows to users.
    pub(crate) fn kind(&self) -> LinkKind {
        match self {
            Self::Unix(_) | Self::Pipe(_) => LinkKind::Unix,
            Self::Tcp(_) | Self::Tls(_) => LinkKind::Tcp,
        }
    }

    /// The other end's address, of a TCP connection.
    pub(crate) fn remote_ip(&self) -> Option<IpAddr> {
        let stream = match self {
            Self::Tcp(stream) => stream,
            Self::Tls(tls) => tls.stream(),
            Self::Unix(_) | Self::Pipe(_) => return None,
        };
        Some(stream.peer_addr().ok()?.ip().to_canonical())
    }

    /// Whether the frames on this socket carry a check: where a network may change bytes.
    pub(crate) fn check(&self) -> Check {
        match self {
            Self::Unix(_) | Self::Tls(_) | Self::Pipe(_) => Check::None,
            Self::Tcp(_) => Check::Crc32c,
        }
    }

    /// Reads what is there into the buffer's spare capacity, and waits where nothing is; 0 is the
    /// end of the stream.
    pub(crate) async fn read(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        loop {
            self.readable().await?;
            match self.try_read_buf(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
        }
    }

    /// The connection ends, and what is still to be written is kept for a moment only.
    pub(crate) fn limit_farewell(&self) {
        // A socket that is no longer connected keeps nothing.
        let _ = match self {
            Self::Tcp(stream) => tcp::limit_farewell(stream),
            Self::Tls(tls) => tcp::limit_farewell(tls.stream()),
            Self::Unix(_) | Self::Pipe(_) => Ok(()),
        };
    }

    /// Tells the peer that nothing more comes.
    pub(crate) fn end_writing(&self) {
        // A socket that is no longer connected has told it already.
        let _ = match self {
            Self::Unix(stream) => SockRef::from(stream).shutdown(Shutdown::Write),
            Self::Tcp(stream) => SockRef::from(stream).shutdown(Shutdown::Write),
            Self::Tls(tls) => {
                tls.end_writing();
                Ok(())
            }
            Self::Pipe(pipe) => {
                pipe.end_writing();
                Ok(())
            }
        };
    }

    /// Writes what the kernel takes now, perhaps nothing. What it does not take is the next to be
    /// written.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let written = match self {
            Self::Unix(stream) => stream.try_write(bytes),
            Self::Tcp(stream) => stream.try_write(bytes),
            Self::Tls(tls) => tls.try_write(bytes),
            Self::Pipe(pipe) => pipe.try_write(bytes),
        };
        match written {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            written => written,
        }
    }

    /// As [`try_write`](Self::try_write), whatever the runtime knows of the socket: where it is
    /// blocked, it does not learn that the socket takes bytes again.
    pub(crate) fn write_directly(&self, bytes: &[u8]) -> io::Result<usize> {
        let written = match self {
            Self::Unix(stream) => send(stream, bytes),
            Self::Tcp(stream) => send(stream, bytes),
            Self::Tls(tls) => tls.write_directly(bytes),
            Self::Pipe(pipe) => pipe.try_write(bytes),
        };
        match written {
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
                self.writable().await?;
            }
        }
        Ok(())
    }

    fn try_read_buf(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.try_read_buf(buffer),
            Self::Tcp(stream) => stream.try_read_buf(buffer),
            Self::Tls(tls) => tls.try_read_buf(buffer),
            Self::Pipe(pipe) => pipe.try_read_buf(buffer),
        }
    }

    async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.readable().await,
            Self::Tcp(stream) => stream.readable().await,
            Self::Tls(tls) => tls.readable().await,
            Self::Pipe(pipe) => {
                pipe.readable().await;
                Ok(())
            }
        }
    }

    /// Whether something of the peer's lies there that was not read yet.
    pub(crate) fn has_unread(&self) -> bool {
        let unread = match self {
            Self::Unix(stream) => ioctl_fionread(stream),
            Self::Tcp(stream) => ioctl_fionread(stream),
            Self::Tls(tls) => ioctl_fionread(tls.stream()),
            Self::Pipe(pipe) => Ok(pipe.unread_bytes()),
        };
        unread.is_ok_and(|bytes| bytes > 0)
    }

    /// Waits until a write takes something.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.writable().await,
            Self::Tcp(stream) => stream.writable().await,
            Self::Tls(tls) => tls.stream().writable().await,
            Self::Pipe(pipe) => {
                pipe.writable().await;
                Ok(())
            }
        }
    }
}

/// Sends what the kernel takes now.
pub(crate) fn send(stream: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    net::send(stream, bytes, flags).map_err(io::Error::from)
}
