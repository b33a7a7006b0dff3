//! Nodes, actors, mailboxes and refs of Mycelium.
//!
//! A [`Node`] holds the actors of a process. An [`Actor`] owns its state and handles one message
//! at a time from a bounded mailbox; an [`ActorRef`] is the only way to talk to it. Transports
//! plug in at two ports: [`Link`] carries messages out, [`Inbound`] brings them in.
//!
//! Read [`ActorRef`] first, then the crate's `cell.rs` for how an actor runs.

mod actor;
mod actor_ref;
mod archived;
mod ask;
mod attachment;
mod bell;
mod beside;
mod block_on;
mod blocking;
mod bounds;
mod builder;
mod cell;
mod context;
mod dead_letter;
mod export;
mod extensions;
mod inbound;
mod inbox;
mod link;
mod link_event;
mod local_ref;
mod mailbox;
mod message;
mod node;
mod pending;
mod ref_archive;
mod remote;
mod remote_ref;
mod reply_archive;
mod reply_slot;
mod reply_to;
mod restart_watch;
mod send_error;
mod send_options;
mod spawn;
mod stamp;
mod stats;
mod sync;
#[cfg(feature = "testing")]
pub mod testing;
mod timer;
mod transfer;
mod wait_cycle;
mod watch;
mod watchdog;

pub use crate::{
    actor::{Actor, ActorError, ActorResult, StopReason},
    actor_ref::{ActorRef, SendFuture},
    archived::Archived,
    ask::{Ask, AskError},
    attachment::Attachment,
    blocking::TooMuchWork,
    bounds::Bounds,
    builder::{NodeBuilder, Plugin, PluginError, StartError, Starting},
    cell::lives::{Keeper, Kept},
    context::Context,
    dead_letter::{DeadLetter, DeadLetterNotice, DeadLetterReason, DeadLetters},
    export::TooManyExports,
    extensions::Extensions,
    inbound::Inbound,
    inbox::Inbox,
    link::{
        DecodePorts, Encode, InboundBinding, Link, LinkFuture, LinkKind, LinkRefusal, LinkState,
        LinkStats, PeerClock, Purpose,
    },
    link_event::{LinkEvent, LinkEvents, LinkNotice},
    local_ref::LocalRef,
    message::Message,
    node::{NameTable, Names, Node, ShutdownTimeout},
    pending::{EncodePorts, Pending, PendingAsk},
    remote::Remote,
    remote_ref::RemoteRef,
    reply_to::ReplyTo,
    restart_watch::Restarted,
    send_error::SendError,
    send_options::{Outgoing, SendOptions},
    spawn::SpawnOptions,
    stats::{DeadLetterCounts, NodeStats},
    timer::Timer,
    transfer::{
        InboundObjects, IncomingTransfer, ObjectLink, OutgoingTransfer, TransferError,
        TransferTicket,
    },
    watch::{Terminated, WatchError},
};
