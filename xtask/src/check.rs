//! The one door: every check, in order.
//!
//! The table [`STEPS`] is the whole story. A step that fails ends the run and says how to repeat
//! that step alone.

use std::{
    env,
    process::Command,
    time::{Duration, Instant},
};

use self::Work::{Cargo, Here, Rustdoc};
use crate::{Outcome, deny, layers};

const STEPS: &[Step] = &[
    step("fmt", Cargo("fmt --all -- --check")),
    step(
        "clippy",
        Cargo("clippy --workspace --all-targets -- -D warnings"),
    ),
    step("layers", Here(layers::run)),
    step("deny", Here(deny::run)),
    // The fuzz targets are a workspace of their own, built on demand: their lock file must not lag.
    step(
        "fuzz-lock",
        Cargo("tree --quiet --locked --depth 0 --manifest-path fuzz/Cargo.toml"),
    ),
    step("test", Cargo("test --workspace")),
    // Each bench once, for what it does and not for how fast.
    step("benches", Cargo("test --package benches --benches")),
    step("doc", Rustdoc("doc --workspace --all-features --no-deps")),
];

const RUSTDOCFLAGS: &str = "-D warnings";

/// Runs every step until one fails.
///
/// # Errors
/// The failure of the first step that failed, with the command that runs this step alone.
pub(crate) fn run() -> Outcome {
    let started = Instant::now();
    for step in STEPS {
        step.run()?;
    }
    println!(
        "== check: {} steps passed in {}",
        STEPS.len(),
        seconds(started.elapsed())
    );
    Ok(())
}

struct Step {
    name: &'static str,
    work: Work,
}

enum Work {
    /// `cargo` with these arguments, split at spaces.
    Cargo(&'static str),
    /// `cargo` with these arguments, every rustdoc warning an error.
    Rustdoc(&'static str),
    /// A subcommand of this program, named as its step.
    Here(fn() -> Outcome),
}

const fn step(name: &'static str, work: Work) -> Step {
    Step { name, work }
}

impl Step {
    fn run(&self) -> Outcome {
        println!("== {}: {}", self.name, self.alone());
        let started = Instant::now();
        let outcome = self.work.run();
        let took = seconds(started.elapsed());
        outcome.map_err(|error| self.failure(&error.to_string(), &took))?;
        println!("== {}: passed in {took}\n", self.name);
        Ok(())
    }

    fn failure(&self, error: &str, took: &str) -> String {
        let Self { name, .. } = self;
        let alone = self.alone();
        format!("{error}\n== {name}: failed after {took}\n   to run it alone: {alone}")
    }

    /// The line that repeats this step from a shell.
    fn alone(&self) -> String {
        match self.work {
            Cargo(arguments) => format!("cargo {arguments}"),
            Rustdoc(arguments) => format!("RUSTDOCFLAGS=\"{RUSTDOCFLAGS}\" cargo {arguments}"),
            Here(_) => format!("cargo xtask {}", self.name),
        }
    }
}

impl Work {
    fn run(&self) -> Outcome {
        match self {
            Cargo(arguments) => finish(&mut cargo(arguments)),
            Rustdoc(arguments) => finish(cargo(arguments).env("RUSTDOCFLAGS", RUSTDOCFLAGS)),
            Here(run) => run(),
        }
    }
}

/// The cargo that started this program, so that a chosen toolchain stays chosen.
fn cargo(arguments: &str) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(arguments.split(' '));
    cargo
}

fn finish(command: &mut Command) -> Outcome {
    let status = command
        .status()
        .map_err(|error| format!("cannot start {command:?}: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("cargo ended with {status}").into())
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_names_the_command_that_runs_it_alone() {
        let step = step("layers", Here(|| Err("wire imports tokio".into())));

        let failure = step.run().unwrap_err().to_string();

        assert!(failure.starts_with("wire imports tokio\n"), "{failure}");
        assert!(
            failure.ends_with("to run it alone: cargo xtask layers"),
            "{failure}"
        );
    }

    #[test]
    fn the_doc_step_shows_its_flags() {
        let doc = STEPS.last().unwrap();

        assert_eq!(
            doc.alone(),
            "RUSTDOCFLAGS=\"-D warnings\" cargo doc --workspace --all-features --no-deps"
        );
    }
}
