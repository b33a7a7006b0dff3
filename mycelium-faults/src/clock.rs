//! The clock that all processes of a host share.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of `CLOCK_MONOTONIC`: comparable between processes, moved by nobody.
pub(crate) fn now_ns() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(time.tv_sec).expect("the clock began at the boot");
    let nanoseconds = u64::try_from(time.tv_nsec).expect("it is below a second");
    seconds * 1_000_000_000 + nanoseconds
}
