//! Process control of the launcher: it starts children, hears what they say, and ends them.
//!
//! Children are copies of this executable with a role. Each one gets its own process group, so that
//! Ctrl-C reaches the launcher alone, which then drains them in order. A child is only ever
//! signalled by the task that reaps it, so a signal can never hit another process that was given
//! the same number. Start at [`Children`].
//!
//! Children ask the kernel to end them when the *thread* that started them ends, so
//! [`Children::spawn`] must be called on a thread that lives as long as the launcher: its runtime
//! is the current-thread one, on the main thread.

use std::{
    env,
    ffi::OsString,
    io,
    os::unix::process::ExitStatusExt as _,
    process::{ExitStatus, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use thiserror::Error;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    sync::mpsc,
};

use crate::{
    notice::{Blame, Notice},
    options::{Role, RoleOptions},
};

/// Notices that wait for the launcher; a child that says more waits at its pipe.
const WAITING_EVENTS: usize = 64;
/// Signals that wait for a child's task.
const WAITING_SIGNALS: usize = 8;
/// Stands for the status of a child that the system does not let us wait for: exit code 1.
const UNKNOWN_STATUS: i32 = 1 << 8;

/// The children that were started, and what they say.
pub(crate) struct Children {
    running: Vec<Running>,
    events: mpsc::Receiver<(Role, ChildEvent)>,
    sender: mpsc::Sender<(Role, ChildEvent)>,
}

impl Children {
    /// No children yet.
    pub(crate) fn new() -> Self {
        let (sender, events) = mpsc::channel(WAITING_EVENTS);
        Self {
            running: Vec::new(),
            events,
            sender,
        }
    }

    /// Starts a child with the arguments of this process and those of `role_options`, which name
    /// its `role`.
    ///
    /// # Errors
    /// [`ChildError::Start`] when the system starts no process.
    pub(crate) fn spawn(
        &mut self,
        role: Role,
        role_options: &RoleOptions,
    ) -> Result<(), ChildError> {
        let started = start(role_options.to_arguments())
            .map_err(|source| ChildError::Start { role, source })?;
        let (signals, waiting_signals) = mpsc::channel(WAITING_SIGNALS);
        tokio::spawn(attend(role, started, waiting_signals, self.sender.clone()));
        self.running.push(Running { role, signals });
        Ok(())
    }

    /// What a child says next, or `None` when none is running.
    ///
    /// # Cancel safety
    /// A call that is dropped loses nothing.
    pub(crate) async fn next(&mut self) -> Option<(Role, ChildEvent)> {
        if self.running.is_empty() {
            return None;
        }
        let (role, event) = self.events.recv().await?;
        if matches!(event, ChildEvent::Ended(_)) {
            self.running.retain(|child| child.role != role);
        }
        Some((role, event))
    }

    /// Sends `signal` to the child that plays `role`, if it runs.
    pub(crate) fn signal(&self, role: Role, signal: Signal) {
        self.running
            .iter()
            .filter(|child| child.role == role)
            .for_each(|child| child.send(signal));
    }

    /// Sends `signal` to every child that runs.
    pub(crate) fn signal_all(&self, signal: Signal) {
        self.running.iter().for_each(|child| child.send(signal));
    }
}

/// What happened to a child.
pub(crate) enum ChildEvent {
    /// It said something.
    Notice(Notice),
    /// It said something that is no notice.
    Garbled(String),
    /// It is gone.
    Ended(Ending),
}

/// How a child ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    status: ExitStatus,
    was_asked: bool,
}

impl Ending {
    /// What went wrong with the child that plays `role`; nothing when it exited well or obeyed a
    /// signal of the launcher.
    pub(crate) fn failure(self, role: Role) -> Option<ChildError> {
        match (self.status.signal(), self.status.code()) {
            (Some(_), _) if self.was_asked => None,
            (Some(signal), _) => Some(ChildError::Killed {
                role,
                signal,
                name: signal_name(signal),
            }),
            (None, Some(0)) => None,
            (None, code) => Some(ChildError::Exited {
                role,
                code: code.unwrap_or_default(),
            }),
        }
    }
}

/// Why a child did not do its part.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum ChildError {
    /// The system started no process.
    #[error("cannot start {}", role.name())]
    Start {
        /// Its part.
        role: Role,
        /// What the system said.
        source: io::Error,
    },
    /// Someone else ended it.
    #[error("{} was killed by signal {signal}{name}", role.name())]
    Killed {
        /// Its part.
        role: Role,
        /// The number.
        signal: i32,
        /// The name in brackets, or nothing.
        name: &'static str,
    },
    /// It told why it cannot go on.
    #[error("{message}")]
    Failed {
        /// Its part.
        role: Role,
        /// Its words.
        message: String,
        /// Who caused it.
        blame: Blame,
    },
    /// It exited without a word.
    #[error("{} ended with exit code {code} before its report", role.name())]
    Exited {
        /// Its part.
        role: Role,
        /// Its exit code.
        code: i32,
    },
    /// It wrote something else than notices.
    #[error("{} said something that is not a notice: `{line}`", role.name())]
    Garbled {
        /// Its part.
        role: Role,
        /// The line.
        line: String,
    },
}

