//! When each event should be sent, and the waiting until then.
//!
//! The schedule is fixed before the first event leaves (an open loop): a sender that falls behind
//! does not move it, so the delay it causes is part of the figures. The waiting thread sleeps and
//! then spins through the last millisecond, because the precision of a sleep would colour the
//! latencies.

use std::{
    fmt,
    num::NonZeroU64,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use thiserror::Error;

use crate::clock::monotonic_ns;

const SPIN_NS: u64 = 1_000_000;
/// A request to stop is noticed at least this often during a long sleep.
const LONGEST_SLEEP_NS: u64 = 20_000_000;

/// How fast events are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rate {
    /// Evenly, so many events in each second.
    PerSecond(NonZeroU64),
    /// Each as soon as the one before is gone.
    Max,
    /// With the gaps between the recorded times.
    Recorded,
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        match text {
            "max" => Ok(Self::Max),
            "recorded" => Ok(Self::Recorded),
            _ => text.parse().map(Self::PerSecond).map_err(|_| RateError),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PerSecond(rate) => rate.fmt(f),
            Self::Max => f.write_str("max"),
            Self::Recorded => f.write_str("recorded"),
        }
    }
}

/// The text is not a rate.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("expected a whole number of events per second above 0, `max` or `recorded`")]
pub(crate) struct RateError;

/// The intended send time of every event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    rate: Rate,
    start_ns: u64,
    first_recorded_ns: Option<u64>,
}

impl Schedule {
    /// A schedule whose first event is due at `start_ns`.
    pub(crate) fn new(rate: Rate, start_ns: u64) -> Self {
        Self {
            rate,
            start_ns,
            first_recorded_ns: None,
        }
    }

    /// When the event number `index`, recorded at `recorded_ns`, should be sent; `None` means as
    /// soon as possible.
    pub(crate) fn intended_ns(&mut self, index: u64, recorded_ns: u64) -> Option<u64> {
        let offset_ns = match self.rate {
            Rate::Max => return None,
            Rate::PerSecond(rate) => even_offset_ns(index, rate),
            Rate::Recorded => {
                recorded_ns.saturating_sub(*self.first_recorded_ns.get_or_insert(recorded_ns))
            }
        };
        Some(self.start_ns.saturating_add(offset_ns))
    }
}

/// A wish to stop that other threads can express while one waits.
#[derive(Clone, Debug, Default)]
pub(crate) struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// Asks the waiting thread to stop.
    pub(crate) fn raise(&self) {
        // Relaxed: the flag carries no other data.
        self.0.store(true, Ordering::Relaxed);
    }

    /// True once someone asked.
    pub(crate) fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Why a wait has ended.
#[must_use = "what is not due must not be sent"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// It is time.
    Due,
    /// Someone asked to stop, perhaps before it was time.
    Stopped,
}

/// Returns at `due_ns`, or as soon as `stop` is raised.
pub(crate) fn wait_until(due_ns: u64, stop: &StopFlag) -> Waited {
    while !stop.is_raised() {
        let left_ns = due_ns.saturating_sub(monotonic_ns());
        if left_ns == 0 {
            return Waited::Due;
        }
        if left_ns > SPIN_NS {
            thread::sleep(Duration::from_nanos(
                (left_ns - SPIN_NS).min(LONGEST_SLEEP_NS),
            ));
        } else {
            // Gives way while it spins: where every core is taken, whoever waits for one is what the
            // figures are about. Elsewhere it returns at once.
            thread::yield_now();
        }
    }
    Waited::Stopped
}

/// Computed from the index and not by adding up gaps: nothing is lost to rounding.
fn even_offset_ns(index: u64, rate: NonZeroU64) -> u64 {
    let offset_ns = u128::from(index) * 1_000_000_000 / u128::from(rate.get());
    u64::try_from(offset_ns).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_numbers_max_or_recorded() {
        for text in ["1", "100000", "max", "recorded"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        for text in ["0", "-1", "1.5", "fast", ""] {
            assert_eq!(text.parse::<Rate>(), Err(RateError), "{text}");
        }
    }

    #[test]
    fn an_even_rate_does_not_drift() {
        let mut schedule = Schedule::new("3".parse().unwrap(), 1_000);
        assert_eq!(schedule.intended_ns(0, 0), Some(1_000));
        assert_eq!(schedule.intended_ns(1, 0), Some(333_334_333));
        assert_eq!(
            schedule.intended_ns(3_000_000, 0),
            Some(1_000_000_000_001_000)
        );
    }

    #[test]
    fn recorded_gaps_are_kept() {
        let mut schedule = Schedule::new(Rate::Recorded, 1_000);
        let intended: Vec<_> = [500, 501, 700]
            .iter()
            .map(|&at| schedule.intended_ns(0, at).unwrap())
            .collect();
        assert_eq!(intended, [1_000, 1_001, 1_200]);
    }

    #[test]
    fn the_highest_rate_has_no_schedule() {
        assert_eq!(Schedule::new(Rate::Max, 1_000).intended_ns(5, 5), None);
    }

    #[test]
    fn waiting_ends_at_the_due_time_and_not_before() {
        let due_ns = monotonic_ns() + 3_000_000;
        assert_eq!(wait_until(due_ns, &StopFlag::default()), Waited::Due);
        assert!(monotonic_ns() >= due_ns);
    }

    #[test]
    fn a_raised_flag_ends_the_longest_wait_and_is_told_from_its_end() {
        let stop = StopFlag::default();
        let waiting = thread::spawn({
            let stop = stop.clone();
            move || wait_until(u64::MAX, &stop)
        });
        stop.raise();
        assert_eq!(waiting.join().unwrap(), Waited::Stopped);
    }
}
