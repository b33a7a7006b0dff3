//! [`PeerAddr`]: where a node listens.

use std::{
    fmt,
    net::{Ipv6Addr, SocketAddr},
    path::{self, Path, PathBuf},
    str::FromStr,
};

/// Where a node listens: `unix:/path/book-1.sock`, `tcp:host:port` or, in this process,
/// `memory:book-1`.
///
/// # Examples
///
/// ```
/// use mycelium_transport::PeerAddr;
///
/// let addr: PeerAddr = "unix:/run/fabric/book-1.sock".parse()?;
/// assert_eq!(addr.to_string(), "unix:/run/fabric/book-1.sock");
///
/// let addr: PeerAddr = "tcp:[::1]:7000".parse()?;
/// assert_eq!(addr, PeerAddr::Tcp { host: "::1".into(), port: 7000 });
/// assert_eq!(addr.to_string(), "tcp:[::1]:7000");
/// # Ok::<(), mycelium_transport::InvalidPeerAddr>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PeerAddr {
    /// A Unix socket of this host.
    Unix(PathBuf),
    /// A TCP port.
    Tcp {
        /// A name, or an IP address without brackets.
        host: String,
        /// Not 0.
        port: u16,
    },
    /// A node of this process that listens in memory: its name. For tests.
    Memory(String),
}

/// The text is no address of a node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no address of a node: write unix:/path/of/the/node.sock, tcp:host:port or memory:node"
)]
pub struct InvalidPeerAddr(String);

impl PeerAddr {
    /// The socket that a node of this name has in the directory `dir`, which may be relative to the
    /// working directory.
    pub fn unix(dir: impl AsRef<Path>, node: &str) -> Self {
        let socket = dir.as_ref().join(format!("{node}.sock"));
        Self::Unix(path::absolute(&socket).unwrap_or(socket))
    }

    /// A socket that a node is bound to.
    pub(crate) fn bound(address: SocketAddr) -> Self {
        Self::Tcp {
            host: address.ip().to_string(),
            port: address.port(),
        }
    }
}

impl FromStr for PeerAddr {
    type Err = InvalidPeerAddr;

    fn from_str(text: &str) -> Result<Self, InvalidPeerAddr> {
        let address = match text.split_once(':') {
            Some(("unix", path)) if path.starts_with('/') => Some(Self::Unix(path.into())),
            Some(("tcp", place)) => host_and_port(place)
                .filter(|(_, port)| *port != 0)
                .map(|(host, port)| Self::Tcp { host, port }),
            Some(("memory", node)) if !node.is_empty() => Some(Self::Memory(node.into())),
            _ => None,
        };
        address.ok_or_else(|| InvalidPeerAddr(text.to_owned()))
    }
}

impl fmt::Display for PeerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp { host, port } if host.contains(':') => write!(f, "tcp:[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "tcp:{host}:{port}"),
            Self::Memory(node) => write!(f, "memory:{node}"),
        }
    }
}

/// Takes `host:port` apart; an IPv6 address stands in brackets.
pub(crate) fn host_and_port(place: &str) -> Option<(String, u16)> {
    let (host, port) = place.rsplit_once(':')?;
    let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse().ok().filter(|_| is_number)?;
    let bracketed = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let host = match bracketed {
        Some(v6) => v6.parse::<Ipv6Addr>().ok()?.to_string(),
        None => Some(host).filter(|host| is_name(host))?.to_owned(),
    };
    Some((host, port))
}

/// Whether this may be a host's name or an IPv4 address, as far as letters tell.
fn is_name(host: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !host.is_empty() && host.bytes().all(is_letter)
}

#[cfg(test)]
mod tests {
    use super::PeerAddr;

    #[test]
    fn an_address_is_shown_as_it_is_written() {
        for good in [
            "unix:/tmp/a.sock",
            "tcp:localhost:7000",
            "tcp:127.0.0.1:1",
            "tcp:[::1]:65535",
            "memory:book-1",
        ] {
            let address = good.parse::<PeerAddr>();
            assert_eq!(address.expect(good).to_string(), good);
        }
    }

    #[test]
    fn what_cannot_be_dialled_is_no_address() {
        for bad in [
            "",
            "unix:",
            "unix:a.sock",
            "/tmp/a.sock",
            "unix/tmp",
            "localhost:1",
            "tcp:",
            "tcp:localhost",
            "tcp::7000",
            "tcp:localhost:",
            "tcp:localhost:0",
            "tcp:localhost:+1",
            "tcp:localhost:65536",
            "tcp:::1:7000",
            "tcp:[::1]",
            "tcp:[localhost]:1",
            "tcp:a b:1",
            "tcp:a/b:1",
            "memory:",
            "udp:localhost:1",
        ] {
            assert!(bad.parse::<PeerAddr>().is_err(), "{bad}");
        }
    }
}
