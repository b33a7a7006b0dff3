//! The life of a child process: it dies with its launcher, plays its role, tells how far it is, and
//! reports.

use std::{io, process::ExitCode, time::Duration};

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use tokio::{
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
    task::JoinHandle,
    time::sleep,
};

use crate::{
    clock::monotonic_ns,
    failure::message_of,
    notice::{Blame, Notice},
    options::{Options, Role},
    pace::StopFlag,
    roles::{self, RoleError},
    stage::{Progress, RoleReport},
};

/// Plays `role` to its end.
pub(crate) fn run(role: Role, options: Options) -> ExitCode {
    let (notice, exit) = match play(role, options) {
        Ok(report) => (Notice::Report(Box::new(report)), ExitCode::SUCCESS),
        Err(error) => {
            let blame = error.blame();
            (
                Notice::Failed {
                    message: message_of(&error),
                    blame,
                },
                exit_code(blame),
            )
        }
    };
    if notice.send().is_ok() {
        exit
    } else {
        ExitCode::FAILURE
    }
}

/// What a role is given.
pub(crate) struct Child {
    /// The command line, with what the launcher added.
    pub(crate) options: Options,
    /// To be set as events are handled.
    pub(crate) progress: Progress,
}

impl Child {
    /// Tells the launcher that the next process may start, and where this one can be reached.
    ///
    /// # Errors
    /// When the launcher is gone.
    #[expect(clippy::unused_self, reason = "only a child has a launcher")]
    pub(crate) fn announce(&self, addresses: Vec<String>) -> io::Result<()> {
        Notice::Ready { addresses }.send()
    }

    /// A flag that SIGTERM raises: instead of dying, the process drains.
    ///
    /// # Errors
    /// When the system does not let the signal be handled.
    #[expect(clippy::unused_self, reason = "only a child is told to stop")]
    pub(crate) fn stop_on_sigterm(&self) -> io::Result<StopFlag> {
        let flag = StopFlag::default();
        let mut terminations = signal(SignalKind::terminate())?;
        let raised = flag.clone();
        tokio::spawn(async move {
            terminations.recv().await;
            raised.raise();
        });
        Ok(flag)
    }
}

fn play(role: Role, options: Options) -> Result<RoleReport, RoleError> {
    die_with_launcher(options.role.launcher_pid)?;
    Runtime::new()?.block_on(async {
        let child = Child {
            options,
            progress: Progress::default(),
        };
        let progress = tell_progress(child.progress.clone());
        let report = match role {
            Role::Feed => roles::run_feed(&child).await,
            Role::Book => roles::run_book(&child).await,
            Role::Strategy => roles::run_strategy(&child).await,
        };
        // Its last line must not follow the report; a task that was aborted cannot be in the middle
        // of one.
        progress.abort();
        progress.await.ok();
        report
    })
}

/// Asks the kernel to kill this process when its launcher ends, and checks that this has not
/// happened yet.
fn die_with_launcher(launcher_pid: Option<i32>) -> Result<(), RoleError> {
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(io::Error::from)?;
    if getppid().map(Pid::as_raw_pid) == launcher_pid {
        Ok(())
    } else {
        Err(RoleError::LauncherGone)
    }
}

fn tell_progress(progress: Progress) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            let second = next_second().await;
            let handled = progress.handled();
            if (Notice::Progress { second, handled }).send().is_err() {
                return;
            }
        }
    })
}

/// Returns when a new second begins, in all processes of the host at once.
async fn next_second() -> u64 {
    const SECOND_NS: u64 = 1_000_000_000;
    let now_ns = monotonic_ns();
    let second = now_ns / SECOND_NS + 1;
    sleep(Duration::from_nanos(second * SECOND_NS - now_ns)).await;
    second
}

fn exit_code(blame: Blame) -> ExitCode {
    match blame {
        Blame::Input => ExitCode::from(2),
        Blame::Process | Blame::Peer => ExitCode::FAILURE,
    }
}
