//! `cargo xtask check`: the one door for checks.
//!
//! [`check`] runs every step and stops at the first that fails. Two of its steps live here and can
//! be run alone: [`layers`] keeps the arrows between our crates as the architecture draws them,
//! [`deny`] keeps out what must not come in. Both are pure rules over a [`graph::Graph`] that answer
//! with [`violation::Violation`]s. [`fuzz`] takes as long as it is given and is no part of [`check`].

use std::{env, process::ExitCode};

mod check;
mod deny;
mod faults;
mod fuzz;
mod graph;
mod layers;
mod violation;

const USAGE: &str = "\
usage: cargo xtask <command>

  check    every check, stopping at the first that fails
  layers   no crate depends on, or names, what the architecture keeps from it
  deny     licences, banned packages, duplicates and sources
  fuzz SECONDS [TARGET..]
           each parser of foreign bytes, or the named ones, for so long under libFuzzer
  faults   processes that are killed, cut off and lied to: [F-n ..] [--smoke | --full]
  help     this text
";

/// What a command answers: nothing when all is well, else what the user reads before exit code 1.
type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let words: Vec<_> = env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["check"] => exit_code(check::run()),
        ["layers"] => exit_code(layers::run()),
        ["deny"] => exit_code(deny::run()),
        ["fuzz", words @ ..] => exit_code(fuzz::run(words)),
        ["faults", words @ ..] => exit_code(faults::run(words)),
        ["help" | "-h" | "--help"] => {
            print!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => {
            eprint!("{}", misuse(&words));
            ExitCode::from(2)
        }
    }
}

fn exit_code(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn misuse(words: &[&str]) -> String {
    if words.is_empty() {
        return USAGE.to_owned();
    }
    format!("cargo xtask does not know `{}`\n\n{USAGE}", words.join(" "))
}
