//! [`open`]: the one way to look at bytes that came from outside this process.

use std::{any::Any, num::NonZeroUsize};

use bytes::Bytes;
use rkyv::{
    api::access_with_context,
    rancor::Strategy,
    validation::{Validator, archive::ArchiveValidator},
};

use crate::{
    Wire, WireError,
    aligned::{aligned_copy, is_aligned},
};

/// How deep values may nest before validation refuses them, so that no input overflows the stack.
const DEPTH_LIMIT: NonZeroUsize = NonZeroUsize::new(64).expect("64 is not zero");

/// The context that archives are validated with; without shared pointers.
pub type Checker<'a> = Strategy<Validator<ArchiveValidator<'a>, ()>, WireError>;

/// The context that archives are decoded with.
pub type Opener<'a> = Strategy<OpenContext<'a>, WireError>;

/// What decoding may need besides the archive: the frame it lies in and the receiver's tables.
pub struct OpenContext<'a> {
    pub(crate) frame: &'a Bytes,
    ports: &'a dyn Any,
}

impl OpenContext<'_> {
    /// The receiver's tables as their own type, or `None` where there is no node.
    pub fn ports<T: Any>(&self) -> Option<&T> {
        self.ports.downcast_ref()
    }
}

/// Validates `bytes` as an archive of `T` and gives a view on it, without a copy or an allocation.
///
/// `fingerprint` is what the sender announced for these bytes. Validation costs about 2 ns for a
/// flat message of 56 bytes and is proportional to the number of values in the archive.
///
/// # Errors
///
/// [`WireError::Schema`] when the fingerprint is not that of `T`, [`WireError::Misaligned`] when
/// `bytes` does not start at a multiple of 16, [`WireError::Invalid`] for anything that is not a
/// valid archive: too short, pointing outside itself, holding values its types do not have, or
/// nested deeper than 64.
///
/// # Examples
///
/// ```
/// use mycelium_wire::{Wire, WireError, open};
///
/// let nothing = open::<u64>(&[], <u64 as Wire>::FINGERPRINT);
/// assert!(matches!(nothing, Err(WireError::Invalid(_))));
/// ```
pub fn open<T: Wire>(bytes: &[u8], fingerprint: u64) -> Result<&T::Archived, WireError> {
    if fingerprint != T::FINGERPRINT {
        return Err(WireError::Schema {
            name: T::NAME,
            wanted: T::FINGERPRINT,
            found: fingerprint,
        });
    }
    if bytes.len() < size_of::<T::Archived>() {
        return Err(WireError::Invalid(too_short::<T>(bytes.len())));
    }
    if !is_aligned(bytes) {
        return Err(WireError::Misaligned);
    }
    let archive = ArchiveValidator::with_max_depth(bytes, Some(DEPTH_LIMIT));
    access_with_context(bytes, &mut Validator::new(archive, ()))
}

/// Validates `frame` as an archive of `T` and decodes it into an owned value.
///
/// A frame that does not start at a multiple of 16 is copied to where it does.
///
/// # Errors
///
/// Those of [`open`] but [`WireError::Misaligned`], and what a ref or port in the message answers.
pub fn decode<T: Wire>(frame: &Bytes, fingerprint: u64, ports: &dyn Any) -> Result<T, WireError> {
    if is_aligned(frame) {
        decode_aligned(frame, fingerprint, ports)
    } else {
        decode_aligned(&aligned_copy(frame), fingerprint, ports)
    }
}

fn decode_aligned<T: Wire>(
    frame: &Bytes,
    fingerprint: u64,
    ports: &dyn Any,
) -> Result<T, WireError> {
    let archived = open::<T>(frame, fingerprint)?;
    let mut context = OpenContext { frame, ports };
    rkyv::api::deserialize_using(archived, &mut context)
}

#[cold]
fn too_short<T: Wire>(found_bytes: usize) -> Box<str> {
    let wanted_bytes = size_of::<T::Archived>();
    format!(
        "{} takes at least {wanted_bytes} bytes, found {found_bytes}",
        T::NAME
    )
    .into()
}

#[cfg(test)]
mod tests {
    use bytes::{Bytes, BytesMut};
    use rkyv::{ser::allocator::Arena, util::AlignedVec};

    use super::{decode, open};
    use crate::{Encoder, Payload, Wire, WireError};

    type Chart = (u64, Payload);

    fn archive_of(chart: &Chart) -> AlignedVec<16> {
        let (mut archive, mut arena) = (AlignedVec::new(), Arena::new());
        Encoder::new(&mut archive, &mut arena, &mut (), 1 << 10)
            .encode(chart)
            .expect("below the limit");
        archive
    }

    fn at_misalignment(misalignment: usize, bytes: &[u8]) -> Bytes {
        let mut buffer = BytesMut::with_capacity(32 + bytes.len());
        let past = buffer.as_ptr().align_offset(16) + misalignment;
        buffer.resize(past, 0);
        buffer.extend_from_slice(bytes);
        buffer.split_off(past).freeze()
    }

    #[test]
    fn a_frame_is_decoded_at_any_address_and_viewed_at_multiples_of_16() {
        let chart: Chart = (7, Payload::from(vec![1, 2, 3]));
        let archive = archive_of(&chart);
        for misalignment in 0..16 {
            let frame = at_misalignment(misalignment, &archive);
            assert_eq!(frame.as_ptr().addr() % 16, misalignment);
            let viewed = open::<Chart>(&frame, Chart::FINGERPRINT);
            assert_eq!(
                matches!(viewed, Err(WireError::Misaligned)),
                misalignment != 0
            );
            let decoded = decode::<Chart>(&frame, Chart::FINGERPRINT, &());
            assert_eq!(decoded.expect("a valid archive"), chart, "{misalignment}");
        }
    }
}
