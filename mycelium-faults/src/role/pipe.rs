//! [`Pipe`]: the ledger's way out of a node's process.

use std::{fs::File, io::Write, os::fd::AsFd};

use crate::record::Record;

/// As many records as a pipe takes in one atomic write, by pipe(7).
const ATOMIC_RECORDS: usize = 4_096 / Record::BYTES;

/// The standard output, without the buffer that a kill would lose.
pub(crate) struct Pipe(File);

impl Pipe {
    pub(super) fn open() -> std::io::Result<Self> {
        let output = std::io::stdout().as_fd().try_clone_to_owned()?;
        Ok(Self(output.into()))
    }

    /// Writes records, and waits while the reader is behind. A reader that is gone has ended the
    /// row.
    pub(crate) fn write(&self, records: &[Record]) {
        for batch in records.chunks(ATOMIC_RECORDS) {
            let mut bytes = [0; ATOMIC_RECORDS * Record::BYTES];
            for (place, record) in bytes.chunks_exact_mut(Record::BYTES).zip(batch) {
                place.copy_from_slice(&record.to_bytes());
            }
            // Without a reader nothing of it matters.
            let _ = (&self.0).write_all(&bytes[..batch.len() * Record::BYTES]);
        }
    }
}
