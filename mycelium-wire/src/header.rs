//! [`Header`]: the 32 bytes before every payload, and [`FrameKind`]: what the payload is.

use std::fmt;

use crate::{
    BindingId, CloseReason,
    check::CHECK,
    frame_extensions::{self, KNOWN_FLAGS},
};

/// The size of a [`Header`] on the wire.
///
/// ```text
///      0        4     5      6         8        12        16        24       28       32
///      +--------+-----+------+---------+--------+---------+---------+--------+---------+
///      | length |kind |flags |reserved |binding |sequence | request | check  |reserved |
///      |  u32   | u8  |  u8  |   u16   |  u32   |   u32   |   u64   |  u32   |   u32   |
///      +--------+-----+------+---------+--------+---------+---------+--------+---------+
/// ```
///
/// All numbers are little-endian.
pub const HEADER_BYTES: usize = HEADER_LENGTH as usize;

/// The same, as the header counts it.
pub(crate) const HEADER_LENGTH: u32 = 32;

/// Every frame starts at a multiple of this, so that archives are read where they arrived.
pub const FRAME_ALIGNMENT_BYTES: usize = 16;

macro_rules! frame_kinds {
    ($($(#[$doc:meta])* $kind:ident = $code:literal,)*) => {
        /// What a frame carries.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum FrameKind {
            $($(#[$doc])* $kind = $code,)*
        }

        impl FrameKind {
            /// Every kind, in the order of their codes.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// The kind with this code, or `None` where this version knows none.
            pub const fn from_u8(code: u8) -> Option<Self> {
                match code {
                    $($code => Some(Self::$kind),)*
                    _ => None,
                }
            }
        }
    };
}

frame_kinds! {
    /// Who the peer is and what it speaks; the first frame of each direction.
    Hello = 1,
    /// Gives the nonce of the peer's `Hello` back: the handshake is fresh.
    Confirm = 2,
    /// Sets up a binding to an actor of the receiver.
    Bind = 3,
    /// The target accepted a binding and opens its window.
    Bound = 4,
    /// A message for the binding's actor.
    Message = 5,
    /// What became of a binding's messages so far, by cumulative counts.
    Credit = 6,
    /// Asks the binding's actor to stop after the messages before this frame.
    Stop = 7,
    /// Ends the binding's actor without waiting for anything.
    Kill = 8,
    /// The binding's actor is gone, or was never there.
    Ended = 9,
    /// The binder needs the binding no longer.
    Unbind = 10,
    /// The binding is closed and its number is free.
    Unbound = 11,
    /// Asks for the actor with a name.
    Resolve = 12,
    /// Answers `Resolve`.
    Resolved = 13,
    /// The last frame of a direction: why the link ends.
    Close = 14,
    /// The answer to a reply port that came in a message.
    Reply = 15,
    /// A reply port gets no answer, and why.
    ReplyFailed = 16,
    /// The sender is alive; the peer reports what it has taken.
    Heartbeat = 17,
    /// Nobody waits for the answer to a message any more: it need not be handled.
    Cancel = 18,
    /// The next part of a `Message` or `Reply` that is too long to let others wait for it.
    Fragment = 19,
    /// Somebody who was given a ticket offers an object: its parts follow.
    Offer = 20,
    /// The next bytes of an object.
    Part = 21,
    /// How much of an object was taken: as much more may follow.
    Taken = 22,
    /// No more of an object comes.
    Withdraw = 23,
    /// An object is not wanted, or not any more.
    Decline = 24,
    /// Objects are about to be moved: the dialling side shall make a connection for them.
    Widen = 25,
}

impl FrameKind {
    /// The code that travels.
    pub const fn as_u8(self) -> u8 {
        self as u8
    }

    /// Whether frames of this kind name a binding.
    const fn names_binding(self) -> bool {
        !matches!(
            self,
            Self::Hello
                | Self::Confirm
                | Self::Resolve
                | Self::Resolved
                | Self::Close
                | Self::Reply
                | Self::ReplyFailed
                | Self::Heartbeat
                | Self::Fragment
                | Self::Widen
        ) && !self.names_ticket()
    }

    /// Whether frames of this kind count, or refer to, a binding's messages.
    const fn names_sequence(self) -> bool {
        matches!(
            self,
            Self::Message | Self::Stop | Self::Unbind | Self::Cancel | Self::Fragment
        )
    }

    /// The flags that frames of this kind may have.
    pub(crate) const fn flags(self) -> u8 {
        match self {
            Self::Message => KNOWN_FLAGS,
            _ => 0,
        }
    }

    /// Whether frames of this kind ask something or answer it.
    const fn names_request(self) -> bool {
        matches!(
            self,
            Self::Resolve | Self::Resolved | Self::Reply | Self::ReplyFailed
        ) || self.names_ticket()
    }

    /// Whether frames of this kind move an object.
    pub(crate) const fn names_ticket(self) -> bool {
        matches!(
            self,
            Self::Offer | Self::Part | Self::Taken | Self::Withdraw | Self::Decline
        )
    }
}

impl fmt::Display for FrameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What stands before every payload.
///
/// The reserved fields have no meaning yet: they are written as zero and refused when they are not.
///
/// # Examples
///
/// ```
/// use mycelium_wire::{BindingId, CloseReason, FrameKind, Header};
///
/// let header = Header {
///     binding: BindingId::from_u32(7),
///     sequence: 1,
///     ..Header::new(FrameKind::Message).with_payload(56)
/// };
/// assert_eq!(header.frame_bytes(), 96);
/// assert_eq!(Header::decode(&header.encode())?, header);
/// # Ok::<(), CloseReason>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes of header, extensions and payload together, without the padding behind them.
    pub length: u32,
    /// What the payload is.
    pub kind: FrameKind,
    /// Which [`FrameExtensions`](crate::FrameExtensions) come before the payload: 1 a trace context, 2 the time
    /// of sending; 0 in all kinds but `Message`.
    pub flags: u8,
    /// The binding the frame belongs to; 0 in kinds that belong to none.
    pub binding: BindingId,
    /// A message's number within its binding, wrapping, the first is 1; in `Stop` and `Unbind`
    /// that of the binding's last message; in `Cancel` that of the message it is about; in
    /// `Fragment` the number of its lane; 0 in all other kinds.
    pub sequence: u32,
    /// The question that is asked, or that this frame answers; the ticket of the object that is
    /// moved; 0 in kinds that do nothing of it.
    pub request: u64,
    /// The frame's check on a link with [`Check::Crc32c`](crate::Check::Crc32c), where it may be any
    /// number; 0 on all others.
    pub check: u32,
}

impl Header {
    /// Makes the header of a frame without a payload, that belongs to no binding and no request.
    pub const fn new(kind: FrameKind) -> Self {
        Self {
            length: HEADER_LENGTH,
            kind,
            flags: 0,
            binding: BindingId::from_u32(0),
            sequence: 0,
            request: 0,
            check: 0,
        }
    }

    /// The header for a payload of this size, behind the extensions that its flags tell of.
    ///
    /// # Panics
    ///
    /// When all of it together reaches 4 GiB.
    #[must_use]
    pub fn with_payload(self, payload_bytes: usize) -> Self {
        let length = u32::try_from(HEADER_BYTES + self.extension_bytes() + payload_bytes)
            .expect("the message limit keeps frames below 4 GiB");
        Self { length, ..self }
    }

    /// Bytes between the header and the payload.
    pub const fn extension_bytes(&self) -> usize {
        frame_extensions::size_bytes(self.flags)
    }

    /// The bytes the whole frame occupies: header, extensions, payload and padding.
    pub const fn frame_bytes(&self) -> usize {
        (self.length as usize).next_multiple_of(FRAME_ALIGNMENT_BYTES)
    }

    /// Lays the header out as it travels.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..4].copy_from_slice(&self.length.to_le_bytes());
        bytes[4] = self.kind.as_u8();
        bytes[5] = self.flags;
        bytes[8..12].copy_from_slice(&self.binding.as_u32().to_le_bytes());
        bytes[12..16].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.request.to_le_bytes());
        bytes[CHECK].copy_from_slice(&self.check.to_le_bytes());
        bytes
    }

    /// Reads a header and checks everything that needs no context.
    ///
    /// # Errors
    ///
    /// [`CloseReason::UnknownKind`], and [`CloseReason::Malformed`] for a length below the
    /// header's own and that of its extensions, for a flag that is not known in its kind, for a
    /// reserved field that is not zero, and for a binding, sequence or request in a kind that has
    /// none.
    pub fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, CloseReason> {
        let kind = FrameKind::from_u8(bytes[4]).ok_or(CloseReason::UnknownKind(bytes[4]))?;
        let header = Self {
            length: u32_at(bytes, 0),
            kind,
            flags: bytes[5],
            binding: BindingId::from_u32(u32_at(bytes, 8)),
            sequence: u32_at(bytes, 12),
            request: u64::from(u32_at(bytes, 20)) << 32 | u64::from(u32_at(bytes, 16)),
            check: u32_at(bytes, CHECK.start),
        };
        match header.fault(bytes) {
            Some(what) => Err(CloseReason::Malformed { kind, what }),
            None => Ok(header),
        }
    }

    fn fault(&self, bytes: &[u8; HEADER_BYTES]) -> Option<&'static str> {
        let kind = self.kind;
        if self.length < HEADER_LENGTH {
            Some("the length is below the header's own")
        } else if self.flags & !kind.flags() != 0 {
            Some("a flag is set that this kind does not know")
        } else if (self.length as usize) < HEADER_BYTES + self.extension_bytes() {
            Some("the extensions are longer than the frame")
        } else if bytes[6..8] != [0; 2] || bytes[28..32] != [0; 4] {
            Some("a reserved field is not zero")
        } else if self.binding.as_u32() != 0 && !kind.names_binding() {
            Some("this kind belongs to no binding")
        } else if self.sequence != 0 && !kind.names_sequence() {
            Some("this kind has no sequence")
        } else if self.request != 0 && !kind.names_request() {
            Some("this kind has no request")
        } else {
            None
        }
    }
}

