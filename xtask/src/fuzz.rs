//! Fuzzing: every parser of foreign bytes under libFuzzer and the address sanitizer.
//!
//! The programs lie in `fuzz/targets`, one per target, in a workspace of its own that only a nightly
//! compiler builds. [`run`] builds them all and runs each for the time that is asked for. What is
//! checked in under `fuzz/corpus` is only read: new inputs, findings and logs go to the folder
//! `fuzz` of the target directory.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Write},
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use cargo_metadata::MetadataCommand;

use crate::Outcome;

/// What `cargo-fuzz` would set: coverage that libFuzzer reads, and the address sanitizer.
const RUSTFLAGS: &str = "-Cpasses=sancov-module \
     -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
     -Cllvm-args=-sanitizer-coverage-pc-table \
     -Cllvm-args=-sanitizer-coverage-trace-compares \
     -Zsanitizer=address --cfg fuzzing";

/// Instrumented code is built for a named target, so that build scripts and macros are not.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// Bounds of one run: of the process, of one allocation, of one input and of its time.
const BOUNDS: &[&str] = &[
    "-rss_limit_mb=2048",
    "-malloc_limit_mb=64",
    "-max_len=65536",
    "-timeout=10",
];

/// How often a run that goes on says so.
const PROGRESS: Duration = Duration::from_secs(10);

/// Lines of a log that a finding shows.
const SHOWN_LINES: usize = 40;

/// Builds every target and runs the named ones, or all, for so many seconds each.
///
/// # Errors
/// Words that are no seconds and targets, a missing compiler, a failed build, and every finding
/// with the command that repeats it.
pub(crate) fn run(words: &[&str]) -> Outcome {
    let folders = Folders::find()?;
    let (seconds, targets) = asked_for(words, &folders.targets()?)?;
    require_nightly()?;
    build(&folders)?;
    let mut failures = Vec::new();
    for target in &targets {
        let failure = Run::of(target, seconds, &folders)?.finish()?;
        failures.extend(failure);
    }
    if failures.is_empty() {
        println!("== fuzz: {} targets, nothing found", targets.len());
        return Ok(());
    }
    Err(failures.join("\n\n").into())
}

/// The seconds and the targets that the words ask for; all targets where none is named.
fn asked_for(words: &[&str], known: &[String]) -> Result<(u64, Vec<String>), String> {
    let usage = "usage: cargo xtask fuzz SECONDS [TARGET..]";
    let (seconds, names) = words.split_first().ok_or(usage)?;
    let seconds = seconds.parse().ok().filter(|seconds| *seconds > 0);
    let seconds =
        seconds.ok_or_else(|| format!("the seconds of each target come first\n{usage}"))?;
    if names.is_empty() {
        return Ok((seconds, known.to_vec()));
    }
    for name in names {
        if !known.iter().any(|target| target == name) {
            let known = known.join(", ");
            return Err(format!("there is no target {name}; there are {known}"));
        }
    }
    Ok((seconds, names.iter().map(ToString::to_string).collect()))
}

/// Where the targets lie, and where what they leave goes.
struct Folders {
    sources: PathBuf,
    output: PathBuf,
}

impl Folders {
    fn find() -> Result<Self, cargo_metadata::Error> {
        let metadata = MetadataCommand::new().no_deps().exec()?;
        Ok(Self {
            sources: metadata.workspace_root.join("fuzz").into(),
            output: metadata.target_directory.join("fuzz").into(),
        })
    }

    /// The names of all targets: those of their programs.
    fn targets(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.sources.join("targets"))? {
            let file = PathBuf::from(entry?.file_name());
            let name = file.file_stem().map(|name| name.to_string_lossy().into());
            names.extend(name);
        }
        names.sort();
        Ok(names)
    }

    fn program(&self, target: &str) -> PathBuf {
        self.output.join(PLATFORM).join("release").join(target)
    }
}

fn require_nightly() -> Outcome {
    let asked = nightly("rustc").arg("--version").output();
    if asked.is_ok_and(|asked| asked.status.success()) {
        Ok(())
    } else {
        Err("skipped: rustup toolchain install nightly".into())
    }
}

/// A program of the nightly toolchain, whichever toolchain runs this one.
fn nightly(program: &str) -> Command {
    let mut rustup = Command::new("rustup");
    rustup.args(["run", "nightly", program]);
    // Cargo told this process where its own programs are.
    for variable in ["CARGO", "RUSTC", "RUSTDOC", "RUSTUP_TOOLCHAIN"] {
        rustup.env_remove(variable);
    }
    rustup
}

fn build(folders: &Folders) -> Outcome {
    println!("== fuzz: building every target with the address sanitizer");
    let status = nightly("cargo")
        .args(["build", "--locked", "--release", "--bins"])
        .args(["--target", PLATFORM])
        .arg("--target-dir")
        .arg(&folders.output)
        .arg("--manifest-path")
        .arg(folders.sources.join("Cargo.toml"))
        .env("RUSTFLAGS", RUSTFLAGS)
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("the targets do not build: cargo ended with {status}").into())
    }
}

