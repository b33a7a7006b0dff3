//! [`Archived`]: a message as the bytes that arrived.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use mycelium_wire::{Codec, Wire, open};

use crate::mailbox::frames::Origin;

/// A validated message that is read where it lies in the receive buffer.
///
/// It keeps its part of the receive buffer alive; decode it, or copy what is needed, where it
/// would be kept for long.
pub struct Archived<M> {
    frame: Bytes,
    codec: Codec<M>,
    origin: Arc<Origin>,
}

impl<M> Archived<M> {
    /// Wraps a frame that `codec` has validated.
    pub(crate) fn validated(frame: Bytes, codec: Codec<M>, origin: Arc<Origin>) -> Self {
        Self {
            frame,
            codec,
            origin,
        }
    }

    /// Whether an older type was sent, of which decoding makes an `M`.
    pub(crate) fn is_converted(&self) -> bool {
        self.codec.is_converting
    }

    /// The size of the archive.
    pub fn size_bytes(&self) -> usize {
        self.frame.len()
    }

    /// Decodes the message into a value of its own.
    ///
    /// # Panics
    ///
    /// Never for a message that a handler was given: it was validated before.
    pub fn decode(self) -> M {
        (self.codec.decode)(&self.frame, &self.origin.ports)
            .expect("a handler is given validated frames only")
    }
}

impl<M: Wire> Archived<M> {
    /// The message's fields, in place.
    ///
    /// Validates again, about 2 ns for a flat message.
    ///
    /// # Panics
    ///
    /// Never for a message that a handler was given: it was validated before.
    pub fn view(&self) -> &M::Archived {
        open::<M>(&self.frame, self.codec.fingerprint)
            .expect("a handler is given validated frames only")
    }
}

impl<M> fmt::Debug for Archived<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Archived<{}>({} bytes)",
            self.codec.name,
            self.frame.len()
        )
    }
}
