//! TCP sockets, and [`TcpGuard`], which says what they are guarded by: without mutual TLS they are
//! for loopback only.
//!
//! There every resolved address of a name must be loopback, not only the one that is used: a name that
//! means this host today and another one tomorrow is refused today.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener as StdTcpListener},
    time::Duration,
};

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream, lookup_host};

use crate::{
    PeerAddr, TransportError,
    address::host_and_port,
    socket::Socket,
    tls::{Tls, TlsConfig, config::TlsSlot},
};

/// How long the kernel keeps what the peer of a connection that has ended does not acknowledge.
const UNACKNOWLEDGED: Duration = Duration::from_millis(2_500);

/// What the kernel takes of us before it has sent it: nothing overtakes that any more.
const UNSENT_BYTES: u32 = 64 << 10;

/// What keeps strangers from the TCP connections of a node.
#[derive(Debug, Default)]
pub(crate) enum TcpGuard {
    /// Loopback only, and both ends of one user.
    #[default]
    SameUser,
    /// Certificates, wherever the other end is.
    Tls(TlsSlot),
    /// Nothing, beyond loopback.
    Nothing,
}

impl TcpGuard {
    /// The socket of a connection that we dialled.
    pub(crate) fn dialled(&self, stream: TcpStream) -> io::Result<Socket> {
        self.guarded(stream, Tls::dialled)
    }

    /// The socket of a connection that we accepted.
    pub(crate) fn accepted(&self, stream: TcpStream) -> io::Result<Socket> {
        self.guarded(stream, Tls::accepted)
    }

    fn guarded(
        &self,
        stream: TcpStream,
        tls: impl FnOnce(TcpStream, &TlsConfig) -> io::Result<Tls>,
    ) -> io::Result<Socket> {
        match self {
            Self::Tls(slot) => tls(stream, &slot.current()).map(|tls| Socket::Tls(Box::new(tls))),
            Self::SameUser | Self::Nothing => Ok(Socket::Tcp(stream)),
        }
    }

    fn admits(&self, ip: IpAddr) -> bool {
        match self {
            Self::SameUser => is_loopback(ip),
            Self::Tls(_) | Self::Nothing => true,
        }
    }
}

/// Listens at `host:port`; port 0 lets the kernel choose one.
pub(crate) async fn listen(
    address: &str,
    guard: &TcpGuard,
) -> Result<(TcpListener, PeerAddr), TransportError> {
    let Some((host, port)) = host_and_port(address) else {
        let address = address.to_owned();
        return Err(TransportError::InvalidTcpAddr { address });
    };
    let places = resolve(address, &host, port, guard).await?;
    let failed = |source| TransportError::Listen {
        address: address.to_owned(),
        source,
    };
    let listener = bind(&places).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, PeerAddr::bound(bound)))
}

/// The addresses of a host, all of which the guard lets through.
pub(crate) async fn resolve(
    address: &str,
    host: &str,
    port: u16,
    guard: &TcpGuard,
) -> Result<Vec<SocketAddr>, TransportError> {
    let found = lookup_host((host, port)).await;
    let places: Vec<_> = found
        .map_err(|source| TransportError::UnknownHost {
            address: address.to_owned(),
            source,
        })?
        .collect();
    match places.iter().find(|place| !guard.admits(place.ip())) {
        Some(place) => Err(TransportError::NotLoopback {
            address: address.to_owned(),
            ip: place.ip(),
        }),
        None => Ok(places),
    }
}

/// Connects to the first of these places where somebody listens.
pub(crate) async fn connect(places: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut refused = io::ErrorKind::ConnectionRefused.into();
    for place in places {
        match TcpStream::connect(place).await {
            // Nobody listens at a port of the range that dialled sockets get theirs from, and
            // ours got this one: it is connected to itself.
            Ok(stream) if stream.local_addr()? == stream.peer_addr()? => {}
            Err(error) => refused = error,
            connected => return connected,
        }
    }
    Err(refused)
}

