//! How long messages took over one hop, and how many passed per second.
//!
//! A recorder lives where the messages arrive, in a child process; its [`HopLatency`] travels to
//! the launcher as the list of recorded values with their counts, which loses nothing: each value
//! falls into its own bucket again.

use std::fmt::Write as _;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Longer waits count as this long.
const MAX_NS: u64 = 600 * 1_000_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;
/// Lines of the percentile text between one half of the remaining distance to 100 % and the next.
const TICKS_PER_HALF: u32 = 5;

/// Records the latencies of one hop at its receiver.
pub(crate) struct LatencyRecorder {
    histogram: Histogram<u64>,
    handled_ns: Option<Span>,
}

impl LatencyRecorder {
    /// A recorder of nothing; it takes about 250 KiB and never grows.
    pub(crate) fn new() -> Self {
        Self {
            histogram: empty_histogram(),
            handled_ns: None,
        }
    }

    /// Adds a message that set out at `start_ns` and is handled at `now_ns`, on one clock.
    pub(crate) fn record(&mut self, start_ns: u64, now_ns: u64) {
        self.histogram
            .saturating_record(now_ns.saturating_sub(start_ns));
        self.handled_ns = Some(Span::joined(
            self.handled_ns,
            Span {
                first: now_ns,
                last: now_ns,
            },
        ));
    }

    /// Adds all that another recorder of the same hop saw.
    pub(crate) fn absorb(&mut self, other: &HopLatency) {
        for &(value_ns, count) in &other.values_ns {
            self.histogram.saturating_record_n(value_ns, count);
        }
        if let Some(span) = other.handled_ns {
            self.handled_ns = Some(Span::joined(self.handled_ns, span));
        }
    }

    /// All that was recorded, in a form that travels.
    pub(crate) fn snapshot(&self) -> HopLatency {
        let values_ns = self
            .histogram
            .iter_recorded()
            .map(|step| (step.value_iterated_to(), step.count_at_value()))
            .collect();
        HopLatency {
            values_ns,
            handled_ns: self.handled_ns,
        }
    }

    /// The figures of the report.
    pub(crate) fn summary(&self) -> LatencySummary {
        LatencySummary {
            count: self.histogram.len(),
            p50_ns: self.histogram.value_at_quantile(0.5),
            p90_ns: self.histogram.value_at_quantile(0.9),
            p99_ns: self.histogram.value_at_quantile(0.99),
            p999_ns: self.histogram.value_at_quantile(0.999),
            max_ns: self.histogram.max(),
            messages_per_s: self
                .handled_ns
                .map_or(0.0, |span| span.rate_per_s(self.histogram.len())),
        }
    }

    /// Points of the percentile curve: quantile, nanoseconds, and how many messages were at most
    /// that slow.
    pub(crate) fn curve(&self) -> Vec<CurvePoint> {
        let mut total_count = 0;
        self.histogram
            .iter_quantiles(TICKS_PER_HALF)
            .map(|step| {
                total_count += step.count_since_last_iteration();
                CurvePoint {
                    quantile: step.quantile_iterated_to(),
                    value_ns: step.value_iterated_to(),
                    total_count,
                }
            })
            .collect()
    }

    /// The text format of `HdrHistogram`'s percentile distribution (`.hgrm`), in microseconds.
    pub(crate) fn percentile_text(&self) -> String {
        let mut text = format!(
            "{:>12} {:>14} {:>10} {:>14}\n\n",
            "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
        );
        for point in self.curve() {
            write_curve_line(&mut text, point);
        }
        let (mean, deviation) = (self.histogram.mean() / 1e3, self.histogram.stdev() / 1e3);
        let (max, count) = (micros(self.histogram.max()), self.histogram.len());
        writeln!(
            text,
            "#[Mean    = {mean:>12.3}, StdDeviation   = {deviation:>12.3}]"
        )
        .expect("a String takes all");
        writeln!(
            text,
            "#[Max     = {max:>12.3}, Total count    = {count:>12}]"
        )
        .expect("a String takes all");
        text
    }
}

/// One point of a percentile curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct CurvePoint {
    /// 0.0 to 1.0.
    pub(crate) quantile: f64,
    /// The latency at this quantile.
    pub(crate) value_ns: u64,
    /// Messages at most that slow.
    pub(crate) total_count: u64,
}

/// What the recorder of a hop saw, on its way to the launcher.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HopLatency {
    values_ns: Vec<(u64, u64)>,
    handled_ns: Option<Span>,
}

/// The figures of one hop.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct LatencySummary {
    /// Messages.
    pub(crate) count: u64,
    /// Half of them took at most this long.
    pub(crate) p50_ns: u64,
    /// 90 % took at most this long.
    pub(crate) p90_ns: u64,
    /// 99 % took at most this long.
    pub(crate) p99_ns: u64,
    /// 99.9 % took at most this long.
    pub(crate) p999_ns: u64,
    /// The slowest.
    pub(crate) max_ns: u64,
    /// Messages over the time between the first and the last one handled; 0 for fewer than two.
    pub(crate) messages_per_s: f64,
}