impl ChildError {
    /// The child that failed.
    pub(crate) fn role(&self) -> Role {
        match self {
            Self::Start { role, .. }
            | Self::Killed { role, .. }
            | Self::Failed { role, .. }
            | Self::Exited { role, .. }
            | Self::Garbled { role, .. } => *role,
        }
    }

    /// How near this failure is to the cause when several children fail together; the lowest is to
    /// be told.
    pub(crate) fn distance_from_cause(&self) -> u8 {
        match self {
            Self::Start { .. } | Self::Killed { .. } => 0,
            Self::Failed {
                blame: Blame::Input,
                ..
            } => 1,
            Self::Garbled { .. }
            | Self::Exited { .. }
            | Self::Failed {
                blame: Blame::Process,
                ..
            } => 2,
            Self::Failed {
                blame: Blame::Peer, ..
            } => 3,
        }
    }

    /// True when the user can mend it by giving other input.
    pub(crate) fn is_bad_input(&self) -> bool {
        matches!(
            self,
            Self::Failed {
                blame: Blame::Input,
                ..
            }
        )
    }
}

struct Running {
    role: Role,
    signals: mpsc::Sender<Signal>,
}

impl Running {
    fn send(&self, signal: Signal) {
        // A full queue means that its task has several signals to deliver already.
        self.signals.try_send(signal).ok();
    }
}

fn start(role_arguments: Vec<OsString>) -> io::Result<Child> {
    Command::new(env::current_exe()?)
        .args(env::args_os().skip(1))
        .args(role_arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// Passes on what a child says until it ends, and delivers signals to it.
async fn attend(
    role: Role,
    child: Child,
    signals: mpsc::Receiver<Signal>,
    events: mpsc::Sender<(Role, ChildEvent)>,
) {
    let mut attended = Attended {
        child,
        signals,
        asked: Vec::new(),
    };
    if let Some(output) = attended.child.stdout.take() {
        attended
            .pass_on_lines(role, BufReader::new(output).lines(), &events)
            .await;
    }
    let ending = attended.wait_for_end().await;
    events.send((role, ChildEvent::Ended(ending))).await.ok();
}

struct Attended {
    child: Child,
    signals: mpsc::Receiver<Signal>,
    asked: Vec<Signal>,
}

impl Attended {
    async fn pass_on_lines(
        &mut self,
        role: Role,
        mut lines: Lines<BufReader<ChildStdout>>,
        events: &mpsc::Sender<(Role, ChildEvent)>,
    ) {
        loop {
            tokio::select! {
                Some(signal) = self.signals.recv() => self.deliver(signal),
                line = lines.next_line() => match line {
                    Ok(Some(line)) => events.send((role, parsed(line))).await.unwrap_or_default(),
                    Ok(None) | Err(_) => return,
                },
            }
        }
    }

    async fn wait_for_end(&mut self) -> Ending {
        loop {
            tokio::select! {
                Some(signal) = self.signals.recv() => self.deliver(signal),
                status = self.child.wait() => {
                    let status = status.unwrap_or(ExitStatus::from_raw(UNKNOWN_STATUS));
                    let was_asked = self.asked.iter().any(|signal| Some(signal.as_raw()) == status.signal());
                    return Ending { status, was_asked };
                }
            }
        }
    }

    /// Signals the child unless it has ended by itself: then its ending must not look as if it had
    /// obeyed.
    fn deliver(&mut self, signal: Signal) {
        let is_alive = matches!(self.child.try_wait(), Ok(None));
        let pid = self
            .child
            .id()
            .and_then(|id| Pid::from_raw(id.cast_signed()));
        if let Some(pid) = pid.filter(|_| is_alive)
            && kill_process(pid, signal).is_ok()
        {
            self.asked.push(signal);
        }
    }
}

fn parsed(line: String) -> ChildEvent {
    serde_json::from_str(&line).map_or(ChildEvent::Garbled(line), ChildEvent::Notice)
}

fn signal_name(signal: i32) -> &'static str {
    match Signal::from_named_raw(signal) {
        Some(Signal::KILL) => " (SIGKILL)",
        Some(Signal::TERM) => " (SIGTERM)",
        Some(Signal::INT) => " (SIGINT)",
        Some(Signal::SEGV) => " (SIGSEGV)",
        Some(Signal::ABORT) => " (SIGABRT)",
        Some(Signal::BUS) => " (SIGBUS)",
        _ => "",
    }
}
