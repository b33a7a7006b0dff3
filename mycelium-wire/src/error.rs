//! [`WireError`]: why a value could not be encoded or bytes could not be read.

use std::error::Error;

use rkyv::rancor::{Source, Trace};

/// Why a value could not be encoded, or why bytes are not the archive they claim to be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The archive passes the message limit; send it in parts or raise the limit on both nodes.
    #[error("the message takes at least {size_bytes} bytes, the limit is {limit_bytes}")]
    TooLarge {
        /// Bytes the archive takes at least: encoding stopped where it passed the limit.
        size_bytes: usize,
        /// The limit in force on this link.
        limit_bytes: usize,
    },

    /// The bytes were written with another schema than the one they are read with.
    #[error("the bytes carry schema {found:#018x}, {name} has {wanted:#018x}")]
    Schema {
        /// The stable name of the type that was to be read.
        name: &'static str,
        /// Its fingerprint here.
        wanted: u64,
        /// The fingerprint the sender announced.
        found: u64,
    },

    /// The bytes do not start at a multiple of 16; copy them to an aligned buffer.
    #[error("the archive does not start at a multiple of 16 bytes")]
    Misaligned,

    /// The bytes are no valid archive of the type: the sender is broken or hostile.
    #[error("not a valid archive: {0}")]
    Invalid(Box<str>),

    /// A ref or reply port in the message could not be encoded; the source says why.
    #[error("a ref or reply port in the message cannot travel")]
    Port(#[source] Box<dyn Error + Send + Sync>),
}

impl Trace for WireError {
    fn trace<R>(self, _trace: R) -> Self {
        self
    }
}

impl Source for WireError {
    fn new<T: Error + Send + Sync + 'static>(source: T) -> Self {
        Self::Invalid(source.to_string().into())
    }
}
