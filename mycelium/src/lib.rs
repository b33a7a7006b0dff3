//! A messaging fabric for trading and market-data processes: actors with bounded mailboxes, and
//! refs to them that are the same type wherever the actor lives.
//!
//! `use mycelium::prelude::*` brings in what a program needs. Start with [`Node`], [`Actor`] and
//! [`ActorRef`]; put [`#[message]`](message) on what crosses a process boundary.
//!
//! This crate has no types of its own: it is the one name under which users find the others.

pub use mycelium_core::*;
pub use mycelium_macros::message;
pub use mycelium_registry::{RegisterError, Registry, ResolveError};
pub use mycelium_transport::{
    BuildTransport, InvalidPeerAddr, PeerAddr, Transport, TransportError, TransportNode,
    UnixDirError,
};
pub use mycelium_wire as wire;
pub use mycelium_wire::{
    ActorId, ArchivedPayload, ArchivedShared, InvalidNodeName, NodeId, NodeName, Payload, Shared,
    Wire, WireError,
};

/// What `#[message]` expands to.
#[doc(hidden)]
pub mod __private {
    pub use mycelium_macros::__Wire;
}

/// Everything a program needs: `use mycelium::prelude::*`.
pub mod prelude {
    pub use crate::{
        Actor, ActorError, ActorRef, ActorResult, Archived, AskError, BuildTransport, Context,
        Inbox, Message, Node, Payload, PeerAddr, Registry, ReplyTo, SendError, Shared,
        SpawnOptions, StopReason, Terminated, TransportNode, Wire, message,
    };
}

/// Runs the programs of the README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}
