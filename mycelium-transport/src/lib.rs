//! Tokio drivers that move Mycelium's protocol over sockets.
//!
//! One link per pair of nodes. Read `link.rs` first (what a send touches), then `connection.rs`
//! (who writes), `driver.rs` (the two tasks of a connection) and `pairs.rs` (which connection
//! counts). Users meet this crate as methods: [`BuildTransport`] on the builder of a node,
//! [`TransportNode`] on the node.

mod address;
mod bypass;
mod connection;
mod dialer;
mod driver;
mod error;
mod handshake;
mod link;
mod listener;
mod liveness;
mod memory;
mod outbound;
mod pairs;
mod peer_process;
mod peers;
mod pipe;
mod plugin;
mod remotes;
mod same_user;
mod socket;
mod socket_table;
mod tcp;
#[cfg(feature = "testing")]
pub mod testing;
mod tls;
mod transport;
mod unix_dir;

pub use crate::{
    address::{InvalidPeerAddr, PeerAddr},
    error::TransportError,
    liveness::LivenessConfig,
    plugin::{BuildTransport, TransportNode},
    tls::{TlsConfig, TlsConfigError},
    transport::Transport,
    unix_dir::UnixDirError,
};
