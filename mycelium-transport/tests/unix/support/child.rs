//! [`Child`]: this test program, run again as another process that can be killed.

use std::{
    env,
    io::{BufRead, BufReader, Lines, Write},
    os::unix::process::CommandExt,
    process::{self, ChildStdout, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

/// What the child is to do.
const TASK: &str = "MYCELIUM_TEST_TASK";

/// What the child says to its parent begins with this; the test harness prints as well.
const MARK: &str = "child: ";

/// A process that runs a task of `process.rs`; killed when dropped.
pub(crate) struct Child {
    process: process::Child,
    said: Lines<BufReader<ChildStdout>>,
}

impl Child {
    /// Runs `task` on `argument`, in the test named `entry`.
    pub(crate) fn run(entry: &str, task: &str, argument: &str) -> Self {
        Self::spawn(&mut Self::command(entry, task, argument))
    }

    /// As [`run`](Self::run), as another user; this process must be root's.
    pub(crate) fn run_as(user: u32, entry: &str, task: &str, argument: &str) -> Self {
        Self::spawn(Self::command(entry, task, argument).uid(user).gid(user))
    }

    fn command(entry: &str, task: &str, argument: &str) -> Command {
        let program = env::current_exe().expect("this program has a path");
        let mut command = Command::new(program);
        command
            .args(["--exact", entry, "--nocapture"])
            .env(TASK, format!("{task} {argument}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        command
    }

    fn spawn(command: &mut Command) -> Self {
        let mut process = command.spawn().expect("this program runs");
        let stdout = process.stdout.take().expect("it is piped");
        Self {
            process,
            said: BufReader::new(stdout).lines(),
        }
    }

    /// The next thing the child says; blocks.
    pub(crate) fn hear(&mut self) -> String {
        loop {
            let line = self.said.next().expect("the child lives").expect("text");
            if let Some((_, said)) = line.split_once(MARK) {
                return said.to_owned();
            }
        }
    }

    pub(crate) fn expect(&mut self, wanted: &str) {
        assert_eq!(self.hear(), wanted);
    }

    /// Lets the child end on its own.
    pub(crate) fn dismiss(self) {
        self.dismiss_after(|_| {});
    }

    /// Lets the child end on its own, and hears its last words.
    pub(crate) fn dismiss_after(mut self, hear: impl FnOnce(&mut Self)) {
        drop(self.process.stdin.take());
        hear(&mut self);
        let status = self.process.wait().expect("it is ours");
        assert!(status.success(), "{status}");
    }

    /// Stops the process where it stands, until it may go on.
    pub(crate) fn stop(&self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.process.id().cast_signed()).expect("it has a number");
        kill_process(pid, signal).expect("it is ours");
    }

    /// As `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.kill_now();
    }

    fn kill_now(&mut self) {
        // It may have ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill_now();
    }
}

/// In a child: its task and argument.
pub(crate) fn task() -> Option<(String, String)> {
    let task = env::var(TASK).ok()?;
    let (task, argument) = task.split_once(' ').expect("a task has an argument");
    Some((task.to_owned(), argument.to_owned()))
}

/// In a child: tells the parent.
pub(crate) fn say(what: &str) {
    println!("{MARK}{what}");
    std::io::stdout().flush().expect("the parent listens");
}

/// In a child: blocks until it is dismissed.
pub(crate) fn dismissed() {
    let mut line = String::new();
    while std::io::stdin()
        .read_line(&mut line)
        .is_ok_and(|read| read > 0)
    {}
}
