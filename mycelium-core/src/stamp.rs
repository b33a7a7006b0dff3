//! [`Stamp`]: a moment in eight bytes, which means the same in every process of a host.
//!
//! But for containers with clocks of their own (time namespaces): they share the boot id by which a
//! host is known, and ages and times to live between them are off by what their clocks differ.

use std::{num::NonZeroU64, sync::LazyLock, time::Duration};

use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

/// How often the two clocks are compared, to find a moment at which nothing came in between.
const COMPARISONS: usize = 8;

/// A moment in nanoseconds, as the host's monotonic clock shows it.
///
/// Taken from tokio's clock, so it moves with one that a test moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp(NonZeroU64);

impl Stamp {
    pub(crate) fn now() -> Self {
        Self::of(Instant::now())
    }

    pub(crate) fn of(moment: Instant) -> Self {
        static ORIGIN: LazyLock<(Instant, u64)> = LazyLock::new(origin);

        let (origin, origin_ns) = *ORIGIN;
        // A clock that a test has stopped may be behind the first look at it.
        Self::from_ns(match moment.checked_duration_since(origin) {
            Some(after) => origin_ns.saturating_add(nanoseconds(after)),
            None => origin_ns.saturating_sub(nanoseconds(origin - moment)),
        })
    }

    pub(crate) fn from_ns(ns: u64) -> Self {
        Self(NonZeroU64::new(ns).unwrap_or(NonZeroU64::MIN))
    }

    pub(crate) fn as_ns(self) -> u64 {
        self.0.get()
    }

    /// So much later, or as late as can be.
    pub(crate) fn plus_ns(self, ns: u64) -> Self {
        Self(self.0.saturating_add(ns))
    }

    /// How long after `earlier` it is; nothing where it is before.
    pub(crate) fn since_ns(self, earlier: Self) -> u64 {
        self.as_ns().saturating_sub(earlier.as_ns())
    }
}

/// The time in nanoseconds, as far as they can be counted.
pub(crate) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// A moment by both clocks: the one that Rust tells no number of, and the one that tells nothing else.
fn origin() -> (Instant, u64) {
    let comparisons = (0..COMPARISONS).map(|_| {
        let before = std::time::Instant::now();
        let monotonic = clock_gettime(ClockId::Monotonic);
        (before.elapsed(), before, monotonic)
    });
    let closest = comparisons.min_by_key(|(between, ..)| *between);
    let (_, before, monotonic) = closest.expect("there are several");
    let seconds = Duration::from_secs(u64::try_from(monotonic.tv_sec).unwrap_or(0));
    let rest_ns = u64::try_from(monotonic.tv_nsec).unwrap_or(0);
    (before.into(), nanoseconds(seconds).saturating_add(rest_ns))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustix::time::{ClockId, clock_gettime};
    use tokio::time::{self, Instant};

    use super::Stamp;

    fn monotonic() -> Stamp {
        let now = clock_gettime(ClockId::Monotonic);
        let seconds = u64::try_from(now.tv_sec).expect("after the boot");
        let rest = u64::try_from(now.tv_nsec).expect("below a second");
        Stamp::from_ns(seconds * 1_000_000_000 + rest)
    }

    #[test]
    fn a_stamp_is_what_the_monotonic_clock_shows() {
        // The two clocks were compared within a moment, which may be one of a busy host.
        let slack_ns = 100_000_000;
        for _ in 0..1_000 {
            let before = monotonic();
            let stamp = Stamp::now();
            let after = monotonic();
            assert!(stamp.plus_ns(slack_ns) >= before, "{stamp:?} {before:?}");
            assert!(after.plus_ns(slack_ns) >= stamp, "{stamp:?} {after:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stamp_moves_with_a_clock_that_a_test_moves() {
        let start = Stamp::now();
        time::advance(Duration::from_hours(1)).await;
        assert_eq!(Stamp::now().since_ns(start), 3_600_000_000_000);
        assert_eq!(start.since_ns(Stamp::now()), 0);
    }

    #[test]
    fn a_moment_before_the_first_look_at_the_clock_is_before_it() {
        let now = Instant::now();
        let before = now
            .checked_sub(Duration::from_millis(5))
            .expect("the host has run for longer");
        assert_eq!(Stamp::of(now).since_ns(Stamp::of(before)), 5_000_000);
    }

    #[test]
    fn no_number_overflows() {
        let last = Stamp::from_ns(u64::MAX);
        assert_eq!(last.plus_ns(u64::MAX), last);
        assert_eq!(Stamp::from_ns(0).since_ns(last), 0);
        assert_eq!(Stamp::from_ns(0), Stamp::from_ns(1));
    }
}
