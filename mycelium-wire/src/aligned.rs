//! [`aligned`]: archives are read at multiples of 16, and allocators promise none of them for bytes.

use bytes::Bytes;
use rkyv::util::AlignedVec;

use crate::FRAME_ALIGNMENT_BYTES;

/// Whether an archive can be read where these bytes lie.
pub(crate) fn is_aligned(bytes: &[u8]) -> bool {
    bytes.is_empty() || bytes.as_ptr().addr().is_multiple_of(FRAME_ALIGNMENT_BYTES)
}

/// The same bytes, copied where an archive could not be read.
pub(crate) fn aligned(bytes: Bytes) -> Bytes {
    if is_aligned(&bytes) {
        bytes
    } else {
        aligned_copy(&bytes)
    }
}

#[cold]
pub(crate) fn aligned_copy(bytes: &[u8]) -> Bytes {
    let mut copy = AlignedVec::<FRAME_ALIGNMENT_BYTES>::with_capacity(bytes.len());
    copy.extend_from_slice(bytes);
    Bytes::from_owner(copy)
}
