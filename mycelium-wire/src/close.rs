//! [`CloseReason`]: why a link ends, and whose fault that is.

use crate::{BindingId, FrameKind, HandshakeState, NodeName, control::limited_text};

/// Why a link ends.
///
/// The side that erred is the subject of the text: "the peer ..." where it broke the protocol, both
/// where they cannot work together, nobody where the end was asked for. The peer receives
/// [`code`](Self::code) and text in a `Close` frame and sees them as [`ByPeer`](Self::ByPeer).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// The node or its user ended the link in an orderly way.
    #[error("the link was closed on request")]
    Requested,

    /// Whoever is on the other end does not speak this protocol.
    #[error("the peer does not speak Mycelium: its first bytes are {0}")]
    NotMycelium(Box<str>),

    /// Both speak Mycelium, but not alike; one of them needs another build.
    #[error("the peer is incompatible: {0}")]
    Incompatible(#[from] Incompatibility),

    /// The handshake was recorded from another connection, or is our own, sent back.
    #[error("the peer replayed a handshake")]
    Replayed,

    /// The peer is not the node that was dialled.
    #[error("the peer is {found}, wanted {wanted}")]
    WrongNode {
        /// The node that was expected.
        wanted: Box<str>,
        /// The node that answered.
        found: Box<str>,
    },

    /// The peer's certificate is that of another node.
    #[error("the peer says that it is {claimed}, its certificate is for {certified}")]
    WrongCertificateName {
        /// The DNS names in the certificate.
        certified: Box<str>,
        /// The name in the peer's `Hello`.
        claimed: NodeName,
    },

    /// Another node of this name is linked already.
    #[error("another node named {0} is linked already")]
    DuplicateNode(NodeName),

    /// This node holds as many links as it may.
    #[error("this node is linked to {limit} others, which is its limit")]
    TooManyLinks {
        /// The limit in force.
        limit: usize,
    },

    /// Nothing came for so long that the peer was declared down.
    #[error("nothing was heard of the peer for {silent_ms} ms: it was declared down")]
    Silent {
        /// How long nothing came, in milliseconds.
        silent_ms: u64,
    },

    /// The handshake was not done in time.
    #[error("the peer did not finish the handshake in time")]
    HandshakeTimeout,

    /// The peer sent a kind of frame that this version does not know.
    #[error("the peer sent a frame of unknown kind {0}")]
    UnknownKind(u8),

    /// A frame of the peer is not laid out as its kind demands.
    #[error("the peer sent a malformed {kind} frame: {what}")]
    Malformed {
        /// The kind of the frame.
        kind: FrameKind,
        /// What is wrong with it.
        what: &'static str,
    },

    /// A frame has no place in the state the handshake is in.
    #[error("the peer sent a {kind} frame while we {state}")]
    Unexpected {
        /// The kind of the frame.
        kind: FrameKind,
        /// What was waited for.
        state: HandshakeState,
    },

    /// A frame is longer than this phase and kind allow.
    #[error("the peer announced a frame of {length} bytes, the limit is {limit}")]
    FrameTooLarge {
        /// Bytes of header and payload that the header claims.
        length: u32,
        /// The limit in force.
        limit: u32,
    },

    /// A frame belongs to a binding that does not exist.
    #[error("the peer used {0}, which is not bound")]
    UnknownBinding(BindingId),

    /// The peer bound an id twice.
    #[error("the peer bound {0}, which is bound already")]
    BindingInUse(BindingId),

    /// The peer bound an id at or above the limit.
    #[error("the peer bound more than {limit} actors")]
    TooManyBindings {
        /// The limit in force.
        limit: u32,
    },

    /// The peer asked for more names, or called forth more other answers, than it read.
    #[error("the peer asks without reading the answers, {limit} wait")]
    TooManyQuestions {
        /// The most answers that may wait.
        limit: usize,
    },

    /// The peer tried too many keys that open no actor.
    #[error("the peer showed too many wrong keys")]
    TooManyWrongKeys,

    /// A message, stop or unbind does not follow the binding's last message.
    #[error("the peer sent sequence {found} on {binding}, wanted {wanted}")]
    OutOfOrder {
        /// The binding.
        binding: BindingId,
        /// The sequence that had to follow.
        wanted: u32,
        /// The sequence that came.
        found: u32,
    },

    /// The peer sent more than the window of a binding allows.
    #[error("the peer sent beyond the window of {binding}")]
    CreditExceeded {
        /// The binding.
        binding: BindingId,
    },

    /// The peer returned credit that cannot be true.
    #[error("the peer returned impossible credit on {binding}")]
    CreditForged {
        /// The binding.
        binding: BindingId,
    },

    /// A frame's check differs from its bytes, or a message's archive failed validation.
    #[error("the peer's bytes are corrupt: {0}")]
    Corrupt(Box<str>),

    /// The peer closed the link; the blame is as the peer saw it.
    #[error("the peer closed the link (code {code}): {text}")]
    ByPeer {
        /// The peer's [`CloseReason::code`]; may be one that this version does not know.
        code: u8,
        /// The peer's words.
        text: Box<str>,
    },
}