/// Sets a fresh socket up, dialled or accepted.
pub(crate) fn prepare(stream: &TcpStream) -> io::Result<()> {
    // Without it a small frame waits for the acknowledgement of the one before, up to 40 ms.
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_notsent_lowat(UNSENT_BYTES)?;
    socket.set_keepalive(false)
}

/// Lets the kernel give the connection up that this node has given up: without a limit it would
/// write to a host that is gone for many minutes.
///
/// Not before: the kernel also counts the time in which a peer takes no more bytes, and one that is
/// busy, and heard, is waited for. Whether a peer lives, its heartbeats decide.
pub(crate) fn limit_farewell(stream: &TcpStream) -> io::Result<()> {
    SockRef::from(stream).set_tcp_user_timeout(Some(UNACKNOWLEDGED))
}

/// Whether our end is on loopback. Not told by the other end's address: a process of this host may
/// connect to loopback from any address that the host has.
pub(crate) fn is_local(stream: &TcpStream) -> io::Result<bool> {
    Ok(is_loopback(stream.local_addr()?.ip()))
}

/// Binds the first of these places that is free. Through std, whose sockets block while they are
/// bound to a local port, that is not at all.
fn bind(places: &[SocketAddr]) -> io::Result<TcpListener> {
    let listener = StdTcpListener::bind(places)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::{TcpGuard, listen, resolve};
    use crate::{PeerAddr, TransportError};

    #[tokio::test]
    async fn port_0_becomes_a_real_one() {
        for address in ["127.0.0.1:0", "localhost:0", "[::1]:0"] {
            let (_listener, bound) = listen(address, &TcpGuard::SameUser).await.expect(address);
            let PeerAddr::Tcp { host, port } = &bound else {
                panic!("{bound}")
            };
            assert_ne!(*port, 0);
            assert!(["127.0.0.1", "::1"].contains(&host.as_str()), "{bound}");
            assert_eq!(bound.to_string().parse(), Ok(bound));
        }
    }

    #[tokio::test]
    async fn what_other_hosts_reach_is_refused() {
        for host in ["0.0.0.0", "::", "192.0.2.1", "::ffff:192.0.2.1"] {
            let refused = resolve("as written", host, 1, &TcpGuard::SameUser)
                .await
                .expect_err(host);
            let TransportError::NotLoopback { ip, .. } = &refused else {
                panic!("{refused}")
            };
            assert_eq!(ip.to_string(), host);
            assert!(refused.to_string().contains("mutual TLS"), "{refused}");
        }
        for host in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            resolve("as written", host, 1, &TcpGuard::SameUser)
                .await
                .expect(host);
        }
    }

    #[tokio::test]
    async fn without_a_guard_on_purpose_all_hosts_are_let_through() {
        let found = resolve("as written", "192.0.2.1", 1, &TcpGuard::Nothing).await;
        assert_eq!(found.expect("it is an address").len(), 1);
    }

    #[tokio::test]
    async fn a_place_that_cannot_be_listened_at_is_named() {
        let (_taken, bound) = listen("127.0.0.1:0", &TcpGuard::SameUser)
            .await
            .expect("a free port");
        let taken = bound.to_string().replace("tcp:", "");
        let refused = listen(&taken, &TcpGuard::SameUser)
            .await
            .expect_err("the port is taken");
        assert!(matches!(refused, TransportError::Listen { address, .. } if address == taken));

        let refused = listen("7000", &TcpGuard::SameUser)
            .await
            .expect_err("there is no host");
        assert!(matches!(refused, TransportError::InvalidTcpAddr { .. }));
        let refused = listen("no-such-host.invalid:1", &TcpGuard::SameUser)
            .await
            .expect_err("unknown");
        assert!(matches!(refused, TransportError::UnknownHost { .. }));
    }
}