fn u32_at(bytes: &[u8; HEADER_BYTES], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{FrameKind, HEADER_BYTES, Header};
    use crate::{BindingId, CloseReason};

    fn message() -> Header {
        Header {
            binding: BindingId::from_u32(0x0102_0304),
            sequence: 0x0506_0708,
            ..Header::new(FrameKind::Message)
        }
    }

    #[test]
    fn fields_that_must_be_zero_are_refused_when_they_are_not() {
        for at in [6, 7, 16, 23, 28, 31] {
            let mut bytes = message().encode();
            bytes[at] = 1;
            let refused = Header::decode(&bytes);
            assert!(
                matches!(
                    refused,
                    Err(CloseReason::Malformed {
                        kind: FrameKind::Message,
                        ..
                    })
                ),
                "byte {at}: {refused:?}"
            );
        }
    }

    #[test]
    fn flags_are_taken_of_messages_that_hold_their_extensions() {
        let taken = |header: Header| Header::decode(&header.encode()).is_ok();
        for kind in FrameKind::ALL.iter().copied() {
            for flags in 0..=u8::MAX {
                let flagged = Header {
                    flags,
                    ..Header::new(kind)
                };
                let is_known = flags == 0 || kind == FrameKind::Message && flags <= 3;
                assert_eq!(taken(flagged.with_payload(0)), is_known, "{kind} {flags}");
                let mut cut = flagged.with_payload(0);
                cut.length -= 1;
                assert!(!taken(cut), "{kind} {flags}");
            }
        }
    }

    #[test]
    fn lengths_below_the_header_are_refused() {
        let mut header = message();
        header.length = 31;
        assert!(Header::decode(&header.encode()).is_err());
    }

    #[test]
    fn unknown_kinds_are_named() {
        let mut bytes = message().encode();
        bytes[4] = 200;
        assert_eq!(Header::decode(&bytes), Err(CloseReason::UnknownKind(200)));
    }

    proptest! {
        #[test]
        fn what_decodes_encodes_to_the_same_bytes(bytes: [u8; HEADER_BYTES]) {
            if let Ok(header) = Header::decode(&bytes) {
                prop_assert_eq!(header.encode(), bytes);
            }
        }

        #[test]
        fn every_legal_header_comes_back(
            kind in prop::sample::select(FrameKind::ALL),
            payload_bytes in 0_usize..1 << 20,
            binding: u32,
            sequence: u32,
            request: u64,
            check: u32,
            flags: u8,
        ) {
            let flags = flags & kind.flags();
            let mut header = Header { flags, ..Header::new(kind) }.with_payload(payload_bytes);
            header.check = check;
            if kind.names_binding() {
                header.binding = BindingId::from_u32(binding);
            }
            if kind.names_sequence() {
                header.sequence = sequence;
            }
            if kind.names_request() {
                header.request = request;
            }
            prop_assert_eq!(Header::decode(&header.encode()), Ok(header));
        }
    }
}
