//! Decompression of zstd files that may consist of several frames, with their checksums checked.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
};

use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

const FRAME_MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();

/// True when a file that begins with `start` is compressed.
pub(super) fn is_compressed(start: &[u8]) -> bool {
    start.starts_with(&FRAME_MAGIC)
}

/// The decompressed bytes of all frames of a file.
pub(super) struct ZstdFrames {
    state: State,
}

enum State {
    BetweenFrames(BufReader<File>),
    // Boxed: a decoder is large and this enum moves at every frame.
    InFrame(Box<StreamingDecoder<BufReader<File>, FrameDecoder>>),
    Ended,
}

impl ZstdFrames {
    pub(super) fn new(input: BufReader<File>) -> Self {
        Self {
            state: State::BetweenFrames(input),
        }
    }
}

impl Read for ZstdFrames {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let State::InFrame(decoder) = &mut self.state {
                let read_bytes = decoder.read(buffer)?;
                if read_bytes > 0 || buffer.is_empty() {
                    return Ok(read_bytes);
                }
            }
            // An error leaves `Ended` behind, so that a reader which goes on sees the end and not a
            // loop.
            self.state = match std::mem::replace(&mut self.state, State::Ended) {
                State::BetweenFrames(input) => next_frame(input)?,
                State::InFrame(decoder) => finish_frame(*decoder)?,
                State::Ended => return Ok(0),
            };
        }
    }
}

fn next_frame(mut input: BufReader<File>) -> io::Result<State> {
    if input.fill_buf()?.is_empty() {
        return Ok(State::Ended);
    }
    let decoder = StreamingDecoder::new(input).map_err(io::Error::other)?;
    Ok(State::InFrame(Box::new(decoder)))
}

fn finish_frame(decoder: StreamingDecoder<BufReader<File>, FrameDecoder>) -> io::Result<State> {
    let (input, frame) = decoder.into_parts();
    match (
        frame.get_checksum_from_data(),
        frame.get_calculated_checksum(),
    ) {
        (Some(stored), Some(computed)) if stored != computed => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the checksum of a zstd frame does not match its content",
        )),
        _ => Ok(State::BetweenFrames(input)),
    }
}

/// Compresses `content` into one frame.
#[cfg(test)]
pub(super) fn compress(content: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(content, ruzstd::encoding::CompressionLevel::Fastest)
}
