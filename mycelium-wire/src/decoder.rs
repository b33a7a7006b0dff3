//! [`FrameDecoder`]: cuts a stream of bytes into frames, in the buffer they were read into.
//!
//! Consumed frames stay in front of `start` until room is needed, so that in steady state nothing
//! is copied but the part of a frame that a read cut off. All frames are multiples of 16 long and
//! bytes are only ever moved to an allocation's start: a frame begins 16-aligned wherever the
//! allocator's buffers do. Allocators may give other addresses for bytes; there [`Frame::detach`]
//! copies.

use std::{fmt, ops::Range};

use bytes::{Buf, Bytes, BytesMut};

use crate::{
    Check, CloseReason, FRAGMENT_BYTES, FrameExtensions, FrameKind, Header, Limits, aligned,
    check::CHECK,
    control::CONTROL_FRAME_BYTES,
    header::{FRAME_ALIGNMENT_BYTES, HEADER_BYTES},
};

/// What a connection reads into at a time.
const NORMAL_BYTES: usize = FRAGMENT_BYTES;

/// The most that a fragment's header may claim.
#[expect(clippy::cast_possible_truncation, reason = "64 KiB")]
const FRAGMENT_LENGTH: u32 = FRAGMENT_BYTES as u32;

/// The room that a read finds at least, where the frame under way does not end before.
const SPARE_BYTES: usize = 4 << 10;

/// Cuts the bytes of one direction of a link into frames.
///
/// Never holds more than 64 KiB, whatever a header claims: longer messages come in fragments. Frames
/// that were detached are held by whoever has them. Costs no allocation while nothing is detached.
#[derive(Debug)]
pub struct FrameDecoder {
    buffer: BytesMut,
    /// Bytes of `buffer` that were consumed.
    start: usize,
    /// Bytes the frame at `start` occupies, as far as its header is known.
    wanted_bytes: usize,
    limit_control: u32,
    /// Of messages, replies, fragments of these, and parts of objects.
    limit_message: u32,
    check: Check,
}

impl FrameDecoder {
    /// Makes a decoder that admits frames of the handshake only.
    pub fn new(limits: Limits, check: Check) -> Self {
        Self {
            buffer: BytesMut::new(),
            start: 0,
            wanted_bytes: 0,
            limit_control: limits.handshake_frame_bytes,
            limit_message: limits.handshake_frame_bytes,
            check,
        }
    }

    /// Admits frames of all kinds: the handshake is done.
    pub fn open(&mut self) {
        self.limit_control = CONTROL_FRAME_BYTES;
        self.limit_message = FRAGMENT_LENGTH;
    }

    /// Bytes that were read and not yet consumed.
    pub fn pending(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Forgets what was read and not consumed: nothing more will be cut from this stream.
    pub(crate) fn discard(&mut self) {
        self.start = self.buffer.len();
        self.wanted_bytes = 0;
    }

    /// The buffer to append to: with room for the rest of a frame that has begun, else for 4 KiB.
    ///
    /// Only append, and only into the spare capacity. Call [`next_frame`](Self::next_frame) until it gives
    /// nothing before asking for room again, else the buffer grows.
    pub fn buffer(&mut self) -> &mut BytesMut {
        if self.start == self.buffer.len() {
            self.rewind();
        }
        let held = self.buffer.len() - self.start;
        let needed = self.needed_bytes(held);
        if self.buffer.capacity() - self.start < needed {
            self.make_room(held, needed);
        }
        &mut self.buffer
    }

    /// The next complete frame, or nothing where more bytes are needed.
    ///
    /// # Errors
    ///
    /// What [`Header::decode`] refuses, [`CloseReason::FrameTooLarge`], [`CloseReason::Malformed`] for
    /// a check on a link without checks, and [`CloseReason::Corrupt`] for one that differs from the
    /// frame's bytes. Nothing that follows can be told apart any more.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, CloseReason> {
        let Some(bytes) = self.pending().first_chunk() else {
            return Ok(None);
        };
        let header = Header::decode(bytes)?;
        self.check_length(&header)?;
        self.check_is_meant(&header)?;
        self.wanted_bytes = header.frame_bytes();
        if self.buffer.len() - self.start < self.wanted_bytes {
            return Ok(None);
        }
        self.verify(&header)?;
        let start = self.start;
        self.start += self.wanted_bytes;
        self.wanted_bytes = 0;
        Ok(Some(Frame {
            header,
            start,
            decoder: self,
        }))
    }

    fn check_length(&self, header: &Header) -> Result<(), CloseReason> {
        let limit = match header.kind {
            FrameKind::Message | FrameKind::Reply | FrameKind::Fragment | FrameKind::Part => {
                self.limit_message
            }
            _ => self.limit_control,
        };
        let length = header.length;
        if length > limit {
            return Err(CloseReason::FrameTooLarge { length, limit });
        }
        Ok(())
    }

