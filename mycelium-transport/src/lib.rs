//! Tokio drivers that move Mycelium's protocol over sockets.
//!
//! One link per pair of nodes. Read `link.rs` first (what a send touches), then `connection.rs`
//! (who writes), `driver.rs` (the two tasks of a connection) and `peers.rs` (which pairs there
//! are). Users meet this crate as methods: [`BuildTransport`] on the builder of a node,
//! [`TransportNode`] on the node.

mod address;
mod connection;
mod dialer;
mod driver;
mod handshake;
mod link;
mod listener;
mod outbound;
mod peers;
mod plugin;
mod remotes;
mod socket;
mod unix_dir;

pub use crate::{
    address::{InvalidPeerAddr, PeerAddr},
    plugin::{BuildTransport, TransportNode},
    unix_dir::UnixDirError,
};
