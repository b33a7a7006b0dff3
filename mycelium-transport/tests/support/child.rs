//! [`Child`]: the test's own program, run once more as another process.
//!
//! A file of tests that needs children has a test named `child`, which plays the role that the
//! environment names; without one it does nothing.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::PathBuf,
    process::{ChildStdout, Command, Stdio},
    sync::{Mutex, PoisonError},
};

use tempfile::TempDir;

const ROLE: &str = "MYCELIUM_TEST_ROLE";
const ADDRESS: &str = "MYCELIUM_TEST_ADDRESS";

/// What a child says to its parent stands behind this mark, on lines of their own.
const MARK: &str = "child says: ";

/// Who a child runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum User {
    /// The user of this process.
    Ours,
    /// Another one, which only root can run it as.
    Nobody,
}

/// A process that is forked while another one's program is still being written would keep that
/// busy.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A process that ends with its parent's interest in it.
pub(crate) struct Child {
    process: std::process::Child,
    says: BufReader<ChildStdout>,
    /// Where the program lies, so that another user may run it.
    _program: TempDir,
}

impl Child {
    /// Runs the test named `child` of this program as another process.
    pub(crate) fn run(role: &str, address: &str, user: User) -> Self {
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let (program, place) = program_for_everybody();
        let mut command = Command::new(program);
        command
            .args(["--exact", "child", "--nocapture"])
            .env(ROLE, role)
            .env(ADDRESS, address)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if user == User::Nobody {
            command.uid(65_534);
        }
        let mut process = command.spawn().expect("the program can be run");
        let says = BufReader::new(process.stdout.take().expect("it is piped"));
        Self {
            process,
            says,
            _program: place,
        }
    }

    /// The next thing that the child says. Blocks: in a test with workers beside its own thread.
    pub(crate) fn hear(&mut self) -> String {
        loop {
            let mut line = String::new();
            let read_bytes = self
                .says
                .read_line(&mut line)
                .expect("the child prints text");
            assert_ne!(read_bytes, 0, "the child ended without a word");
            if let Some((_, said)) = line.split_once(MARK) {
                return said.trim_end().to_owned();
            }
        }
    }

    /// Kills it, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.process.kill().expect("it is ours");
        self.process.wait().expect("it was not waited for");
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What this process shall play, where it is a child: the role, and an address.
pub(crate) fn role() -> Option<(String, String)> {
    let address = env::var(ADDRESS).unwrap_or_default();
    Some((env::var(ROLE).ok()?, address))
}

/// Tells the parent something.
pub(crate) fn say(what: impl std::fmt::Display) {
    println!("\n{MARK}{what}");
}

/// A copy of this program that every user may run.
fn program_for_everybody() -> (PathBuf, TempDir) {
    let open = fs::Permissions::from_mode(0o755);
    let dir = tempfile::Builder::new().permissions(open).tempdir();
    let dir = dir.expect("the system has room for a directory");
    let copy = dir.path().join("program");
    let program = env::current_exe().expect("the program has a path");
    fs::copy(program, &copy).expect("the system has room for the program");
    (copy, dir)
}
