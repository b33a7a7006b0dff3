//! 64-byte ticks beside a transfer of 1 GiB over one link, beside the same on raw sockets: one for the
//! ticks and one for the bytes. Open loop, a tick about every 200 microseconds; both ends in this
//! process, on threads of their own. The two sides take turns; the figures are of all runs.
//!
//! `cargo bench -p benches --bench objects [-- MEBIBYTES]`

use std::{env, time::Duration};

use mycelium_testkit::beside::{Beside, Way, over_a_link, over_raw_sockets};

const ROUNDS: usize = 5;

fn main() {
    let mebibytes = env::args().find_map(|argument| argument.parse().ok());
    let bytes = mebibytes.unwrap_or(1_024_u64) << 20;
    for way in [Way::Unix, Way::Tcp] {
        println!("{way:?}, {} MiB", bytes >> 20);
        let mut ratios = Vec::new();
        for round in 1..=ROUNDS {
            let raw = over_raw_sockets(way, bytes);
            let link = over_a_link(way, bytes);
            println!("  {round} raw sockets: {raw}");
            println!("  {round} one link:    {link}");
            ratios.push(ratio(&link, &raw));
        }
        ratios.sort_by(f64::total_cmp);
        let median = ratios[ROUNDS / 2];
        println!("  p99 beside raw sockets: {median:.2} (median of {ROUNDS})");
    }
}

fn ratio(link: &Beside, raw: &Beside) -> f64 {
    let p99 = |beside: &Beside| Duration::from_nanos(beside.permille_ns(990));
    p99(link).div_duration_f64(p99(raw))
}
