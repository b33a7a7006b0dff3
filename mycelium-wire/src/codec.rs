//! [`Codec`]: what a remote ref captured about its message type when it was built.

use std::any::Any;

use bytes::Bytes;

use crate::{Accepted, Encoder, Wire, WireError, decode, open};

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
    /// The fingerprint of the schema that frames have.
    pub fingerprint: u64,
    /// The stable name of the type with that schema.
    pub name: &'static str,
    /// Whether that type is an older one, of which decoding makes an `M`.
    pub is_converting: bool,
    /// The codec of frames of an older type that `M` accepts.
    pub accepted: fn(u64) -> Option<Codec<M>>,
}

impl<M> Codec<M> {
    /// The codec of frames that a sender of this schema encodes, if `M` takes them.
    pub fn of_sender(&self, fingerprint: u64) -> Option<Self> {
        if fingerprint == self.fingerprint {
            Some(*self)
        } else {
            (self.accepted)(fingerprint)
        }
    }
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
            is_converting: false,
            accepted: Accepted::codec,
        }
    }
}

impl<M: Wire> Default for Codec<M> {
    fn default() -> Self {
        Self::new()
    }
}
