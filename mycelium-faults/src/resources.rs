//! [`Resources`]: what a process holds of the system's, for I4.

use std::{fs, io, path::Path};

/// What a process holds of the system's, by proc(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resources {
    pub(crate) descriptors: usize,
    pub(crate) threads: usize,
    pub(crate) resident_bytes: usize,
    /// The most it ever held in memory.
    pub(crate) most_resident_bytes: usize,
}

/// Threads of the runtime's pool for blocking work come and go.
const THREADS_MARGIN: usize = 4;

/// What an allocator may keep beside a quarter of what was held before.
const KEPT_BYTES: usize = 16 << 20;

impl Resources {
    /// Those of a process that runs.
    pub(crate) fn of(process: u32) -> io::Result<Self> {
        let place = Path::new("/proc").join(process.to_string());
        let status = fs::read_to_string(place.join("status"))?;
        let kib = |field: &str| -> io::Result<usize> {
            let line = status.lines().find_map(|line| line.strip_prefix(field));
            let number = line.and_then(|line| line.split_whitespace().next());
            let number = number.and_then(|number| number.parse::<usize>().ok());
            let number = number.ok_or_else(|| io::Error::other(format!("no {field} in status")))?;
            Ok(number << 10)
        };
        Ok(Self {
            descriptors: fs::read_dir(place.join("fd"))?.count(),
            threads: fs::read_dir(place.join("task"))?.count(),
            resident_bytes: kib("VmRSS:")?,
            most_resident_bytes: kib("VmHWM:")?,
        })
    }

    /// Says what there is more of than before, if there is.
    pub(crate) fn is_near(&self, before: &Self) -> Result<(), String> {
        let most_bytes = before.resident_bytes + before.resident_bytes / 4 + KEPT_BYTES;
        if self.descriptors > before.descriptors {
            return Err(format!(
                "has {} descriptors open, {} before",
                self.descriptors, before.descriptors
            ));
        }
        if self.threads > before.threads + THREADS_MARGIN {
            return Err(format!(
                "has {} threads, {} before",
                self.threads, before.threads
            ));
        }
        if self.resident_bytes > most_bytes {
            return Err(format!(
                "holds {} KiB, {} before",
                self.resident_bytes >> 10,
                before.resident_bytes >> 10
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: Resources = Resources {
        descriptors: 20,
        threads: 6,
        resident_bytes: 10 << 20,
        most_resident_bytes: 10 << 20,
    };

    #[test]
    fn a_process_knows_its_own_resources() {
        let ours = Resources::of(std::process::id()).unwrap();
        assert!(ours.descriptors >= 3 && ours.threads >= 1);
        assert!(ours.most_resident_bytes >= ours.resident_bytes / 2);
    }

    #[test]
    fn what_is_kept_beyond_the_margins_is_named() {
        assert_eq!(BEFORE.is_near(&BEFORE), Ok(()));
        let descriptors = Resources {
            descriptors: 21,
            ..BEFORE
        };
        assert!(
            descriptors
                .is_near(&BEFORE)
                .unwrap_err()
                .contains("21 descriptors")
        );
        let threads = Resources {
            threads: 11,
            ..BEFORE
        };
        assert!(threads.is_near(&BEFORE).unwrap_err().contains("11 threads"));
        let memory = Resources {
            resident_bytes: 40 << 20,
            ..BEFORE
        };
        assert!(memory.is_near(&BEFORE).unwrap_err().contains("40960 KiB"));
    }
}
