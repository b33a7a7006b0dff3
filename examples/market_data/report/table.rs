//! The report as people read it at the end of a run.

use std::fmt;

use super::{HopRow, JobReport, StageRow};
use crate::{book::BookCounts, latency::micros, risk::RiskCounts};

impl fmt::Display for JobReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hops(f, &self.hops)?;
        writeln!(f)?;
        write_stages(f, &self.stages)?;
        writeln!(f)?;
        write_kinds(f, self)?;
        self.book
            .as_ref()
            .map_or(Ok(()), |book| write_book(f, book))?;
        self.risk
            .as_ref()
            .map_or(Ok(()), |risk| write_risk(f, risk))?;
        self.failed_asks.map_or(Ok(()), |asks| {
            writeln!(f, "asks            {} failed", grouped(asks))
        })
    }
}

/// A number with a comma after every third digit.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn write_hops(f: &mut fmt::Formatter<'_>, hops: &[HopRow]) -> fmt::Result {
    writeln!(
        f,
        "{:<20} {:<9} {:>12} {:>11} {:>11} {:>11} {:>11} {:>11} {:>12}",
        "hop (times in us)",
        "transport",
        "count",
        "p50",
        "p90",
        "p99",
        "p99.9",
        "max",
        "messages/s"
    )?;
    for HopRow {
        name,
        transport,
        summary,
        ..
    } in hops
    {
        let count = grouped(summary.count);
        write!(f, "{name:<20} {:<9} {count:>12}", transport.name())?;
        for value_ns in [
            summary.p50_ns,
            summary.p90_ns,
            summary.p99_ns,
            summary.p999_ns,
            summary.max_ns,
        ] {
            write!(f, " {:>11.1}", micros(value_ns))?;
        }
        writeln!(f, " {:>12}", grouped(whole(summary.messages_per_s)))?;
    }
    Ok(())
}

fn write_stages(f: &mut fmt::Formatter<'_>, stages: &[StageRow]) -> fmt::Result {
    writeln!(
        f,
        "{:<20} {:>12} {:>10} {:>10} {:>10}  checksum (CRC-64/XZ)",
        "stage", "events", "lost", "duplicated", "reordered"
    )?;
    for stage in stages {
        let [handled, lost, duplicated, reordered] =
            [stage.handled, stage.lost, stage.duplicated, stage.reordered].map(grouped);
        let StageRow { name, checksum, .. } = stage;
        writeln!(
            f,
            "{name:<20} {handled:>12} {lost:>10} {duplicated:>10} {reordered:>10}  {checksum}"
        )?;
    }
    Ok(())
}

fn write_kinds(f: &mut fmt::Formatter<'_>, report: &JobReport) -> fmt::Result {
    let kinds: Vec<_> = report
        .events_by_type
        .iter()
        .map(|(kind, &count)| format!("{kind}: {}", grouped(count)))
        .collect();
    writeln!(f, "events by type  {}", kinds.join("  "))
}

fn write_book(f: &mut fmt::Formatter<'_>, book: &BookCounts) -> fmt::Result {
    writeln!(
        f,
        "book            {} symbols, {} live orders, {} events named an order from before the replay",
        grouped(book.symbols),
        grouped(book.live_orders),
        grouped(book.unknown_orders),
    )
}

fn write_risk(f: &mut fmt::Formatter<'_>, risk: &RiskCounts) -> fmt::Result {
    writeln!(
        f,
        "risk            ${} traded, ${} largest exposure, breaches: {} order size, {} exposure, {} price, {} rate",
        grouped(dollars(risk.traded_notional)),
        grouped(dollars(risk.largest_exposure_notional)),
        grouped(risk.order_breaches),
        grouped(risk.exposure_breaches),
        grouped(risk.price_breaches),
        grouped(risk.rate_breaches),
    )
}

fn dollars(notional: i64) -> u64 {
    notional.unsigned_abs() / 10_000
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates are positive and far below 2^64"
)]
fn whole(rate: f64) -> u64 {
    rate.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::report_of;

    #[test]
    fn numbers_are_grouped_by_three() {
        let texts = [0, 999, 1_000, 91_997, 1_234_567].map(grouped);
        assert_eq!(texts, ["0", "999", "1,000", "91,997", "1,234,567"]);
    }

    #[test]
    fn every_hop_and_every_stage_has_its_line() {
        let text = report_of(&[0, 1], &[0, 1]).to_string();
        for start in [
            "feed->book",
            "book->risk",
            "feed ",
            "book ",
            "risk ",
            "events by type",
        ] {
            assert!(
                text.lines().any(|line| line.starts_with(start)),
                "{start}: {text}"
            );
        }
    }
}
