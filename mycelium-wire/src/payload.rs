//! [`Payload`]: bytes that are sliced from the receive buffer instead of copied.

use std::ops::Deref;

use bytes::Bytes;
use rkyv::{
    Archive, Deserialize, Place, Portable, Serialize,
    bytecheck::CheckBytes,
    rancor::Fallible,
    ser::{Allocator, Writer},
    vec::{ArchivedVec, VecResolver},
};

use crate::{Fingerprint, Opener, Wire, WireError};

/// Cheaply cloned bytes inside a message: encoded once, and on arrival a slice of the frame they
/// came in.
///
/// A payload that is kept holds on to its whole frame; copy it where it must outlive many others.
///
/// # Examples
///
/// ```
/// use mycelium_wire::Payload;
///
/// let payload = Payload::from(vec![1, 2, 3]);
/// assert_eq!(&payload[1..], [2, 3]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Payload(Bytes);

impl Payload {
    /// The bytes, without a copy.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl Deref for Payload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

/// A [`Payload`] as it lies in an archive.
#[derive(CheckBytes, Portable)]
#[bytecheck(crate = rkyv::bytecheck)]
#[rkyv(crate = rkyv)]
#[repr(transparent)]
pub struct ArchivedPayload(ArchivedVec<u8>);

impl Deref for ArchivedPayload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.as_slice()
    }
}

impl Archive for Payload {
    type Archived = ArchivedPayload;
    type Resolver = VecResolver;

    fn resolve(&self, resolver: Self::Resolver, out: Place<Self::Archived>) {
        rkyv::munge::munge!(let ArchivedPayload(vec) = out);
        ArchivedVec::resolve_from_slice(&self.0, resolver, vec);
    }
}

impl<S: Fallible + Allocator + Writer + ?Sized> Serialize<S> for Payload {
    fn serialize(&self, serializer: &mut S) -> Result<Self::Resolver, S::Error> {
        ArchivedVec::serialize_from_slice(&self.0, serializer)
    }
}

impl Deserialize<Payload, Opener<'_>> for ArchivedPayload {
    fn deserialize(&self, opener: &mut Opener<'_>) -> Result<Payload, WireError> {
        Ok(Payload(opener.frame.slice_ref(self)))
    }
}

impl Wire for Payload {
    const NAME: &'static str = "Payload";
    const NAME_FINGERPRINT: u64 = Fingerprint::of("name", Self::NAME).finish();
    const FINGERPRINT: u64 = Fingerprint::of("builtin", Self::NAME).finish();
}
