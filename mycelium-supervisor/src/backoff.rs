//! [`Backoff`]: how long a supervisor waits before it restarts a child that fails again and again.

use std::time::Duration;

use tokio::time::Instant;

/// Waits that double from failure to failure.
///
/// The first restart waits for `min`, each further one for twice as long as the one before, `max` at
/// most, and up to `jitter_percent` less, at random, so that what failed together does not come back
/// together. A life of at least `reset_after` is a success: the next failure waits for `min` again.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use mycelium_supervisor::Backoff;
///
/// let patient = Backoff::new(Duration::from_millis(100), Duration::from_secs(30))
///     .jitter_percent(20)
///     .reset_after(Duration::from_secs(60));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Backoff {
    min: Duration,
    max: Duration,
    jitter_percent: u8,
    reset_after: Duration,
}

impl Backoff {
    /// No wait at all: what OTP does, and the default.
    pub const NONE: Self = Self {
        min: Duration::ZERO,
        max: Duration::ZERO,
        jitter_percent: 0,
        reset_after: Duration::ZERO,
    };

    /// Waits from `min` to `max`, which counts as `min` where it is less. No jitter; a life as long as
    /// `max` is a success.
    pub const fn new(min: Duration, max: Duration) -> Self {
        Self {
            min,
            max,
            jitter_percent: 0,
            reset_after: max,
        }
    }

    /// Shortens each wait by up to this part of it, at random; 100 at most. Default 0.
    pub const fn jitter_percent(mut self, percent: u8) -> Self {
        self.jitter_percent = if percent > 100 { 100 } else { percent };
        self
    }

    /// After a life of this length the waits begin anew. Default: the longest wait.
    pub const fn reset_after(mut self, lived: Duration) -> Self {
        self.reset_after = lived;
        self
    }

    /// The wait after so many failures in a row, without jitter.
    fn full(&self, failures: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        let wait = self.min.saturating_mul(doubled);
        wait.min(self.max.max(self.min))
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::NONE
    }
}

/// A child's failures in a row.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Failures {
    count: u32,
    /// When the life began that there is, or was last.
    up_since: Option<Instant>,
}

impl Failures {
    /// A life has started.
    pub(crate) fn started(&mut self, now: Instant) {
        self.up_since = Some(now);
    }

    /// A life has failed, or did not start: how long its next one is to wait. `random` lies in `0..1`.
    pub(crate) fn failed(&mut self, backoff: &Backoff, now: Instant, random: f64) -> Duration {
        let lived = self.up_since.take().map(|since| now.duration_since(since));
        let is_success = lived.is_some_and(|lived| lived >= backoff.reset_after);
        self.count = if is_success {
            1
        } else {
            self.count.saturating_add(1)
        };
        let part = f64::from(backoff.jitter_percent) / 100.0 * random;
        backoff.full(self.count).mul_f64(1.0 - part)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Backoff, Failures};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn waits_double_up_to_the_longest() {
        let backoff = Backoff::new(SECOND, 10 * SECOND);
        let mut failures = Failures::default();
        let now = Instant::now();
        let waits: Vec<_> = (0..6)
            .map(|_| failures.failed(&backoff, now, 0.5).as_secs())
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 10, 10]);
    }

    #[test]
    fn a_life_that_is_long_enough_begins_anew() {
        let backoff = Backoff::new(SECOND, 10 * SECOND).reset_after(5 * SECOND);
        let mut failures = Failures::default();
        let mut now = Instant::now();
        for (lived, waits) in [(0, 1), (1, 2), (4, 4), (5, 1), (1, 2)] {
            failures.started(now);
            now += lived * SECOND;
            assert_eq!(failures.failed(&backoff, now, 0.0), waits * SECOND);
        }
    }

    #[test]
    fn jitter_only_shortens() {
        let backoff = Backoff::new(SECOND, SECOND).jitter_percent(50);
        let waits = [0.0, 0.5, 0.999].map(|random| {
            let wait = Failures::default().failed(&backoff, Instant::now(), random);
            wait.as_millis()
        });
        assert_eq!(waits, [1_000, 750, 500]);
    }

    #[test]
    fn no_number_of_failures_overflows() {
        let backoff = Backoff::new(SECOND, Duration::MAX);
        assert_eq!(backoff.full(u32::MAX), SECOND.saturating_mul(u32::MAX));
        let mut failures = Failures::default();
        for _ in 0..100 {
            failures.failed(&backoff, Instant::now(), 0.0);
        }
        assert_eq!(Backoff::NONE.full(40), Duration::ZERO);
    }
}
