//! [`Check`]: whether frames carry a CRC-32C, so that bytes that changed on their way are found.

use std::ops::Range;

/// Where a header has its check.
pub(crate) const CHECK: Range<usize> = 24..28;

/// Whether the frames of a link are checked against bytes that change on their way.
///
/// Both ends must mean the same. It follows from the kind of the link, so the handshake does not
/// negotiate it: its own frames are checked too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Check {
    /// Frames carry no check: what moves the bytes guards them, as TLS and the kernel's own
    /// sockets do.
    #[default]
    None,
    /// Every frame carries the CRC-32C of its header and payload: for plain TCP, whose 16-bit sum
    /// misses what a network device breaks.
    ///
    /// Where the frame's length is as it was, every change of one bit is found, and every change of
    /// up to four neighbouring bytes of header or payload; of other changes one in 2^32 passes. The
    /// padding behind a payload is neither checked nor looked at. A CRC protects against accidents,
    /// not against an attacker.
    Crc32c,
}

impl Check {
    /// The check of a frame: its header, with zeros where the check goes, and its payload.
    pub(crate) fn of(self, frame: &[u8]) -> u32 {
        match self {
            Self::None => 0,
            Self::Crc32c => crc32c::crc32c(frame),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Check;

    #[test]
    fn the_crc_is_castagnolis() {
        assert_eq!(Check::Crc32c.of(b"123456789"), 0xe306_9283);
    }
}
