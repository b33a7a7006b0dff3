//! [`Intensity`]: how many restarts are too many.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// How often children may be restarted before their supervisor gives up: more than `max_restarts` in
/// any time of the length `within`.
///
/// Default: 1 restart in 5 s, as in OTP
/// ([Supervisor Behaviour, Maximum Restart Intensity](https://www.erlang.org/doc/system/sup_princ.html#maximum-restart-intensity)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intensity {
    /// The most restarts that are borne; a restart of a whole group counts once.
    pub max_restarts: u32,
    /// In how long a time.
    pub within: Duration,
}

impl Default for Intensity {
    fn default() -> Self {
        Self {
            max_restarts: 1,
            within: Duration::from_secs(5),
        }
    }
}

/// The restarts of a supervisor's recent past.
///
/// Holds no more than `max_restarts` and one moments.
#[derive(Debug, Default)]
pub(crate) struct Restarts(VecDeque<Instant>);

impl Restarts {
    /// Counts a restart, and says whether it is still borne.
    pub(crate) fn add(&mut self, now: Instant, intensity: Intensity) -> bool {
        let Intensity {
            max_restarts,
            within,
        } = intensity;
        self.0.push_back(now);
        let is_old = |moment: &Instant| now.duration_since(*moment) > within;
        while self.0.front().is_some_and(is_old) {
            self.0.pop_front();
        }
        self.0.len() <= usize::try_from(max_restarts).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Intensity, Restarts};

    const THREE_IN_TEN: Intensity = Intensity {
        max_restarts: 3,
        within: Duration::from_secs(10),
    };

    #[test]
    fn more_restarts_than_the_intensity_names_are_too_many() {
        let now = Instant::now();
        let mut restarts = Restarts::default();
        for _ in 0..3 {
            assert!(restarts.add(now, THREE_IN_TEN));
        }
        assert!(!restarts.add(now + Duration::from_secs(10), THREE_IN_TEN));
    }

    #[test]
    fn restarts_that_lie_far_back_do_not_count() {
        let start = Instant::now();
        let mut restarts = Restarts::default();
        for second in 0..100 {
            let now = start + Duration::from_secs(4 * second);
            assert!(restarts.add(now, THREE_IN_TEN));
        }
        assert!(restarts.0.len() <= 3, "what is old is forgotten");
    }

    #[test]
    fn an_intensity_of_nothing_bears_no_restart() {
        let none = Intensity {
            max_restarts: 0,
            within: Duration::from_secs(1),
        };
        assert!(!Restarts::default().add(Instant::now(), none));
    }
}
