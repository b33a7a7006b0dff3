//! The frames that move an object: [`Part`] carries its bytes, [`Decline`] says why it is not taken.

use rkyv::util::AlignedVec;

use crate::{
    Check, CloseReason, FRAGMENT_BYTES, FrameKind, Header, control::Reader, header::HEADER_BYTES,
    outbound::OutboundBuffer,
};

/// The most bytes of an object that one frame carries.
pub const PART_BYTES: usize = FRAGMENT_BYTES - HEADER_BYTES;

/// How many bytes of an object may be on their way or wait to be taken.
///
/// What is written before a message has to be read before it: a wider window lets messages wait for
/// longer beside an object, a narrower one limits the object to so many bytes for each round trip.
pub const TRANSFER_WINDOW_BYTES: u64 = 256 << 10;

/// A part of an object as it leaves, made before the link is locked.
pub struct Part {
    pub(crate) ticket: u64,
    pub(crate) frame: AlignedVec<16>,
}

impl Part {
    /// Copies the next bytes of an object into a frame.
    ///
    /// # Panics
    ///
    /// When there are none, or more than [`PART_BYTES`].
    pub fn new(ticket: u64, bytes: &[u8], check: Check) -> Self {
        assert!(
            (1..=PART_BYTES).contains(&bytes.len()),
            "a part has 1 to {PART_BYTES} bytes"
        );
        let header = Header {
            request: ticket,
            ..Header::new(FrameKind::Part)
        };
        let frame = OutboundBuffer::one_frame(check, header, bytes);
        Self { ticket, frame }
    }
}

/// Why an object is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Decline {
    /// Nobody waits for it: its ticket was used before, or whoever had it waits no longer.
    #[error("nobody waits for the object")]
    NotExpected,
    /// It is longer than whoever waits for it admits.
    #[error("the object is longer than the {limit_bytes} bytes that its receiver takes")]
    TooLarge {
        /// What the receiver takes.
        limit_bytes: u64,
    },
    /// Its receiver wants no more of it.
    #[error("the receiver wants no more of the object")]
    NoLonger,
}

impl Decline {
    pub(crate) fn write(self, out: &mut AlignedVec<16>) {
        match self {
            Self::NotExpected => out.push(1),
            Self::TooLarge { limit_bytes } => {
                out.push(2);
                out.extend_from_slice(&limit_bytes.to_le_bytes());
            }
            Self::NoLonger => out.push(3),
        }
    }

    pub(crate) fn read(payload: &[u8]) -> Result<Self, CloseReason> {
        let mut reader = Reader::new(FrameKind::Decline, payload);
        let why = match reader.u8()? {
            1 => Self::NotExpected,
            2 => Self::TooLarge {
                limit_bytes: reader.u64()?,
            },
            3 => Self::NoLonger,
            _ => return Err(reader.fault("unknown reason")),
        };
        reader.finish()?;
        Ok(why)
    }
}

/// Reads a payload that is one number of bytes.
pub(crate) fn read_bytes(kind: FrameKind, payload: &[u8]) -> Result<u64, CloseReason> {
    let mut reader = Reader::new(kind, payload);
    let bytes = reader.u64()?;
    reader.finish()?;
    Ok(bytes)
}