    /// Refuses a check where none is wanted, before the frame is waited for.
    fn check_is_meant(&self, header: &Header) -> Result<(), CloseReason> {
        if self.check == Check::None && header.check != 0 {
            return Err(CloseReason::Malformed {
                kind: header.kind,
                what: "a check is set on a link without checks",
            });
        }
        Ok(())
    }

    /// Compares the check of the complete frame at `start` with its bytes.
    fn verify(&mut self, header: &Header) -> Result<(), CloseReason> {
        if self.check == Check::None {
            return Ok(());
        }
        let frame = &mut self.buffer[self.start..self.start + header.length as usize];
        // The header was read: one pass over the bytes needs zeros here.
        frame[CHECK].fill(0);
        let computed = self.check.of(frame);
        if computed == header.check {
            Ok(())
        } else {
            Err(corrupt(header, computed))
        }
    }

    /// Everything is consumed: the next frame may start where the buffer does.
    fn rewind(&mut self) {
        self.start = 0;
        self.buffer.clear();
        // After a detached frame is dropped, its part of the buffer comes back here.
        let _still_held = !self.buffer.try_reclaim(NORMAL_BYTES);
    }

    /// Bytes from `start` that the buffer must be able to hold.
    fn needed_bytes(&self, held: usize) -> usize {
        let least = (held + SPARE_BYTES).min(NORMAL_BYTES.max(held + FRAME_ALIGNMENT_BYTES));
        least.max(self.wanted_bytes)
    }

    #[cold]
    fn make_room(&mut self, held: usize, needed: usize) {
        if self.buffer.capacity() >= needed {
            self.buffer.copy_within(self.start.., 0);
            self.buffer.truncate(held);
        } else {
            self.move_to_room(held, needed);
        }
        self.start = 0;
    }

    fn move_to_room(&mut self, held: usize, needed: usize) {
        self.buffer.advance(self.start);
        if self.buffer.try_reclaim(needed - held) {
            return;
        }
        let mut roomy = BytesMut::with_capacity(needed.max(NORMAL_BYTES));
        roomy.extend_from_slice(&self.buffer);
        self.buffer = roomy;
    }
}

#[cold]
fn corrupt(header: &Header, computed: u32) -> CloseReason {
    let Header { kind, check, .. } = header;
    CloseReason::Corrupt(
        format!("a {kind} frame carries the check {check:#010x}, its bytes give {computed:#010x}")
            .into(),
    )
}

/// A complete frame in the receive buffer; the next one comes after it is dropped or detached.
pub struct Frame<'a> {
    header: Header,
    start: usize,
    decoder: &'a mut FrameDecoder,
}

impl<'a> Frame<'a> {
    /// The frame's header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What comes before the payload, where the header tells of it.
    pub fn extensions(&self) -> FrameExtensions {
        let start = self.start + HEADER_BYTES;
        let bytes = &self.decoder.buffer[start..start + self.header.extension_bytes()];
        FrameExtensions::read(self.header.flags, bytes)
    }

    /// The payload, where it was read into: 16-aligned if the allocator's buffers are.
    pub fn payload(&self) -> &[u8] {
        &self.decoder.buffer[self.payload_range()]
    }

    /// The payload for as long as nothing is read.
    pub fn into_payload(self) -> &'a [u8] {
        let range = self.payload_range();
        &self.decoder.buffer[range]
    }

    /// Keeps the payload beyond the next read, 16-aligned, as a slice of the receive buffer.
    ///
    /// Copies nothing, and allocates at most once per receive buffer; but the whole buffer, 64 KiB
    /// or one longer frame, stays in memory until all slices of it are dropped. Where the allocator
    /// put the buffer at another address than a multiple of 16, the payload is copied to one.
    pub fn detach(self) -> Bytes {
        let Range { start, end } = self.payload_range();
        let payload_bytes = end - start;
        let padding_bytes = self.header.frame_bytes() - self.header.length as usize;
        let buffer = &mut self.decoder.buffer;
        buffer.advance(start);
        let payload = buffer.split_to(payload_bytes);
        buffer.advance(padding_bytes);
        self.decoder.start = 0;
        aligned::aligned(payload.freeze())
    }

    /// Gives the decoder back for the frames that follow.
    pub(crate) fn into_decoder(self) -> &'a mut FrameDecoder {
        self.decoder
    }

    fn payload_range(&self) -> Range<usize> {
        let before_bytes = HEADER_BYTES + self.header.extension_bytes();
        self.start + before_bytes..self.start + self.header.length as usize
    }
}

