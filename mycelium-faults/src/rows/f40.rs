//! F-40: a program that was built to abort on panics.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Failure, Row, ensure};
use crate::stage::Stage;

pub(crate) const ROW: Row = Row {
    name: "F-40",
    about: "a build with panic = \"abort\": the node refuses to start, and says why",
    play: |stage| Box::pin(std::future::ready(play(stage))),
};

const MANIFEST: &str = r#"
[package]
name = "aborts"
version = "0.0.0"
edition = "2024"

[dependencies]
mycelium = { path = "MYCELIUM" }
tokio = { version = "1", features = ["rt-multi-thread"] }

[profile.dev]
panic = "abort"
debug = false

[workspace]
"#;

const PROGRAM: &str = r#"
fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("the system has threads");
    let started = runtime.block_on(mycelium::Node::builder("aborts").start());
    print!("{}", started.expect_err("it must not start"));
}
"#;

fn play(stage: &Stage) -> Result<String, Failure> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()?;
    let facade = workspace.join("mycelium");
    let manifest = MANIFEST.replace("MYCELIUM", &facade.display().to_string());
    fs::create_dir(stage.dir().join("src"))?;
    fs::write(stage.dir().join("Cargo.toml"), manifest)?;
    fs::write(stage.dir().join("src/main.rs"), PROGRAM)?;
    // The versions that the workspace is built with.
    fs::copy(workspace.join("Cargo.lock"), stage.dir().join("Cargo.lock"))?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut run = Command::new(cargo);
    let run = run.args(["run", "--quiet"]).current_dir(stage.dir());
    let output = run.env("CARGO_TARGET_DIR", target()?).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure(
        output.status.success() && said.contains("panic = \"abort\""),
        || format!("{said}{}", String::from_utf8_lossy(&output.stderr)),
    )?;
    Ok(format!("it said: {said}"))
}

/// Beside what this program was built into, and kept: only the first run builds everything.
fn target() -> Result<PathBuf, Failure> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(2);
    Ok(target.ok_or("cargo has built us elsewhere")?.join("aborts"))
}
