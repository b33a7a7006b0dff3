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

#[cfg(feature = "testing")]
/// Support for the tests of programs: a probe actor, a clock that the test moves, nodes linked in
/// memory. Behind the feature `testing`, to be named under `[dev-dependencies]`.
///
/// # Examples
///
/// An ask across a link, to an actor that never answers, fails at its deadline, in no time:
///
/// ```
/// use std::time::Duration;
/// use mycelium::{prelude::*, testing::{Probe, VirtualTime, linked_pair}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let time = VirtualTime::start();
/// let (here, there) = linked_pair().await?;
/// let mut probe = Probe::<ReplyTo<u64>>::new(&there);
/// there.register("silent", &probe.actor_ref())?;
///
/// let silent = here.resolve::<ReplyTo<u64>>("silent").await?;
/// let answer = silent.ask(|reply| reply).timeout(Duration::from_secs(3_600)).await;
/// assert!(matches!(answer, Err(AskError::Timeout)));
/// // The question came; nobody answered it.
/// drop(probe.recv().await);
/// # let _ = time;
/// # Ok(()) }
/// ```
pub mod testing {
    pub use mycelium_core::testing::*;
    pub use mycelium_transport::testing::*;
}

/// What `#[message]` expands to.
#[doc(hidden)]
pub mod __private {
    pub use mycelium_macros::__Wire;
}

/// Everything a program needs: `use mycelium::prelude::*`.
pub mod prelude {
    pub use crate::{
        Actor, ActorError, ActorRef, ActorResult, Archived, AskError, Attachment, BuildTransport,
        Context, DeadLetter, DeadLetterNotice, Inbox, Message, Node, Payload, PeerAddr,
        RegisterError, Registry, ReplyTo, ResolveError, SendError, Shared, ShutdownTimeout,
        SpawnOptions, StartError, StopReason, Terminated, Timer, Transport, TransportNode,
        WatchError, Wire, message,
    };
}

/// Runs the programs of the README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}
