//! Where a test runs the job: processes, their signals, and the folders they write to.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::PathBuf,
    process::{Child, ChildStderr, Command, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// A folder to run the job in, and another one for its sockets.
pub(crate) struct Place {
    pub(crate) work: TempDir,
    sockets: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = || tempfile::tempdir().expect("the system has room for a folder");
        Self {
            work: folder(),
            sockets: folder(),
        }
    }

    /// The job, still without arguments, as `words` start what follows them.
    pub(crate) fn command_after(&self, words: &[&str]) -> Command {
        // Whoever runs the tests under `nohup` ignores hangups, and so would the job.
        let mut command = Command::new("env");
        command
            .arg("--default-signal=HUP")
            .args(words)
            .arg(env!("CARGO_BIN_EXE_market_data"))
            .current_dir(self.work.path())
            .env("TMPDIR", self.sockets.path());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command_after(&[]);
        command.args(arguments).output().expect("the job starts")
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Job {
        Job::start(self.command_after(&[]).args(arguments))
    }

    pub(crate) fn text(&self, file: &str) -> String {
        fs::read_to_string(self.work.path().join(file)).expect("the file was written")
    }

    pub(crate) fn json(&self, file: &str) -> Value {
        serde_json::from_str(&self.text(file)).expect("the report is JSON")
    }

    pub(crate) fn folders_left(&self) -> Vec<PathBuf> {
        fs::read_dir(self.sockets.path())
            .expect("the folder is there")
            .map(|entry| entry.expect("it can be read").path())
            .collect()
    }

    /// No socket and no folder for sockets remains.
    pub(crate) fn assert_clean(&self) {
        let left = self.folders_left();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// A job that runs.
pub(crate) struct Job {
    pub(crate) launcher: Child,
    pub(crate) stderr: BufReader<ChildStderr>,
}

impl Job {
    pub(crate) fn start(command: &mut Command) -> Self {
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut launcher = command.spawn().expect("the job starts");
        let stderr = BufReader::new(launcher.stderr.take().expect("it is a pipe"));
        Self { launcher, stderr }
    }

    /// Returns when feed and book have told how far they are.
    pub(crate) fn wait_for_progress(&mut self) {
        self.wait_for_line(|line| line.contains("feed") && line.contains("book"));
    }

    pub(crate) fn wait_for_line(&mut self, is_wanted: impl Fn(&str) -> bool) {
        let mut line = String::new();
        while !is_wanted(&line) {
            line.clear();
            let read_bytes = self.stderr.read_line(&mut line).expect("it is text");
            assert!(read_bytes > 0, "the job ended before that line");
        }
    }

    pub(crate) fn child_with_role(&self, role: &str) -> u32 {
        let launcher = self.launcher.id();
        fs::read_dir("/proc")
            .expect("this is Linux")
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .find(|&pid| parent_of(pid) == Some(launcher) && role_of(pid).as_deref() == Some(role))
            .expect("the child runs")
    }

    /// The exit code and the rest of standard error, once every process has closed it.
    pub(crate) fn finish(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).expect("it is text");
        (self.launcher.wait().expect("it was started").code(), rest)
    }
}

fn parent_of(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("PPid:"))?
        .trim()
        .parse()
        .ok()
}

pub(crate) fn role_of(pid: u32) -> Option<String> {
    let arguments = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
    arguments
        .split('\0')
        .skip_while(|argument| *argument != "--role")
        .nth(1)
        .map(String::from)
}

pub(crate) fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid.cast_signed()).expect("a process has a number");
    kill_process(pid, signal).expect("the process runs");
}
