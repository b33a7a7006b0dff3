//! [`Forged`]: a frame whose every field can be set.

use mycelium::wire::{Check, FRAGMENT_BYTES, FrameKind, HEADER_BYTES};

/// A frame that need not be legal, laid out by hand as `docs/wire-format.md` draws it.
///
/// # Examples
///
/// ```
/// use mycelium::wire::FrameKind;
/// use mycelium_testkit::hostile::Forged;
///
/// let longer_than_any = Forged::of(FrameKind::Resolve).length(u32::MAX);
/// let of_no_kind = Forged::of(FrameKind::Stop).kind(200);
/// let with_a_flag = Forged::of(FrameKind::Kill).byte(5, 1);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Forged {
    header: [u8; HEADER_BYTES],
    payload: Vec<u8>,
    check: Option<u32>,
}

impl Forged {
    /// A frame of this kind without a payload, in which all else is zero.
    pub fn of(kind: FrameKind) -> Self {
        let frame = Self {
            header: [0; HEADER_BYTES],
            payload: Vec::new(),
            check: None,
        };
        frame.kind(kind.as_u8()).payload([])
    }

    /// The code of the kind.
    pub fn kind(self, code: u8) -> Self {
        self.byte(4, code)
    }

    /// The payload, and the length that goes with it.
    ///
    /// # Panics
    ///
    /// Where a length cannot name it.
    pub fn payload(mut self, payload: impl Into<Vec<u8>>) -> Self {
        self.payload = payload.into();
        let length = u32::try_from(HEADER_BYTES + self.payload.len());
        self.length(length.expect("it is shorter than 4 GiB"))
    }

    /// The length that the header claims, whatever there is.
    pub fn length(self, bytes: u32) -> Self {
        self.bytes(0, &bytes.to_le_bytes())
    }

    /// The binding.
    pub fn binding(self, id: u32) -> Self {
        self.bytes(8, &id.to_le_bytes())
    }

    /// The sequence.
    pub fn sequence(self, number: u32) -> Self {
        self.bytes(12, &number.to_le_bytes())
    }

    /// The request.
    pub fn request(self, id: u64) -> Self {
        self.bytes(16, &id.to_le_bytes())
    }

    /// One byte of the header.
    pub fn byte(self, at: usize, byte: u8) -> Self {
        self.bytes(at, &[byte])
    }

    /// The check, whatever the bytes are.
    pub fn check(mut self, check: u32) -> Self {
        self.check = Some(check);
        self
    }

    /// The bytes that travel: on a link with checks with a right one, unless another was set.
    pub fn sealed(&self, check: Check) -> Vec<u8> {
        let mut bytes = [&self.header[..], &self.payload].concat();
        let right = match check {
            Check::None => 0,
            Check::Crc32c => crc32c::crc32c(&bytes),
        };
        let check = self.check.unwrap_or(right);
        bytes[24..28].copy_from_slice(&check.to_le_bytes());
        bytes.resize(bytes.len().next_multiple_of(16), 0);
        bytes
    }

    /// What the frame travels as: itself, or fragments in lane 0 where it is too long.
    pub fn in_fragments(&self) -> impl Iterator<Item = Self> {
        let bytes = self.sealed(Check::None);
        if bytes.len() <= FRAGMENT_BYTES {
            return vec![self.clone()].into_iter();
        }
        let parts: Vec<_> = bytes
            .chunks(FRAGMENT_BYTES - HEADER_BYTES)
            .map(|part| Self::of(FrameKind::Fragment).payload(part))
            .collect();
        parts.into_iter()
    }

    fn bytes(mut self, at: usize, bytes: &[u8]) -> Self {
        self.header[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }
}
