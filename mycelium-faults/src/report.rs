//! [`Report`]: the lines that the user reads, and the exit code.

use std::{process::ExitCode, time::Duration};

use crate::{options::Scale, rows::Row};

/// How many rows ended how.
#[derive(Default)]
pub(crate) struct Report {
    passed: u32,
    skipped: u32,
    failed: u32,
}

impl Report {
    pub(crate) fn passed(&mut self, row: &Row, measured: &str, took: Duration) {
        self.passed += 1;
        let seconds = took.as_secs_f64();
        println!("{:<5} passed  ({measured}; {seconds:.1} s)", row.name);
    }

    pub(crate) fn skipped(&mut self, row: &Row, why: &str) {
        self.skipped += 1;
        println!("{:<5} skipped: {why}", row.name);
    }

    pub(crate) fn failed(&mut self, row: &Row, why: &str, scale: Scale, seed: u64) {
        self.failed += 1;
        let (name, scale) = (row.name, scale.word());
        println!("{name:<5} FAILED  {why}");
        println!("      to repeat it: cargo xtask faults {name} {scale} --seed {seed}");
    }

    pub(crate) fn finish(self) -> ExitCode {
        let Self {
            passed,
            skipped,
            failed,
        } = self;
        println!("== faults: {passed} passed, {skipped} skipped, {failed} failed");
        if failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}
