//! The Mycelium protocol as pure states and bytes.
//!
//! Nothing in this crate reads a socket, a clock or a random number: bytes and time come in as
//! arguments, frames and events go out. The drivers that feed it live in `mycelium-transport`.
//!
//! Read [`Wire`] first (what may travel), then [`open`] (the one way to look at foreign bytes),
//! then [`Header`] (what a frame is) and [`SendHalf`] / [`ReceiveHalf`] (the two halves of a
//! connection).

mod accepted;
mod aligned;
mod builtin;
mod bulk;
mod check;
mod close;
mod codec;
mod control;
mod credit;
mod decoder;
mod encode;
mod end_reason;
mod error;
mod event;
mod fingerprint;
mod frame_extensions;
mod header;
mod hello;
mod id;
mod limits;
mod open;
mod outbound;
mod outbound_binding;
mod payload;
mod reassembly;
mod receive_half;
mod reply_failure;
mod send_half;
mod shared;
mod transfer;
mod wire;

pub use crate::{
    accepted::Accepted,
    bulk::{FRAGMENT_BYTES, LANES},
    check::Check,
    close::{CloseReason, Incompatibility},
    codec::Codec,
    control::{ACCEPTED_LIMIT, Bind, Resolved, TEXT_LIMIT_BYTES},
    credit::{Credit, CreditWindow, Totals, Window, frame_bytes},
    decoder::{Frame, FrameDecoder},
    encode::{Encoder, Ports, WireSerializer},
    end_reason::EndReason,
    error::WireError,
    event::Event,
    fingerprint::Fingerprint,
    frame_extensions::{FrameExtensions, SendTime, TraceContext},
    header::{FRAME_ALIGNMENT_BYTES, FrameKind, HEADER_BYTES, Header},
    hello::{Hello, PROTOCOL_VERSION},
    id::{ActorId, BindingId, ExportKey, InvalidNodeName, NodeId, NodeName},
    limits::Limits,
    open::{Checker, OpenContext, Opener, decode, open},
    outbound_binding::EndedBinding,
    payload::{ArchivedPayload, Payload},
    receive_half::{HandshakeState, ReceiveHalf},
    reply_failure::ReplyFailure,
    send_half::{SendHalf, SendRefused},
    shared::{ArchivedShared, Shared},
    transfer::{Decline, PART_BYTES, Part, TRANSFER_WINDOW_BYTES},
    wire::Wire,
};

/// The archiver that `#[message]` derives with, re-exported so that users need not depend on it.
pub use rkyv;