impl CloseReason {
    const REQUESTED: u8 = 1;
    const SILENT: u8 = 21;

    /// The code that the peer receives.
    pub fn code(&self) -> u8 {
        match self {
            Self::Requested => Self::REQUESTED,
            Self::NotMycelium(_) => 2,
            Self::Incompatible(_) => 3,
            Self::Replayed => 4,
            Self::WrongNode { .. } => 5,
            Self::DuplicateNode(_) => 6,
            Self::HandshakeTimeout => 7,
            Self::UnknownKind(_) => 8,
            Self::Malformed { .. } => 9,
            Self::Unexpected { .. } => 10,
            Self::FrameTooLarge { .. } => 11,
            Self::UnknownBinding(_) => 12,
            Self::BindingInUse(_) => 13,
            Self::TooManyBindings { .. } => 14,
            Self::TooManyWrongKeys => 15,
            Self::OutOfOrder { .. } => 16,
            Self::CreditExceeded { .. } => 17,
            Self::CreditForged { .. } => 18,
            Self::Corrupt(_) => 19,
            Self::TooManyQuestions { .. } => 20,
            Self::Silent { .. } => Self::SILENT,
            Self::TooManyLinks { .. } => 22,
            Self::WrongCertificateName { .. } => 23,
            Self::ByPeer { code, .. } => *code,
        }
    }

    /// Whether the end was asked for, here or by the peer, and nobody erred.
    pub fn is_orderly(&self) -> bool {
        self.code() == Self::REQUESTED
    }

    /// Whether the link is over and not only its connection: whoever says so counts the other as
    /// down.
    pub fn is_final(&self) -> bool {
        self.is_orderly() || self.code() == Self::SILENT
    }

    /// The reason as the peer will see it, with the text cut to what travels.
    #[must_use]
    pub fn seen_by_peer(&self) -> Self {
        Self::ByPeer {
            code: self.code(),
            text: limited_text(&self.to_string()).into(),
        }
    }
}

/// What two nodes that speak Mycelium do not share.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Incompatibility {
    /// There is no protocol version that both speak.
    #[error(
        "it speaks protocol versions {}, this node speaks {}",
        display_range(*.theirs),
        display_range(*.ours)
    )]
    Versions {
        /// The oldest and newest version of this node.
        ours: (u16, u16),
        /// The oldest and newest version of the peer.
        theirs: (u16, u16),
    },

    /// The two builds archive the same value in different bytes.
    #[error(
        "its build lays rkyv archives out differently: rkyv's format features (little_endian or \
         big_endian, aligned or unaligned, pointer_width_16, _32 or _64) must be the same in both \
         builds, and any crate of a build can switch them"
    )]
    ArchiveFormat,
}

fn display_range((oldest, newest): (u16, u16)) -> String {
    if oldest == newest {
        oldest.to_string()
    } else {
        format!("{oldest} to {newest}")
    }
}
