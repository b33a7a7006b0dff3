//! [`run`]: plays the rows one after the other and prints a line for each.

use std::{panic::AssertUnwindSafe, process::ExitCode, time::Instant};

use tokio::runtime;

use crate::{
    netns,
    options::{Options, Task},
    report::Report,
    rows::{Row, Skip},
    stage::Stage,
};

/// How a row ended.
enum Verdict {
    /// What was measured.
    Passed(String),
    Skipped(String),
    Failed(String),
}

pub(crate) fn run(options: &Options) -> ExitCode {
    if options.task == Task::List {
        for row in &options.rows {
            println!("{:<5} {}", row.name, row.about);
        }
        return ExitCode::SUCCESS;
    }
    netns::sweep();
    let mut report = Report::default();
    for round in 0..options.repeat {
        for row in &options.rows {
            let seed = options.seed.unwrap_or_else(rand::random);
            let seed = seed.wrapping_add(round.into());
            let started = Instant::now();
            let verdict = play(row, options, seed);
            let took = started.elapsed();
            match verdict {
                Verdict::Passed(measured) => report.passed(row, &measured, took),
                Verdict::Skipped(why) => report.skipped(row, &why),
                Verdict::Failed(why) => report.failed(row, &why, options.scale, seed),
            }
        }
    }
    report.finish()
}

/// Plays a row on a runtime of its own, so that what one leaves behind disturbs no other.
fn play(row: &Row, options: &Options, seed: u64) -> Verdict {
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("the system has threads");
    let stage = match Stage::set(row.name, options, seed) {
        Ok(stage) => stage,
        Err(error) => return Verdict::Failed(format!("the stage cannot be set: {error}")),
    };
    let played = AssertUnwindSafe(|| runtime.block_on((row.play)(&stage)));
    let verdict = match std::panic::catch_unwind(played) {
        Ok(Ok(measured)) => Verdict::Passed(measured),
        Ok(Err(failure)) => match failure.downcast::<Skip>() {
            Ok(skip) => Verdict::Skipped(skip.0.to_owned()),
            Err(failure) => Verdict::Failed(failure.to_string()),
        },
        Err(_panic) => Verdict::Failed("the row panicked, see above".to_owned()),
    };
    drop(stage);
    runtime.shutdown_background();
    verdict
}
