//! `faults`: real processes, killed, cut off and lied to, and a checker of what they report.
//!
//! The program is its own cast: started without a role it is the orchestrator, which plays the rows
//! of [`rows::ROWS`]; with `--role` it is a node that a row has started. A node streams its
//! [`record::Record`]s to the orchestrator through its standard output, one write per batch, so
//! that a kill loses nothing that was written. When a row is over, [`checker`] holds the records
//! against the promises of `docs/semantics.md`.
//!
//! A new row is a file in `rows/` and a line in the table there. Time limits are judged here and
//! nowhere else.

mod checker;
mod child;
mod clock;
mod log;
mod netns;
mod options;
mod packet;
mod packet_loss;
mod processors;
mod record;
mod report;
mod resources;
mod role;
mod rows;
mod run;
mod stage;
mod victim;

use std::{env, process::ExitCode};

use crate::options::Options;

const USAGE: &str = "\
usage: cargo xtask faults [F-n ..] [--smoke | --full] [--repeat N] [--seed N] [--untimed]

  F-n         these rows only; without any, all of them
  --smoke     few rounds, the default; --full is what a release has to pass
  --repeat N  plays the rows N times
  --seed N    draws the same random numbers again
  --untimed   judges outcomes and counts, and no time limits
  --list      says what each row does
";

fn main() -> ExitCode {
    let words: Vec<_> = env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == "--role") {
        return role::main(&words[1..]);
    }
    match Options::read(&words) {
        Ok(options) => run::run(&options),
        Err(misuse) => {
            eprint!("{misuse}\n\n{USAGE}");
            ExitCode::from(2)
        }
    }
}
