//! A messaging fabric for trading and market-data processes.

pub use mycelium_core::*;
pub use mycelium_macros::message;
pub use mycelium_registry::{RegisterError, Registry, ResolveError};
pub use mycelium_transport::{
    BuildTransport, InvalidPeerAddr, PeerAddr, TransportNode, UnixDirError,
};
pub use mycelium_wire as wire;
pub use mycelium_wire::{ActorId, NodeId, NodeName, Payload, Wire};

/// What `#[message]` expands to.
#[doc(hidden)]
pub mod __private {
    pub use mycelium_macros::__Wire;
}

/// Everything a program needs: `use mycelium::prelude::*`.
pub mod prelude {
    pub use crate::{
        Actor, ActorError, ActorRef, ActorResult, Archived, BuildTransport, Context, Message, Node,
        Payload, PeerAddr, Registry, SendError, SpawnOptions, StopReason, TransportNode, Wire,
        message,
    };
}
