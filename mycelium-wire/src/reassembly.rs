//! [`Reassembly`]: frames that arrive in fragments.

use bytes::{Buf, Bytes};
use rkyv::util::AlignedVec;

use crate::{
    BindingId, CloseReason, FrameExtensions, FrameKind, Header, Limits, bulk::LANES,
    header::HEADER_BYTES,
};

/// The frames of one direction that have not arrived whole; at most [`LANES`] of them, each no
/// longer than the limit, and none with more memory than twice what has come of it.
#[derive(Debug, Default)]
pub(crate) struct Reassembly([Option<Partial>; LANES]);

#[derive(Debug)]
struct Partial {
    header: Header,
    bytes: AlignedVec<16>,
}

/// A frame that has arrived in fragments.
pub(crate) enum LongFrame {
    Message {
        binding: BindingId,
        sequence: u32,
        extensions: FrameExtensions,
        archive: Bytes,
    },
    Reply {
        request: u64,
        archive: Bytes,
    },
}

impl Reassembly {
    /// Takes a fragment of a lane; gives the frame that it was the last one of.
    pub(crate) fn take(
        &mut self,
        lane: u32,
        fragment: &[u8],
        limits: &Limits,
    ) -> Result<Option<LongFrame>, CloseReason> {
        let slot = self
            .0
            .get_mut(lane as usize)
            .ok_or_else(|| malformed("there is no such lane"))?;
        let partial = match slot {
            Some(partial) => partial,
            None => slot.insert(Partial::begin(fragment, limits)?),
        };
        partial.add(fragment)?;
        if !partial.is_whole() {
            return Ok(None);
        }
        Ok(slot.take().map(Partial::finish))
    }
}

impl Partial {
    /// Reads the header of the frame that a first fragment begins with.
    fn begin(fragment: &[u8], limits: &Limits) -> Result<Self, CloseReason> {
        let header = fragment.first_chunk::<HEADER_BYTES>();
        let header = Header::decode(header.ok_or_else(|| malformed("it has no header"))?)?;
        if header.check != 0 {
            return Err(malformed("the frame within has a check of its own"));
        }
        if !matches!(header.kind, FrameKind::Message | FrameKind::Reply) {
            return Err(malformed("only messages and replies come in fragments"));
        }
        let before = header.with_payload(0).length;
        let limit = limits.message_bytes.saturating_add(before);
        let length = header.length;
        if length > limit {
            return Err(CloseReason::FrameTooLarge { length, limit });
        }
        let bytes = AlignedVec::with_capacity(fragment.len());
        Ok(Self { header, bytes })
    }

    fn add(&mut self, fragment: &[u8]) -> Result<(), CloseReason> {
        let missing_bytes = self.header.frame_bytes() - self.bytes.len();
        if fragment.is_empty() || fragment.len() > missing_bytes {
            return Err(malformed("it is empty, or longer than what is left"));
        }
        let wanted_bytes = self.bytes.len() + fragment.len();
        if wanted_bytes > self.bytes.capacity() {
            let room_bytes = (2 * wanted_bytes).min(self.header.frame_bytes());
            self.bytes.reserve_exact(room_bytes - self.bytes.len());
        }
        self.bytes.extend_from_slice(fragment);
        Ok(())
    }

    fn is_whole(&self) -> bool {
        self.bytes.len() == self.header.frame_bytes()
    }

    fn finish(self) -> LongFrame {
        let Self { header, bytes } = self;
        let mut archive = Bytes::from_owner(bytes);
        archive.truncate(header.length as usize);
        archive.advance(HEADER_BYTES);
        let extensions = archive.split_to(header.extension_bytes());
        match header.kind {
            FrameKind::Reply => LongFrame::Reply {
                request: header.request,
                archive,
            },
            _ => LongFrame::Message {
                binding: header.binding,
                sequence: header.sequence,
                extensions: FrameExtensions::read(header.flags, &extensions),
                archive,
            },
        }
    }
}

fn malformed(what: &'static str) -> CloseReason {
    CloseReason::Malformed {
        kind: FrameKind::Fragment,
        what,
    }
}
