//! A messaging fabric for trading and market-data processes: actors with bounded mailboxes, and
//! refs to them that are the same type wherever the actor lives.
//!
//! `use mycelium::prelude::*` brings in what a program needs. Start with [`Node`], [`Actor`] and
//! [`ActorRef`]; put [`#[message]`](message) on what crosses a process boundary.
//!
//! This crate has no types of its own: it is the one name under which users find the others. What
//! a transport or a service plugs into a node lies in the crates `mycelium-core` and
//! [`mycelium-wire`](wire).
//!
//! # Examples
//!
//! An actor, sent to and asked:
//!
//! ```
//! use mycelium::prelude::*;
//!
//! #[message]
//! enum Book {
//!     Bid { price: i64 },
//!     Best { reply: ReplyTo<Option<i64>> },
//! }
//!
//! #[derive(Default)]
//! struct BookActor(Option<i64>);
//!
//! impl Actor for BookActor {
//!     type Message = Book;
//!
//!     async fn handle(&mut self, message: Book, _cx: &mut Context<Self>) -> ActorResult {
//!         match message {
//!             Book::Bid { price } => self.0 = self.0.max(Some(price)),
//!             Book::Best { reply } => reply.send(self.0),
//!         }
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let node = Node::builder("book-1").start().await?;
//! let book = node.spawn(BookActor::default());
//! book.send(Book::Bid { price: 5_853_300 }).await?;
//! let best = book.ask(|reply| Book::Best { reply }).await?;
//! assert_eq!(best, Some(5_853_300));
//! # Ok(()) }
//! ```
//!
//! Two nodes, of two processes as a rule: one listens and names an actor, the other dials and finds
//! it.
//!
//! ```
//! use std::time::Duration;
//!
//! use mycelium::prelude::*;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sink = Node::builder("sink").tcp("127.0.0.1:0").start().await?;
//! let mut prices: Inbox<i64> = sink.inbox();
//! sink.register("prices", &prices.actor_ref())?;
//!
//! let address = sink.addresses().remove(0);
//! let source = Node::builder("source").peer(address).start().await?;
//! let found = source.wait_for::<i64>("prices", Duration::from_secs(5)).await?;
//! found.send(5_853_300).await?;
//! assert_eq!(prices.recv().await, Ok(5_853_300));
//!
//! source.shutdown(Duration::from_secs(5)).await?;
//! sink.shutdown(Duration::from_secs(5)).await?;
//! # Ok(()) }
//! ```

#[doc(inline)]
pub use mycelium_core::{
    Actor, ActorError, ActorRef, ActorResult, Archived, Ask, AskError, Attachment, Bounds, Context,
    DeadLetter, DeadLetterCounts, DeadLetterNotice, DeadLetterReason, DeadLetters, Inbox,
    IncomingTransfer, Link, LinkEvent, LinkEvents, LinkKind, LinkNotice, LinkRefusal, LinkState,
    LinkStats, LocalRef, Message, Node, NodeBuilder, NodeStats, Outgoing, RemoteRef, ReplyTo,
    Restarted, SendError, SendFuture, SendOptions, ShutdownTimeout, SpawnOptions, StartError,
    StopReason, Terminated, Timer, TooManyExports, TooMuchWork, TransferError, TransferTicket,
    WatchError,
};
#[doc(inline)]
pub use mycelium_macros::message;
#[doc(inline)]
pub use mycelium_registry::{RegisterError, Registry, ResolveError};
#[doc(inline)]
pub use mycelium_supervisor::{
    AutoShutdown, Backoff, Breaker, BreakerConfig, BreakerError, BuildSupervision, Change,
    ChildError, ChildReport, ChildSpec, ChildState, Intensity, NodeSupervision, OnEscalation,
    Restart, Shutdown, StartFailed, StartFailure, Strategy, SupervisionEvent, SupervisionEvents,
    SupervisionNotice, Supervisor, SupervisorBuilder, SupervisorMessage, SupervisorRef, TreeReport,
    Trees,
};
#[doc(inline)]
pub use mycelium_transport::{
    BuildTransport, InvalidPeerAddr, LivenessConfig, PeerAddr, TlsConfig, TlsConfigError,
    Transport, TransportError, TransportNode, UnixDirError,
};
/// The protocol, and what `#[message]` expands to.
pub use mycelium_wire as wire;
#[doc(inline)]
pub use mycelium_wire::{
    ActorId, InvalidNodeName, NodeId, NodeName, Payload, Shared, TraceContext, Wire, WireError,
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
        Actor, ActorError, ActorRef, ActorResult, Archived, AskError, Attachment, Backoff,
        BuildSupervision, BuildTransport, ChildError, ChildSpec, Context, DeadLetter,
        DeadLetterNotice, DeadLetterReason, Inbox, Intensity, Message, Node, NodeSupervision,
        OnEscalation, Payload, PeerAddr, RegisterError, Registry, ReplyTo, ResolveError, Restart,
        Restarted, SendError, SendOptions, Shared, Shutdown, ShutdownTimeout, SpawnOptions,
        StartError, StartFailed, StopReason, Strategy, Supervisor, SupervisorRef, Terminated,
        Timer, TlsConfig, TraceContext, Transport, TransportNode, WatchError, Wire, message,
    };
}

/// Runs the programs of the README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}
