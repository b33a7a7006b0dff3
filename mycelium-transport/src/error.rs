//! [`TransportError`]: why a node cannot be linked as it was described.

use std::{io, net::IpAddr};

use mycelium_wire::NodeName;

use crate::{PeerAddr, Transport};

/// Why a node cannot listen or dial as its builder said; comes inside
/// [`StartError::Plugin`](mycelium_core::StartError::Plugin).
///
/// What is wrong with a directory of Unix sockets says [`UnixDirError`](crate::UnixDirError).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The text is no place to listen at.
    #[error("{address:?} is no place to listen at: write host:port, for example 127.0.0.1:0")]
    InvalidTcpAddr {
        /// The text.
        address: String,
    },
    /// Other hosts could listen in, or come in.
    #[error(
        "{address} is {ip}, which is not loopback: beyond this host TCP needs mutual TLS, start the \
         node with `tls(..)`"
    )]
    NotLoopback {
        /// The address as it was written.
        address: String,
        /// What it stands for.
        ip: IpAddr,
    },
    /// The host's name stands for no address.
    #[error("cannot find the host of {address}")]
    UnknownHost {
        /// The address as it was written.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// The port is taken, or the operating system refused.
    #[error("cannot listen at {address}")]
    Listen {
        /// The address as it was written.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// Another node of this name listens in the memory of this process.
    #[error("a node named {name} listens in this process already")]
    DuplicateNode {
        /// The name.
        name: NodeName,
    },
    /// Peers would not believe that this node is who it says it is.
    #[error(
        "this node is {node}, its certificate is for {certified}: give it a certificate with its \
         name among the DNS names (subjectAltName), or start it under the certificate's name"
    )]
    WrongCertificateName {
        /// The node's name.
        node: NodeName,
        /// The names in its certificate.
        certified: String,
    },
    /// There is no certificate to be replaced.
    #[error("{node} was started without TLS: start it with `tls(..)`")]
    WithoutTls {
        /// The node's name.
        node: NodeName,
    },
    /// Unix sockets are for nodes that have one themselves.
    #[error("{peer} cannot be dialled: start this node with `unix(dir)`")]
    WithoutUnix {
        /// The peer's address.
        peer: PeerAddr,
    },
    /// The peer's address is of another kind than the links of this node.
    #[error("{peer} cannot be dialled: the transport of this node is {transport}")]
    WrongTransport {
        /// The peer's address.
        peer: PeerAddr,
        /// What the links of this node are made of.
        transport: Transport,
    },
}