impl fmt::Debug for Frame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use bytes::{Buf, BytesMut};
    use rkyv::{ser::allocator::Arena, util::AlignedVec};

    use super::{FrameDecoder, NORMAL_BYTES, SPARE_BYTES};
    use crate::{Check, Codec, Encoder, FrameKind, Header, Limits, Payload, open};

    fn opened() -> FrameDecoder {
        let mut decoder = FrameDecoder::new(Limits::default(), Check::None);
        decoder.open();
        decoder
    }

    fn spare_bytes(decoder: &mut FrameDecoder) -> usize {
        let buffer = decoder.buffer();
        buffer.capacity() - buffer.len()
    }

    fn frame(payload_bytes: usize) -> Vec<u8> {
        let header = Header::new(FrameKind::Message).with_payload(payload_bytes);
        let mut bytes = header.encode().to_vec();
        bytes.resize(header.frame_bytes(), 0);
        bytes
    }

    #[test]
    fn there_is_room_for_the_rest_of_a_frame_that_has_begun() {
        let before = frame(40_000);
        for payload_bytes in [20_000, 50_000, 65_000] {
            let mut decoder = opened();
            let begun = frame(payload_bytes);
            decoder.buffer().extend_from_slice(&before);
            decoder.buffer().extend_from_slice(&begun[..100]);
            assert!(matches!(decoder.next_frame(), Ok(Some(_))));
            assert!(matches!(decoder.next_frame(), Ok(None)));
            assert!(spare_bytes(&mut decoder) >= begun.len() - 100);
            assert_eq!(decoder.pending(), &begun[..100]);
        }
    }

    #[test]
    fn there_is_room_for_the_next_frame_whatever_is_left_of_the_last() {
        let mut decoder = opened();
        let bytes = frame(1_000).repeat(1_000);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let spare = spare_bytes(&mut decoder);
            assert!((SPARE_BYTES..=NORMAL_BYTES).contains(&spare), "{spare}");
            let (now, later) = rest.split_at(rest.len().min(spare));
            decoder.buffer().extend_from_slice(now);
            rest = later;
            while let Some(_frame) = decoder.next_frame().expect("legal frames") {}
        }
    }

    /// An allocator may give any address for bytes; 8 mod 16 is what 32-bit ones like to give.
    fn opened_at(misalignment: usize) -> FrameDecoder {
        let mut buffer = BytesMut::with_capacity(NORMAL_BYTES);
        let past = buffer.as_ptr().align_offset(16) + misalignment;
        buffer.resize(past, 0);
        buffer.advance(past);
        FrameDecoder { buffer, ..opened() }
    }

    /// A message in a frame, behind another frame.
    fn frames_with(message: &(u64, Payload)) -> Vec<u8> {
        let (mut archive, mut arena) = (AlignedVec::new(), Arena::new());
        Encoder::new(&mut archive, &mut arena, &mut (), 1 << 20)
            .encode(message)
            .expect("below the limit");
        let header = Header::new(FrameKind::Message).with_payload(archive.len());
        let mut bytes = frame(100);
        bytes.extend_from_slice(&header.encode());
        bytes.extend_from_slice(&archive);
        bytes.resize(bytes.len().next_multiple_of(16), 0);
        bytes
    }

    #[test]
    fn a_detached_message_is_read_wherever_the_allocator_put_the_buffer() {
        let message = (7_u64, Payload::from(vec![1, 2, 3]));
        let codec = Codec::<(u64, Payload)>::new();
        for misalignment in 0..16 {
            let mut decoder = opened_at(misalignment);
            decoder.buffer.extend_from_slice(&frames_with(&message));
            let before = decoder.next_frame().expect("a legal frame");
            drop(before.map(super::Frame::detach));
            let frame = decoder.next_frame().expect("a legal frame");
            let payload = frame.expect("a whole frame").detach();
            let view = open::<(u64, Payload)>(&payload, codec.fingerprint).expect("aligned");
            assert_eq!((view.0.to_native(), &*view.1), (7, &[1, 2, 3][..]));
            assert!((codec.validate)(&payload).is_ok(), "{misalignment}");
            let decoded = (codec.decode)(&payload, &()).expect("aligned");
            assert_eq!(decoded, message, "{misalignment}");
            assert!(matches!(decoder.next_frame(), Ok(None)));
        }
    }

    #[test]
    fn the_room_of_a_detached_frame_comes_back_when_it_is_dropped() {
        let mut decoder = opened();
        decoder.buffer().extend_from_slice(&frame(30_000));
        let kept = decoder
            .next_frame()
            .map(|frame| frame.map(super::Frame::detach));
        assert!(spare_bytes(&mut decoder) < NORMAL_BYTES);
        drop(kept);
        assert_eq!(spare_bytes(&mut decoder), NORMAL_BYTES);
    }
}
