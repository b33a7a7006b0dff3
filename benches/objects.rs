//! 64-byte ticks beside a transfer of 1 GiB over one link, beside the same over two raw sockets, one for
//! the ticks and one for the bytes: by hand-written tokio tasks, and by threads that block, the limit.
//! Open loop, a tick about every 200 microseconds; both ends in this process, on threads of their own.
//! The three take turns.
//!
//! `cargo bench -p benches --bench objects [-- MEBIBYTES]`

use std::env;

use mycelium_testkit::beside::{
    Beside, Load, Way, over_a_link, over_raw_sockets, over_tokio_sockets,
};

const ROUNDS: usize = 5;

fn main() {
    let mebibytes = env::args().find_map(|argument| argument.parse().ok());
    // As a test it runs once, for what it does.
    let is_timed = env::args().any(|argument| argument == "--bench");
    let (mebibytes, rounds) = match mebibytes {
        _ if !is_timed => (1, 1),
        None => (1_024_u64, ROUNDS),
        Some(mebibytes) => (mebibytes, ROUNDS),
    };
    // One object.
    let load = Load {
        object_bytes: mebibytes << 20,
        ticks: 0,
    };
    for way in [Way::Unix, Way::Tcp] {
        println!("{way:?}, {mebibytes} MiB");
        let mut ratios = [Vec::new(), Vec::new()];
        for round in 1..=rounds {
            let threads = over_raw_sockets(way, load);
            let tasks = over_tokio_sockets(way, load);
            let link = over_a_link(way, load);
            println!("  {round} threads: {threads}");
            println!("  {round} tasks:   {tasks}");
            println!("  {round} link:    {link}");
            ratios[0].push(ratio(&link, &threads));
            ratios[1].push(ratio(&link, &tasks));
        }
        let [threads, tasks] = ratios.map(median);
        println!(
            "  p99 beside tasks {tasks:.2}, beside threads {threads:.2} (medians of {rounds})"
        );
    }
}

fn ratio(link: &Beside, raw: &Beside) -> f64 {
    link.p99().div_duration_f64(raw.p99())
}

fn median(mut ratios: Vec<f64>) -> f64 {
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}
