//! Reads the files of a [`TlsConfig`](super::TlsConfig), the key's only where it is secret.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::Path,
};

use rustix::process::geteuid;
use zeroize::Zeroizing;

use super::TlsConfigError;

/// Permission bits of the group and of all others.
const OTHERS: u32 = 0o077;

/// The longest key file that is read; a key has a few KiB.
const KEY_LIMIT_BYTES: u64 = 64 * 1_024;

/// Reads a file with certificates.
pub(super) fn read_public(path: &Path) -> Result<Vec<u8>, TlsConfigError> {
    std::fs::read(path).map_err(|source| failed(path, source))
}

/// Reads a file with a key, which is wiped when it is dropped.
pub(super) fn read_secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsConfigError> {
    let file = File::open(path).map_err(|source| failed(path, source))?;
    // Of the open file: the name may mean another one by now.
    let metadata = file.metadata().map_err(|source| failed(path, source))?;
    let (mode, owner, uid) = (metadata.mode() & 0o777, metadata.uid(), geteuid().as_raw());
    if mode & OTHERS != 0 {
        let path = path.to_owned();
        return Err(TlsConfigError::KeyTooWide { path, mode });
    }
    if owner != uid {
        let path = path.to_owned();
        return Err(TlsConfigError::ForeignKey { path, owner, uid });
    }
    // Grown while it is filled, it would leave parts of the key behind.
    let room = metadata.len().min(KEY_LIMIT_BYTES) + 1;
    let mut key = Zeroizing::new(Vec::with_capacity(usize::try_from(room).unwrap_or(0)));
    let read = file.take(room - 1).read_to_end(&mut key);
    read.map_err(|source| failed(path, source))?;
    Ok(key)
}

fn failed(path: &Path, source: io::Error) -> TlsConfigError {
    TlsConfigError::Read {
        path: path.to_owned(),
        source,
    }
}
