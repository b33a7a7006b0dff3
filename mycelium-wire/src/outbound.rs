//! [`OutboundBuffer`]: whole frames that wait for the writer, and at most one unfinished one.

use std::mem;

use rkyv::util::AlignedVec;

use crate::{
    Check, Header,
    check::CHECK,
    header::{FRAME_ALIGNMENT_BYTES, HEADER_BYTES},
};

/// A frame counts from [`commit`](Self::commit) on. One that was begun and not committed, because
/// its encoding failed or panicked, is dropped by whatever comes next.
pub(crate) struct OutboundBuffer {
    check: Check,
    bytes: AlignedVec<16>,
    committed_bytes: usize,
}

impl OutboundBuffer {
    pub(crate) fn new(check: Check) -> Self {
        Self {
            check,
            bytes: AlignedVec::new(),
            committed_bytes: 0,
        }
    }

    /// A whole frame that waits beside the others.
    pub(crate) fn one_frame(check: Check, header: Header, payload: &[u8]) -> AlignedVec<16> {
        let mut alone = Self::new(check);
        alone
            .bytes
            .reserve_exact(header.with_payload(payload.len()).frame_bytes());
        alone.frame(header, |out| out.extend_from_slice(payload));
        alone.bytes
    }

    /// Bytes of whole frames.
    pub(crate) fn committed_bytes(&self) -> usize {
        self.committed_bytes
    }

    /// Bytes of the unfinished frame behind its header: extensions and payload.
    pub(crate) fn body_bytes(&self) -> usize {
        self.bytes.len() - self.committed_bytes - HEADER_BYTES
    }

    /// Leaves room for a header; extensions and the payload are to be appended.
    pub(crate) fn begin(&mut self) -> &mut AlignedVec<16> {
        self.bytes.resize(self.committed_bytes, 0);
        self.bytes.extend_from_slice(&[0; HEADER_BYTES]);
        &mut self.bytes
    }

    /// Finishes the frame: pads it and fills the header in, with the length and check of what was
    /// appended.
    pub(crate) fn commit(&mut self, header: Header) {
        let start = self.committed_bytes;
        let header = self.measured(header);
        self.bytes.resize(start + header.frame_bytes(), 0);
        let frame = &mut self.bytes[start..start + header.length as usize];
        frame[..HEADER_BYTES].copy_from_slice(&header.encode());
        let check = self.check.of(frame);
        frame[CHECK].copy_from_slice(&check.to_le_bytes());
        self.committed_bytes = self.bytes.len();
    }

    /// Finishes a frame that will leave in fragments, and takes it out; each fragment has a check of
    /// its own.
    pub(crate) fn cut_long(&mut self, header: Header) -> AlignedVec<16> {
        let start = self.committed_bytes;
        let header = self.measured(header);
        self.bytes.resize(start + header.frame_bytes(), 0);
        self.bytes[start..start + HEADER_BYTES].copy_from_slice(&header.encode());
        self.cut(start)
    }

    /// The header with the length of what was appended.
    fn measured(&self, header: Header) -> Header {
        header.with_payload(self.body_bytes() - header.extension_bytes())
    }

    /// Takes out the whole frames from there on.
    pub(crate) fn cut(&mut self, start: usize) -> AlignedVec<16> {
        let mut frames = AlignedVec::with_capacity(self.bytes.len() - start);
        frames.extend_from_slice(&self.bytes[start..]);
        self.bytes.resize(start, 0);
        self.committed_bytes = start;
        frames
    }

    /// Appends frames that were whole before.
    pub(crate) fn append(&mut self, frames: &[u8]) {
        self.bytes.resize(self.committed_bytes, 0);
        self.bytes.extend_from_slice(frames);
        self.committed_bytes = self.bytes.len();
    }

    /// Writes a whole frame.
    pub(crate) fn frame(&mut self, header: Header, write: impl FnOnce(&mut AlignedVec<16>)) {
        write(self.begin());
        self.commit(header);
    }

    /// Swaps the whole frames with the empty `spare`, or says that there are none.
    ///
    /// The two take turns, and which of them meets the largest batch is chance: the other grows
    /// with it at once, so that traffic like before allocates nothing.
    pub(crate) fn take(&mut self, spare: &mut AlignedVec<16>) -> bool {
        if self.committed_bytes == 0 {
            return false;
        }
        self.bytes.resize(self.committed_bytes, 0);
        spare.clear();
        mem::swap(&mut self.bytes, spare);
        self.bytes.reserve(spare.capacity());
        self.committed_bytes = 0;
        true
    }
}

const _: () = assert!(HEADER_BYTES.is_multiple_of(FRAME_ALIGNMENT_BYTES));
