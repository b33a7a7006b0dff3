//! [`PeerAddr`]: where a node listens.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

/// Where a node listens: `unix:/path/book-1.sock`.
///
/// # Examples
///
/// ```
/// use mycelium_transport::PeerAddr;
///
/// let addr: PeerAddr = "unix:/run/fabric/book-1.sock".parse()?;
/// assert_eq!(addr.to_string(), "unix:/run/fabric/book-1.sock");
/// # Ok::<(), mycelium_transport::InvalidPeerAddr>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PeerAddr {
    /// A Unix socket of this host.
    Unix(PathBuf),
}

/// The text is no address of a node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address of a node: write unix:/path/of/the/node.sock")]
pub struct InvalidPeerAddr(String);

impl PeerAddr {
    /// The socket that a node of this name has in the directory `dir`.
    pub fn unix(dir: impl AsRef<Path>, node: &str) -> Self {
        Self::Unix(dir.as_ref().join(format!("{node}.sock")))
    }
}

impl FromStr for PeerAddr {
    type Err = InvalidPeerAddr;

    fn from_str(text: &str) -> Result<Self, InvalidPeerAddr> {
        match text.split_once(':') {
            Some(("unix", path)) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            _ => Err(InvalidPeerAddr(text.to_owned())),
        }
    }
}

impl fmt::Display for PeerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PeerAddr;

    #[test]
    fn only_absolute_unix_paths_are_addresses() {
        assert!("unix:/tmp/a.sock".parse::<PeerAddr>().is_ok());
        for bad in [
            "",
            "unix:",
            "unix:a.sock",
            "/tmp/a.sock",
            "tcp:localhost:1",
            "unix/tmp",
        ] {
            assert!(bad.parse::<PeerAddr>().is_err(), "{bad}");
        }
    }
}