/// When the first and the last message were handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Span {
    first: u64,
    last: u64,
}

impl Span {
    fn joined(before: Option<Self>, span: Self) -> Self {
        before.map_or(span, |before| Self {
            first: before.first.min(span.first),
            last: before.last.max(span.last),
        })
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a rate is printed with far fewer digits than a double has"
    )]
    fn rate_per_s(self, count: u64) -> f64 {
        let elapsed_ns = self.last - self.first;
        if elapsed_ns == 0 {
            0.0
        } else {
            count as f64 * 1e9 / elapsed_ns as f64
        }
    }
}

fn empty_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, MAX_NS, SIGNIFICANT_DIGITS)
        .expect("the bounds are constants that fit")
}

fn write_curve_line(text: &mut String, point: CurvePoint) {
    let CurvePoint {
        quantile,
        value_ns,
        total_count,
    } = point;
    let value = micros(value_ns);
    let written = if quantile < 1.0 {
        writeln!(
            text,
            "{value:>12.3} {quantile:>14.12} {total_count:>10} {:>14.2}",
            1.0 / (1.0 - quantile)
        )
    } else {
        writeln!(text, "{value:>12.3} {quantile:>14.12} {total_count:>10}")
    };
    written.expect("a String takes all");
}

/// Microseconds, as the tables and plots show them.
#[expect(
    clippy::cast_precision_loss,
    reason = "the histogram itself keeps three digits"
)]
pub(crate) fn micros(value_ns: u64) -> f64 {
    value_ns as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorder_of(latencies_ns: &[u64]) -> LatencyRecorder {
        let mut recorder = LatencyRecorder::new();
        for (start_ns, latency_ns) in (0..).step_by(1_000_000).zip(latencies_ns) {
            recorder.record(start_ns, start_ns + latency_ns);
        }
        recorder
    }

    #[test]
    fn the_summary_has_the_percentiles_of_what_was_recorded() {
        let latencies: Vec<_> = (1..=1_000).collect();
        let summary = recorder_of(&latencies).summary();
        let percentiles = (
            summary.p50_ns,
            summary.p90_ns,
            summary.p99_ns,
            summary.p999_ns,
            summary.max_ns,
        );
        assert_eq!(
            (summary.count, percentiles),
            (1_000, (500, 900, 990, 999, 1_000))
        );
    }

    #[test]
    fn the_rate_is_counted_from_the_first_to_the_last_handled() {
        let rate = recorder_of(&[10, 10, 10]).summary().messages_per_s;
        assert!((rate - 1_500.0).abs() < 1e-9, "{rate}");
        assert!(recorder_of(&[10]).summary().messages_per_s.abs() < f64::EPSILON);
    }

    #[test]
    fn a_snapshot_that_was_absorbed_is_the_same_again() {
        let original = recorder_of(&[1, 70, 12_345, 12_345, 9_876_543_210]);
        let text = serde_json::to_string(&original.snapshot()).unwrap();
        let mut copy = LatencyRecorder::new();
        copy.absorb(&serde_json::from_str(&text).unwrap());
        assert_eq!(copy.summary(), original.summary());
        assert_eq!(copy.snapshot(), original.snapshot());
    }

    #[test]
    fn snapshots_of_two_receivers_add_up() {
        let mut both = recorder_of(&[5, 5]);
        both.absorb(&recorder_of(&[7, 7, 7]).snapshot());
        assert_eq!(
            (
                both.summary().count,
                both.summary().p50_ns,
                both.summary().max_ns
            ),
            (5, 7, 7)
        );
    }

    #[test]
    fn a_wait_beyond_the_range_counts_as_the_longest() {
        let summary = recorder_of(&[u64::MAX / 2]).summary();
        assert!(summary.count == 1 && summary.max_ns >= MAX_NS);
    }

    #[test]
    fn a_clock_that_seems_to_step_back_counts_as_zero() {
        let mut recorder = LatencyRecorder::new();
        recorder.record(10, 9);
        assert_eq!(
            (recorder.summary().count, recorder.summary().max_ns),
            (1, 0)
        );
    }

    #[test]
    fn the_percentile_text_ends_with_all_messages_at_the_maximum() {
        let text = recorder_of(&[1_000, 2_000, 3_000]).percentile_text();
        let last_line = text.lines().rfind(|line| !line.starts_with('#')).unwrap();
        let fields: Vec<_> = last_line.split_whitespace().collect();
        assert_eq!(fields[1..], ["1.000000000000", "3"]);
        assert!(text.contains("Total count    =            3]"), "{text}");
    }
}