/// One target, running.
struct Run {
    target: String,
    program: PathBuf,
    log: PathBuf,
    command: Command,
}

impl Run {
    fn of(target: &str, seconds: u64, folders: &Folders) -> io::Result<Self> {
        let new_inputs = folders.output.join("corpus").join(target);
        let findings = folders.output.join("findings").join(target);
        let logs = folders.output.join("logs");
        for folder in [&new_inputs, &findings, &logs] {
            fs::create_dir_all(folder)?;
        }
        let program = folders.program(target);
        let mut command = Command::new(&program);
        command
            .args(BOUNDS)
            .arg(format!("-max_total_time={seconds}"))
            .arg("-print_final_stats=1")
            .arg(format!("-artifact_prefix={}/", findings.display()))
            // libFuzzer writes to the first folder and reads them all.
            .arg(new_inputs)
            .arg(folders.sources.join("corpus").join(target))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        println!("== {target}: {seconds} s");
        Ok(Self {
            target: target.to_owned(),
            program,
            log: logs.join(target).with_extension("log"),
            command,
        })
    }

    /// Waits for the end of the run, and tells what was found.
    fn finish(mut self) -> io::Result<Option<String>> {
        let mut child = self.command.spawn()?;
        let mut log = File::create(&self.log)?;
        let mut told = Instant::now();
        let mut last = String::new();
        if let Some(lines) = child.stderr.take() {
            for line in BufReader::new(lines).split(b'\n') {
                let line = String::from_utf8_lossy(&line?).into_owned();
                writeln!(log, "{line}")?;
                if !is_progress(&line) {
                    continue;
                }
                if told.elapsed() >= PROGRESS {
                    println!("   {line}");
                    told = Instant::now();
                }
                last = line;
            }
        }
        let status = child.wait()?;
        println!("   {last}");
        if status.success() {
            return Ok(None);
        }
        self.failure(&status.to_string()).map(Some)
    }

    fn failure(&self, status: &str) -> io::Result<String> {
        let Self { target, log, .. } = self;
        let text = fs::read_to_string(log)?;
        let lines: Vec<_> = text.lines().filter(|line| !is_progress(line)).collect();
        let shown = lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n");
        let repeat = finding(&text).map_or_else(
            || "libFuzzer left no input".to_owned(),
            |input| self.how_to_repeat(&input),
        );
        let log = log.display();
        Ok(format!(
            "{shown}\n== {target}: ended with {status}; all it said: {log}\n{repeat}"
        ))
    }

    fn how_to_repeat(&self, input: &str) -> String {
        let program = self.program.display();
        format!(
            "   the input:    {input}\n   to repeat it: {program} {input}\n   \
             to keep it:   copy it to fuzz/corpus/{}/, where every `cargo test` runs it",
            self.target
        )
    }
}

/// Whether a line tells how far the run has come: `#`, the number of inputs, and what they reached.
fn is_progress(line: &str) -> bool {
    let mut letters = line.chars();
    letters.next() == Some('#') && letters.next().is_some_and(|letter| letter.is_ascii_digit())
}

/// The file that a log says the failing input was written to.
fn finding(log: &str) -> Option<String> {
    let written = log
        .lines()
        .rev()
        .find_map(|line| line.split_once("Test unit written to "));
    written.map(|(_, input)| input.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Vec<String> {
        ["decoder", "header"].map(String::from).to_vec()
    }

    #[test]
    fn all_targets_are_meant_where_none_is_named() {
        assert_eq!(asked_for(&["30"], &known()), Ok((30, known())));
        let one = asked_for(&["5", "header"], &known());
        assert_eq!(one, Ok((5, vec!["header".to_owned()])));
    }

    #[test]
    fn what_is_no_number_of_seconds_and_no_target_is_told() {
        for words in [&[][..], &["header"], &["0"], &["-1"]] {
            let told = asked_for(words, &known()).unwrap_err();
            assert!(told.contains("SECONDS"), "{told}");
        }
        let told = asked_for(&["5", "heart"], &known()).unwrap_err();
        assert_eq!(told, "there is no target heart; there are decoder, header");
    }

    #[test]
    fn the_input_of_a_finding_is_read_from_the_log() {
        let log = "==7== ERROR: libFuzzer: deadly signal\n\
                   artifact_prefix='/t/findings/header/'; \
                   Test unit written to /t/findings/header/crash-0a1b\nBase64: AA==\n";
        let input = finding(log);
        assert_eq!(input.as_deref(), Some("/t/findings/header/crash-0a1b"));
        assert_eq!(finding("all is well"), None);
    }
}
