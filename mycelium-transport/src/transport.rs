//! [`Transport`]: what the links of a node are made of.

use std::fmt;

use crate::PeerAddr;

/// What the links between a node and its peers are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// The best one, chosen per pair of nodes: Unix where both were started with `unix(dir)` on
    /// the same host by the same user and the socket answers, else TCP.
    ///
    /// Two nodes of one process are linked by the same rule as nodes of two processes.
    #[default]
    Auto,
    /// Pipes within this process, for tests. The node listens at `memory:<its name>`.
    ///
    /// They behave and look like Unix sockets: refs are `ActorRef::Unix`.
    Memory,
    /// Unix sockets only.
    Unix,
    /// TCP only.
    Tcp,
}

impl Transport {
    pub(crate) fn takes_unix(self) -> bool {
        matches!(self, Self::Auto | Self::Unix)
    }

    pub(crate) fn takes_tcp(self) -> bool {
        matches!(self, Self::Auto | Self::Tcp)
    }

    /// Whether a link to this address may be made.
    pub(crate) fn takes(self, address: &PeerAddr) -> bool {
        match address {
            PeerAddr::Unix(_) => self.takes_unix(),
            PeerAddr::Tcp { .. } => self.takes_tcp(),
            PeerAddr::Memory(_) => self == Self::Memory,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Memory => "memory",
            Self::Unix => "unix",
            Self::Tcp => "tcp",
        })
    }
}
