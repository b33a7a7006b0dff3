//! [`TransferError`]: why an object did not arrive whole.

use std::io;

use mycelium_wire::Decline;

use crate::LinkRefusal;

/// Why an object did not arrive whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// Nobody waits for the object: its ticket was used before, or its holder waits no longer. Ask
    /// for a new ticket.
    #[error("nobody waits for the object: its ticket was used before, or given up")]
    NotExpected,
    /// The receiver takes no object of this length.
    #[error(
        "an object of {length_bytes} bytes is longer than the {limit_bytes} that its receiver takes"
    )]
    TooLarge {
        /// The object's.
        length_bytes: u64,
        /// The receiver's.
        limit_bytes: u64,
    },
    /// The receiver has given the object up.
    #[error("the receiver wants no more of the object")]
    Declined,
    /// The sender has given the object up: its source failed, or its transfer was dropped.
    #[error("the sender has given the object up")]
    Withdrawn,
    /// The source holds less than was promised.
    #[error("the source ended {missing_bytes} bytes before the length that was given")]
    SourceEnded {
        /// How much less.
        missing_bytes: u64,
    },
    /// The source could not be read.
    #[error("the source of the object could not be read")]
    Source(#[from] io::Error),
    /// The connection was lost, or is being dialled again. Objects are not resumed: transfer it again, from
    /// its start; where that is [`NotExpected`](Self::NotExpected), the ticket was used.
    #[error("the connection that objects go over was lost")]
    LinkDown,
    /// The other node is down.
    #[error("the node is down")]
    NodeDown,
    /// The other node has been restarted since the ticket was given out.
    #[error("the node has been restarted")]
    Stale,
    /// This node has no link to the receiver's node: make it a peer.
    #[error("this node is not linked to the receiver's node")]
    Unreachable,
}

/// How a transfer ended before its time, as both ends keep it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    NotExpected,
    TooLarge { length_bytes: u64, limit_bytes: u64 },
    Declined,
    Withdrawn,
    LinkDown,
    NodeDown,
}

impl Ended {
    /// What a sender makes of the receiver's word.
    pub(crate) fn declined(why: Decline, length_bytes: u64) -> Self {
        match why {
            Decline::NotExpected => Self::NotExpected,
            Decline::TooLarge { limit_bytes } => Self::TooLarge {
                length_bytes,
                limit_bytes,
            },
            Decline::NoLonger => Self::Declined,
        }
    }
}

impl From<Ended> for TransferError {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::NotExpected => Self::NotExpected,
            Ended::TooLarge {
                length_bytes,
                limit_bytes,
            } => Self::TooLarge {
                length_bytes,
                limit_bytes,
            },
            Ended::Declined => Self::Declined,
            Ended::Withdrawn => Self::Withdrawn,
            Ended::LinkDown => Self::LinkDown,
            Ended::NodeDown => Self::NodeDown,
        }
    }
}

impl From<LinkRefusal> for TransferError {
    fn from(refusal: LinkRefusal) -> Self {
        match refusal {
            LinkRefusal::NodeDown => Self::NodeDown,
            LinkRefusal::Stale => Self::Stale,
            LinkRefusal::Unreachable => Self::Unreachable,
            _ => Self::LinkDown,
        }
    }
}
