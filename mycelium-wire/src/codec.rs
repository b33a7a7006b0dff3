//! [`Codec`]: what a remote ref captured about its message type when it was built.

use std::any::Any;

use bytes::Bytes;

use crate::{Encoder, Wire, WireError, decode, open};

/// How to encode, check and decode an `M`, as plain function pointers.
///
/// A ref carries one, so that sending through it asks nothing of `M`: only whoever builds a
/// remote ref or makes an actor visible must show `M: Wire`.
pub struct Codec<M> {
    /// Appends the message to the buffer behind the encoder.
    pub encode: fn(&M, &mut Encoder<'_>) -> Result<(), WireError>,
    /// Checks that a frame holds an `M`, without decoding it.
    pub validate: fn(&[u8]) -> Result<(), WireError>,
    /// Checks a frame and decodes it.
    pub decode: fn(&Bytes, &dyn Any) -> Result<M, WireError>,
    /// The fingerprint of `M`'s schema.
    pub fingerprint: u64,
    /// The stable name of `M`.
    pub name: &'static str,
}

impl<M> Clone for Codec<M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for Codec<M> {}

impl<M: Wire> Codec<M> {
    /// Captures the codec of `M`.
    pub const fn new() -> Self {
        Self {
            encode: |message, encoder| encoder.encode(message),
            validate: |bytes| open::<M>(bytes, M::FINGERPRINT).map(drop),
            decode: |frame, ports| decode(frame, M::FINGERPRINT, ports),
            fingerprint: M::FINGERPRINT,
            name: M::NAME,
        }
    }
}

impl<M: Wire> Default for Codec<M> {
    fn default() -> Self {
        Self::new()
    }
}
