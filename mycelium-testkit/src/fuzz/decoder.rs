//! The target `decoder`: any stream, cut anywhere, gives the frames that lie in it.

use mycelium::wire::{CloseReason, FrameDecoder, HEADER_BYTES, Header};

use crate::fuzz::{
    script::Script,
    stream::{LARGEST_BYTES, Stream, limits},
};

const OPEN: u8 = 4;
const DETACH: u8 = 8;

/// Cuts a stream into frames, once in pieces and once as it is, with nothing kept.
///
/// # Panics
///
/// Where a frame is not what lies in the stream, where pieces change what comes of it, and where
/// the decoder takes more memory than it may.
pub fn decoder(bytes: &[u8]) {
    let stream = Stream::new(bytes, |_, _, script: Script<'_>| script.rest().to_vec());
    let decoded = Decoded::of(&stream, stream.pieces());
    let in_place = stream.without(DETACH);
    let whole = [usize::MAX].into_iter().cycle();
    assert_eq!(
        decoded,
        Decoded::of(&in_place, whole),
        "pieces, or frames that are kept, change what comes of a stream"
    );
}

/// What came of a stream: how many frames, of how many bytes, and why they end.
#[derive(Debug, Default, PartialEq, Eq)]
struct Decoded {
    frames: usize,
    bytes: usize,
    reason: Option<CloseReason>,
}

impl Decoded {
    fn of(stream: &Stream, mut pieces: impl Iterator<Item = usize>) -> Self {
        let mut decoder = FrameDecoder::new(limits(), stream.check);
        if stream.options & OPEN != 0 {
            decoder.open();
        }
        let mut decoded = Self::default();
        let mut held = Vec::new();
        let mut rest = &stream.bytes[..];
        while !rest.is_empty() && decoded.reason.is_none() {
            let buffer = decoder.buffer();
            let room = buffer.capacity() - buffer.len();
            assert!(room > 0, "there is always room to read");
            assert!(buffer.capacity() <= LARGEST_BYTES, "{}", buffer.capacity());
            let piece = pieces.next().unwrap_or(usize::MAX);
            let (now, later) = rest.split_at(rest.len().min(room).min(piece));
            buffer.extend_from_slice(now);
            rest = later;
            decoded.reason = decoded.take_frames(stream, &mut decoder, &mut held).err();
        }
        for (at, payload) in held {
            assert_eq!(stream.bytes[at..at + payload.len()], payload[..]);
        }
        decoded
    }

    /// Takes all that is complete; keeps every second payload where the options say so.
    fn take_frames(
        &mut self,
        stream: &Stream,
        decoder: &mut FrameDecoder,
        held: &mut Vec<(usize, bytes::Bytes)>,
    ) -> Result<(), CloseReason> {
        while let Some(frame) = decoder.next_frame()? {
            let header = *frame.header();
            let raw = stream.bytes[self.bytes..].first_chunk();
            assert_eq!(raw.map(Header::decode), Some(Ok(header)));
            let at = self.bytes + HEADER_BYTES + header.extension_bytes();
            let end = self.bytes + header.length as usize;
            assert_eq!(stream.bytes[at..end], *frame.payload());
            let _any_numbers = frame.extensions();
            if stream.options & DETACH != 0 && self.frames % 2 == 1 {
                held.push((at, frame.detach()));
            }
            self.frames += 1;
            self.bytes += header.frame_bytes();
        }
        Ok(())
    }
}
