//! [`SendError`]: what kept a message from being accepted, with the message.

use std::{error::Error, fmt};

use mycelium_wire::WireError;

use crate::StopReason;

/// Why a message was not accepted. Every variant gives the message back.
///
/// `Debug` and `Display` ask nothing of `M`.
#[non_exhaustive]
pub enum SendError<M> {
    /// The mailbox, or the window of its binding, has no room: wait with `send`, or shed load. Or too
    /// many asks wait for their answers over the link: ask again when some have theirs.
    Full(M),
    /// The time given to `send_timeout`, or the time to live of the message, passed before there was
    /// room.
    Timeout(M),
    /// The actor is gone for good; resolve its name again.
    ActorDown {
        /// The message that was not accepted.
        message: M,
        /// Why the actor is gone.
        reason: StopReason,
    },
    /// The actor's node is down; resolve its name again once it is back.
    NodeDown(M),
    /// The link to the actor's node is lost and being dialled again; `send` waits for it.
    LinkDown(M),
    /// The ref is of an earlier life of the node; resolve the name again.
    Stale(M),
    /// This node has no link to the actor's node: name it as a peer.
    Unreachable(M),
    /// The actor takes another type of message.
    WrongType {
        /// The message that was not accepted.
        message: M,
        /// What this ref sends.
        wanted: &'static str,
        /// What the actor takes.
        found: Box<str>,
    },
    /// The message's archive passes the limit of the link.
    TooLarge {
        /// The message that was not accepted.
        message: M,
        /// Bytes it takes at least.
        size_bytes: usize,
        /// The limit both nodes agreed on.
        limit_bytes: usize,
    },
    /// The message could not be encoded, or the link takes no more actors; the source says why.
    Refused {
        /// The message that was not accepted.
        message: M,
        /// What the encoding answered.
        cause: WireError,
    },
}

impl<M> SendError<M> {
    /// The message that was not accepted.
    pub fn into_inner(self) -> M {
        match self {
            Self::Full(message)
            | Self::Timeout(message)
            | Self::NodeDown(message)
            | Self::LinkDown(message)
            | Self::Stale(message)
            | Self::Unreachable(message)
            | Self::ActorDown { message, .. }
            | Self::WrongType { message, .. }
            | Self::TooLarge { message, .. }
            | Self::Refused { message, .. } => message,
        }
    }
}

impl<M> fmt::Display for SendError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => f.write_str("the mailbox is full"),
            Self::Timeout(_) => f.write_str("the mailbox had no room in time"),
            Self::ActorDown { reason, .. } => write!(f, "{reason}"),
            Self::NodeDown(_) => f.write_str("the actor's node is down"),
            Self::LinkDown(_) => f.write_str("the link to the actor's node is being dialled again"),
            Self::Stale(_) => f.write_str("the ref is of an earlier life of its node"),
            Self::Unreachable(_) => f.write_str("this node is not linked to the actor's node"),
            Self::WrongType { wanted, found, .. } => {
                write!(f, "the ref sends {wanted}, the actor takes {found}")
            }
            Self::TooLarge {
                size_bytes,
                limit_bytes,
                ..
            } => {
                write!(
                    f,
                    "the message takes {size_bytes} bytes or more, the limit is {limit_bytes}"
                )
            }
            Self::Refused { .. } => f.write_str("the message was refused"),
        }
    }
}

impl<M> fmt::Debug for SendError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SendError({self})")
    }
}

impl<M> Error for SendError<M> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Refused { cause, .. } => Some(cause),
            _ => None,
        }
    }
}
