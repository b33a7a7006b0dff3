//! TCP sockets: on loopback only, as long as there is no mutual TLS.
//!
//! Every resolved address of a name must be loopback, not only the one that is used: a name that
//! means this host today and another one tomorrow is refused today.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener as StdTcpListener},
    time::Duration,
};

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream, lookup_host};

use crate::{PeerAddr, TransportError, address::host_and_port};

/// How long what was sent may stay without the peer's acknowledgement before the kernel gives the
/// connection up. Longer than the node's own patience with a peer, which decides first.
pub(crate) const UNACKNOWLEDGED: Duration = Duration::from_millis(2_500);

/// Listens at `host:port`; port 0 lets the kernel choose one.
pub(crate) async fn listen(address: &str) -> Result<(TcpListener, PeerAddr), TransportError> {
    let Some((host, port)) = host_and_port(address) else {
        let address = address.to_owned();
        return Err(TransportError::InvalidTcpAddr { address });
    };
    let places = resolve(address, &host, port).await?;
    let failed = |source| TransportError::Listen {
        address: address.to_owned(),
        source,
    };
    let listener = bind(&places).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, PeerAddr::bound(bound)))
}

/// The addresses of a host, all of them on loopback.
pub(crate) async fn resolve(
    address: &str,
    host: &str,
    port: u16,
) -> Result<Vec<SocketAddr>, TransportError> {
    let found = lookup_host((host, port)).await;
    let places: Vec<_> = found
        .map_err(|source| TransportError::UnknownHost {
            address: address.to_owned(),
            source,
        })?
        .collect();
    match places.iter().find(|place| !is_loopback(place.ip())) {
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
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
    socket.set_keepalive(false)
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
    use super::{listen, resolve};
    use crate::{PeerAddr, TransportError};

    #[tokio::test]
    async fn port_0_becomes_a_real_one() {
        for address in ["127.0.0.1:0", "localhost:0", "[::1]:0"] {
            let (_listener, bound) = listen(address).await.expect(address);
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
            let refused = resolve("as written", host, 1).await.expect_err(host);
            let TransportError::NotLoopback { ip, .. } = &refused else {
                panic!("{refused}")
            };
            assert_eq!(ip.to_string(), host);
            assert!(refused.to_string().contains("mutual TLS"), "{refused}");
        }
        for host in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            resolve("as written", host, 1).await.expect(host);
        }
    }

    #[tokio::test]
    async fn a_place_that_cannot_be_listened_at_is_named() {
        let (_taken, bound) = listen("127.0.0.1:0").await.expect("a free port");
        let taken = bound.to_string().replace("tcp:", "");
        let refused = listen(&taken).await.expect_err("the port is taken");
        assert!(matches!(refused, TransportError::Listen { address, .. } if address == taken));

        let refused = listen("7000").await.expect_err("there is no host");
        assert!(matches!(refused, TransportError::InvalidTcpAddr { .. }));
        let refused = listen("no-such-host.invalid:1").await.expect_err("unknown");
        assert!(matches!(refused, TransportError::UnknownHost { .. }));
    }
}
