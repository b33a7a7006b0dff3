//! `cargo xtask faults`: real processes, killed, cut off and lied to.
//!
//! A thin front: the rows live in `mycelium-faults`, which this builds for release and runs with the
//! words that it was given.

use std::{env, process::Command};

use crate::Outcome;

/// Builds the rows and plays them.
///
/// # Errors
/// That a row failed, whose line says how to repeat it.
pub(crate) fn run(words: &[&str]) -> Outcome {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args([
        "run",
        "--quiet",
        "--release",
        "--package",
        "mycelium-faults",
        "--",
    ]);
    let status = cargo
        .args(words)
        .status()
        .map_err(|error| format!("cannot start {cargo:?}: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err("a row failed; its line says how to repeat it".into())
    }
}
