//! [`Socket`]: the bytes of one connection, read and written without blocking.

use std::{io, net::Shutdown};

use bytes::BytesMut;
use mycelium_core::LinkKind;
use mycelium_wire::Check;
use socket2::SockRef;
use tokio::net::{TcpStream, UnixStream};

use crate::{
    pipe::Pipe,
    same_user::{self, Untrusted},
    tcp,
};

/// A connected socket that any thread may write to while a task reads.
#[derive(Debug)]
pub(crate) enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
    /// Both ends are in this process.
    Pipe(Pipe),
}

impl Socket {
    /// Sets a fresh socket up, dialled or accepted. The other end of a Unix socket is known to be a
    /// process of our own user from here on.
    pub(crate) fn prepare(&self) -> Result<(), Untrusted> {
        match self {
            Self::Unix(stream) => same_user::check_unix(stream),
            Self::Tcp(stream) => Ok(tcp::prepare(stream)?),
            Self::Pipe(_) => Ok(()),
        }
    }

    /// Makes sure that the other end, which has sent its first frame, is a process of our own
    /// user.
    pub(crate) async fn check_user(&self) -> Result<(), Untrusted> {
        match self {
            Self::Tcp(stream) => same_user::check_tcp(stream).await,
            Self::Unix(_) | Self::Pipe(_) => Ok(()),
        }
    }

    /// What a link over this socket shows to users.
    pub(crate) fn kind(&self) -> LinkKind {
        match self {
            Self::Unix(_) | Self::Pipe(_) => LinkKind::Unix,
            Self::Tcp(_) => LinkKind::Tcp,
        }
    }

    /// Whether the frames on this socket carry a check: where a network may change bytes.
    pub(crate) fn check(&self) -> Check {
        match self {
            Self::Unix(_) | Self::Pipe(_) => Check::None,
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

    /// Tells the peer that nothing more comes.
    pub(crate) fn end_writing(&self) {
        // A socket that is no longer connected has told it already.
        let _ = match self {
            Self::Unix(stream) => SockRef::from(stream).shutdown(Shutdown::Write),
            Self::Tcp(stream) => SockRef::from(stream).shutdown(Shutdown::Write),
            Self::Pipe(pipe) => {
                pipe.end_writing();
                Ok(())
            }
        };
    }

    /// Writes what the kernel takes now, perhaps nothing.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let written = match self {
            Self::Unix(stream) => stream.try_write(bytes),
            Self::Tcp(stream) => stream.try_write(bytes),
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
            Self::Pipe(pipe) => pipe.try_read_buf(buffer),
        }
    }

    async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.readable().await,
            Self::Tcp(stream) => stream.readable().await,
            Self::Pipe(pipe) => {
                pipe.readable().await;
                Ok(())
            }
        }
    }

    async fn writable(&self) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.writable().await,
            Self::Tcp(stream) => stream.writable().await,
            Self::Pipe(pipe) => {
                pipe.writable().await;
                Ok(())
            }
        }
    }
}
