//! The clock that all processes of one host share.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of `CLOCK_MONOTONIC`, comparable between the processes of one host.
pub(crate) fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).expect("the monotonic clock starts at zero");
    let nanoseconds = u64::try_from(now.tv_nsec).expect("nanoseconds lie within one second");
    seconds * 1_000_000_000 + nanoseconds
}
