//! The Mycelium protocol as pure states and bytes.
//!
//! Nothing in this crate reads a socket, a clock or a random number: bytes and time come in as
//! arguments, frames and events go out. The drivers that feed it live in `mycelium-transport`.
//!
//! Read [`Wire`] first (what may travel), then [`open`] (the one way to look at foreign bytes),
//! then [`Header`] (what a frame is) and [`SendHalf`] / [`ReceiveHalf`] (the two halves of a
//! connection).

mod builtin;
mod codec;
mod encode;
mod error;
mod fingerprint;
mod id;
mod open;
mod payload;
mod wire;

pub use crate::{
    codec::Codec,
    encode::{Encoder, Ports, WireSerializer},
    error::WireError,
    fingerprint::Fingerprint,
    id::{ActorId, ExportKey, InvalidNodeName, NodeId, NodeName},
    open::{Checker, OpenContext, Opener, decode, open},
    payload::{ArchivedPayload, Payload},
    wire::Wire,
};

/// The archiver that `#[message]` derives with, re-exported so that users need not depend on it.
pub use rkyv;
