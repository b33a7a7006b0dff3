//! [`Socket`]: one end of a connection, of either kind.

use std::{
    io,
    path::PathBuf,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use mycelium::PeerAddr;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
};

/// One end of a connection.
pub(super) enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
}

/// Where connections come in.
pub(super) enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl Listener {
    pub(super) async fn at_port() -> io::Result<(PeerAddr, Self)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("tcp:{}", listener.local_addr()?);
        let address = address.parse().map_err(io::Error::other)?;
        Ok((address, Self::Tcp(listener)))
    }

    pub(super) fn at_socket(place: PathBuf) -> io::Result<(PeerAddr, Self)> {
        let listener = UnixListener::bind(&place)?;
        Ok((PeerAddr::Unix(place), Self::Unix(listener)))
    }

    pub(super) async fn accept(&self) -> io::Result<Socket> {
        match self {
            Self::Unix(listener) => Ok(Socket::Unix(listener.accept().await?.0)),
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Socket::Tcp(stream))
            }
        }
    }
}

impl Socket {
    pub(super) async fn connect(target: &PeerAddr) -> io::Result<Self> {
        match target {
            PeerAddr::Unix(path) => Ok(Self::Unix(UnixStream::connect(path).await?)),
            PeerAddr::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                Ok(Self::Tcp(stream))
            }
            other => Err(io::Error::other(format!("{other} has no socket"))),
        }
    }

    /// The peer of a TCP socket sees a reset when this is dropped.
    pub(super) fn reset_on_drop(&self) {
        if let Self::Tcp(stream) = self {
            // A socket that is gone already needs none.
            let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
