//! [`Encoder`]: writes a message straight into the buffer of the link it leaves by.

use std::any::Any;

use rkyv::{
    rancor::Strategy,
    ser::{
        Positional, Serializer, Writer,
        allocator::{Arena, ArenaHandle},
    },
    util::AlignedVec,
};

use crate::{Wire, WireError};

/// The serializer that all wire types are encoded with.
///
/// The third part, where rkyv keeps the state of shared pointers, carries our [`Ports`] instead.
/// `Ports` does not implement rkyv's `Sharing`, so an `Rc` or `Arc` cannot be encoded at all.
pub type WireSerializer<'a> =
    Strategy<Serializer<FrameWriter<'a>, ArenaHandle<'a>, Ports<'a>>, WireError>;

/// What refs and reply ports need while they are encoded: the sender's tables, known to the crate
/// that owns those types and opaque here.
pub struct Ports<'a>(&'a mut dyn Any);

impl Ports<'_> {
    /// The tables as their own type, or `None` where the message is encoded without a node.
    pub fn downcast_mut<T: Any>(&mut self) -> Option<&mut T> {
        self.0.downcast_mut()
    }
}

/// Appends one payload to a 16-aligned buffer that may already hold frames.
///
/// Positions count from the payload's first byte, so that the archive means the same wherever the
/// receiver's buffer begins.
pub struct Encoder<'a> {
    buffer: &'a mut AlignedVec<16>,
    arena: &'a mut Arena,
    ports: &'a mut dyn Any,
    limit_bytes: usize,
}

impl<'a> Encoder<'a> {
    /// Makes an encoder that appends at most `limit_bytes` to `buffer`, whose length must be a
    /// multiple of 16.
    pub fn new(
        buffer: &'a mut AlignedVec<16>,
        arena: &'a mut Arena,
        ports: &'a mut dyn Any,
        limit_bytes: usize,
    ) -> Self {
        debug_assert!(
            buffer.len().is_multiple_of(16),
            "a payload starts 16-aligned"
        );
        Self {
            buffer,
            arena,
            ports,
            limit_bytes,
        }
    }

    /// Encodes `value` at the end of the buffer, without an allocation once buffer and arena have
    /// grown to the size of the traffic.
    ///
    /// # Errors
    ///
    /// [`WireError::TooLarge`] when the archive would pass the limit, and what a ref or port in
    /// the message answers. The buffer then holds part of an archive; whoever owns the buffer
    /// rolls it back.
    pub fn encode<T: Wire>(&mut self, value: &T) -> Result<(), WireError> {
        let start = self.buffer.len();
        let writer = FrameWriter {
            buffer: self.buffer,
            start,
            limit_bytes: self.limit_bytes,
        };
        let mut serializer = Serializer::new(writer, self.arena.acquire(), Ports(self.ports));
        rkyv::api::serialize_using(value, &mut serializer)?;
        Ok(())
    }
}

/// The part of an [`Encoder`] that takes bytes: a window on the link's buffer with a limit.
#[doc(hidden)]
pub struct FrameWriter<'a> {
    buffer: &'a mut AlignedVec<16>,
    start: usize,
    limit_bytes: usize,
}

impl Positional for FrameWriter<'_> {
    fn pos(&self) -> usize {
        self.buffer.len() - self.start
    }
}

impl Writer<WireError> for FrameWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        let size_bytes = self.pos() + bytes.len();
        if size_bytes > self.limit_bytes {
            return Err(WireError::TooLarge {
                size_bytes,
                limit_bytes: self.limit_bytes,
            });
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }
}
