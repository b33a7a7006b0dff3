//! [`Stream`]: foreign bytes, and the pieces in which they are read.

use mycelium::wire::{Check, HEADER_BYTES, Limits};

use crate::fuzz::script::Script;

/// The longest archive that the targets accept: longer than the read buffer, shorter than inputs
/// that take long.
const MESSAGE_LIMIT_BYTES: u32 = 100_000;

/// What a read buffer of the normal size takes.
pub(crate) const NORMAL_BYTES: usize = 64 << 10;

/// What any read buffer may take: one frame, or 64 KiB; allocators may round up.
pub(crate) const LARGEST_BYTES: usize = MESSAGE_LIMIT_BYTES as usize + NORMAL_BYTES;

/// Foreign bytes, and the pieces in which they are read.
pub(crate) struct Stream {
    /// Decides on what a target does beside reading.
    pub(crate) options: u8,
    pub(crate) check: Check,
    pub(crate) bytes: Vec<u8>,
    pieces: [u8; 4],
}

impl Stream {
    const CHECKED: u8 = 1;
    const SEALED: u8 = 2;

    /// Takes one byte of options and four for the sizes of the pieces; `make` makes the stream of
    /// what is left.
    pub(crate) fn new(bytes: &[u8], make: impl FnOnce(u8, Check, Script<'_>) -> Vec<u8>) -> Self {
        let mut script = Script::new(bytes);
        let options = script.byte();
        let pieces = script.array();
        let check = if options & Self::CHECKED == 0 {
            Check::None
        } else {
            Check::Crc32c
        };
        let mut bytes = make(options, check, script);
        if options & (Self::CHECKED | Self::SEALED) == Self::CHECKED | Self::SEALED {
            seal(&mut bytes);
        }
        Self {
            options,
            check,
            bytes,
            pieces,
        }
    }

    /// The same stream without these options.
    pub(crate) fn without(self, options: u8) -> Self {
        Self {
            options: self.options & !options,
            ..self
        }
    }

    /// The sizes of the pieces, from one byte to 64 KiB, over and over.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = usize> {
        let sizes = self.pieces.into_iter().cycle();
        sizes.map(|size| 1 + usize::from(size) * usize::from(size))
    }
}

pub(crate) fn limits() -> Limits {
    Limits {
        message_bytes: MESSAGE_LIMIT_BYTES,
        ..Limits::default()
    }
}

/// Gives every whole frame the check that its bytes need: no fuzzer guesses a CRC.
pub(crate) fn seal(bytes: &mut [u8]) {
    let mut rest = bytes;
    while let Some(length) = rest
        .first_chunk()
        .map(|length| u32::from_le_bytes(*length) as usize)
    {
        if length < HEADER_BYTES || length > rest.len() {
            return;
        }
        rest[24..28].fill(0);
        let check = crc32c::crc32c(&rest[..length]);
        rest[24..28].copy_from_slice(&check.to_le_bytes());
        let frame_bytes = length.next_multiple_of(16).min(rest.len());
        rest = &mut rest[frame_bytes..];
    }
}
