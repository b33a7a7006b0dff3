//! [`Accepted`]: an older type whose messages a newer one takes.

use std::any::Any;

use bytes::Bytes;

use crate::{Codec, Wire, WireError, decode, open};

/// An older type whose messages an `M` takes: how to check them, and to make an `M` of them.
///
/// `#[message(accepts = Older)]` lists it in [`Wire::ACCEPTS`].
pub struct Accepted<M> {
    fingerprint: u64,
    name: &'static str,
    validate: fn(&[u8]) -> Result<(), WireError>,
    decode: fn(&Bytes, &dyn Any) -> Result<M, WireError>,
}

impl<M> Accepted<M> {
    /// Captures how a message of the older type becomes an `M`: decoded, then by `From`.
    pub const fn of<Older: Wire>() -> Self
    where
        M: From<Older>,
    {
        Self {
            fingerprint: Older::FINGERPRINT,
            name: Older::NAME,
            validate: |bytes| open::<Older>(bytes, Older::FINGERPRINT).map(drop),
            decode: |frame, ports| {
                decode(frame, Older::FINGERPRINT, ports).map(|it: Older| it.into())
            },
        }
    }

    /// The fingerprint of the older type's schema.
    pub const fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// The stable name of the older type.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl<M: Wire> Accepted<M> {
    /// The codec of messages that a sender of this schema encodes.
    pub(crate) fn codec(fingerprint: u64) -> Option<Codec<M>> {
        let accepted = M::ACCEPTS.iter().find(|it| it.fingerprint == fingerprint)?;
        Some(Codec {
            validate: accepted.validate,
            decode: accepted.decode,
            fingerprint: accepted.fingerprint,
            name: accepted.name,
            is_converting: true,
            ..Codec::new()
        })
    }
}
