//! The launcher: starts the processes one after the other, watches over them, and tells what came
//! out.
//!
//! Processes start in the order in which they need each other. The first failure ends the job: the
//! others get SIGTERM and, where that does not help, SIGKILL. Ctrl-C and the other wishes of an
//! [`Interrupt`] drain instead: the feed stops, and what is on its way arrives.

use std::{
    collections::{BTreeMap, VecDeque},
    io::{self, Write as _},
    path::Path,
    process::{self, ExitCode},
    time::Duration,
};

use rustix::process::Signal;
use thiserror::Error;
use tokio::time::{Instant, sleep_until};

use crate::{
    children::{ChildError, ChildEvent, Children, Ending},
    failure::{complain, message_of},
    interrupt::{Interrupt, Interrupts},
    notice::Notice,
    options::{Options, Role, RoleOptions},
    progress::ProgressLine,
    report::{JobReport, ReportError},
    socket_folder::SocketFolder,
    stage::RoleReport,
};

/// After a failure, from SIGTERM to SIGKILL.
const END_LIMIT: Duration = Duration::from_secs(1);
/// After Ctrl-C, from the stop of the feed to SIGKILL.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// Runs the whole job.
pub(crate) fn run(options: &Options) -> ExitCode {
    // A path that is no good is found before any process is started.
    let outcome = JobReport::prepare_files(options)
        .map_err(JobError::from)
        .and_then(|()| run_job(options))
        .and_then(|outcome| tell(options, &outcome));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(format_args!("market_data: {}", message_of(&error)));
            ExitCode::from(error.exit_code())
        }
    }
}

/// Why the job did not end well.
#[derive(Debug, Error)]
#[non_exhaustive]
enum JobError {
    #[error(transparent)]
    Child(#[from] ChildError),
    #[error("the system refused what the launcher needs")]
    System(#[from] io::Error),
    #[error(transparent)]
    Report(#[from] ReportError),
    #[error("interrupted by {} before every process had reported", .0.name())]
    Broken(Interrupt),
    #[error("interrupted by {}: drained, the report covers what was sent until then", .0.name())]
    Drained(Interrupt),
    #[error("somebody stopped the {}: drained, the report covers what was sent until then", .0.name())]
    Stopped(Role),
}

impl JobError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Child(error) if error.is_bad_input() => 2,
            Self::Report(error) if error.is_bad_path() => 2,
            Self::Broken(interrupt) | Self::Drained(interrupt) => interrupt.exit_code(),
            Self::Child(_) | Self::System(_) | Self::Report(_) | Self::Stopped(_) => 1,
        }
    }
}

fn run_job(options: &Options) -> Result<Outcome, JobError> {
    // Current-thread: children die with the thread that started them, so that must be the main
    // thread.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        // Before the folder exists: from here on no signal ends this process without removing it.
        let interrupts = Interrupts::listen()?;
        let folder = SocketFolder::make()?;
        let outcome = Job::new(options, folder.path()).supervise(interrupts).await;
        let closed = folder.close();
        let outcome = outcome?;
        closed?;
        Ok(outcome)
    })
}

fn tell(options: &Options, outcome: &Outcome) -> Result<(), JobError> {
    let is_complete = outcome.reports.len() == options.roles().len();
    if let (false, Some(interrupt)) = (is_complete, outcome.interrupt) {
        return Err(JobError::Broken(interrupt));
    }
    let report = JobReport::new(&outcome.reports);
    // Whoever reads the table may leave early; the files and the exit code still count.
    write!(io::stdout(), "{report}").ok();
    report.write_files(options)?;
    report.verdict()?;
    if let Some(interrupt) = outcome.interrupt {
        return Err(JobError::Drained(interrupt));
    }
    let stopped = outcome
        .reports
        .iter()
        .find(|(_, report)| report.was_stopped);
    stopped.map_or(Ok(()), |(role, _)| Err(JobError::Stopped(*role)))
}

/// What the children reported, and whether they were interrupted.
struct Outcome {
    reports: BTreeMap<Role, RoleReport>,
    interrupt: Option<Interrupt>,
}

/// A running job.
struct Job<'a> {
    folder: &'a Path,
    children: Children,
    to_start: VecDeque<Role>,
    peers: Vec<String>,
    reports: BTreeMap<Role, RoleReport>,
    failures: Vec<ChildError>,
    interrupt: Option<Interrupt>,
    kill_at: Option<Instant>,
    progress: ProgressLine,
}

impl<'a> Job<'a> {
    fn new(options: &Options, folder: &'a Path) -> Self {
        Self {
            folder,
            children: Children::new(),
            to_start: options.roles().iter().copied().collect(),
            peers: Vec::new(),
            reports: BTreeMap::new(),
            failures: Vec::new(),
            interrupt: None,
            kill_at: None,
            progress: ProgressLine::new(options),
        }
    }

    /// Runs until no child is left.
    async fn supervise(mut self, mut interrupts: Interrupts) -> Result<Outcome, JobError> {
        self.start_next();
        loop {
            tokio::select! {
                event = self.children.next() => match event {
                    Some((role, event)) => self.handle(role, event),
                    None => break,
                },
                interrupt = interrupts.next() => self.drain(interrupt),
                () = at(self.kill_at) => self.kill(),
            }
        }
        self.progress.finish();
        let cause = self
            .failures
            .into_iter()
            .min_by_key(ChildError::distance_from_cause);
        cause.map_or(
            Ok(Outcome {
                reports: self.reports,
                interrupt: self.interrupt,
            }),
            |cause| Err(cause.into()),
        )
    }

    fn start_next(&mut self) {
        let Some(role) = self.to_start.pop_front() else {
            return;
        };
        let role_options = RoleOptions {
            role: Some(role),
            socket_dir: Some(self.folder.into()),
            launcher_pid: i32::try_from(process::id()).ok(),
            peers: self.peers.clone(),
        };
        if let Err(error) = self.children.spawn(role, &role_options) {
            self.fail(error);
        }
    }

    fn handle(&mut self, role: Role, event: ChildEvent) {
        match event {
            ChildEvent::Notice(Notice::Ready { addresses }) => {
                self.peers.extend(addresses);
                self.start_next();
            }
            ChildEvent::Notice(Notice::Progress { second, handled }) => {
                self.progress.show(role, second, handled);
            }
            ChildEvent::Notice(Notice::Report(report)) => {
                self.reports.insert(role, *report);
            }
            ChildEvent::Notice(Notice::Failed { message, blame }) => {
                self.fail(ChildError::Failed {
                    role,
                    message,
                    blame,
                });
            }
            ChildEvent::Garbled(line) => self.fail(ChildError::Garbled { role, line }),
            ChildEvent::Ended(ending) => self.handle_end(role, ending),
        }
    }

    fn handle_end(&mut self, role: Role, ending: Ending) {
        let has_reported = self.reports.contains_key(&role);
        let has_failed = self.failures.iter().any(|error| error.role() == role);
        match ending.failure(role) {
            Some(killed @ ChildError::Killed { .. }) => self.fail(killed),
            // A child that told why it fails exits with a code; its own words say more.
            Some(exited) if !has_failed => self.fail(exited),
            None if !has_reported && self.kill_at.is_none() => {
                self.fail(ChildError::Exited { role, code: 0 });
            }
            // Asked to stop before it could report: the others would wait for it.
            None if !has_reported => self.end_all(END_LIMIT),
            _ => {}
        }
    }

    /// Ends every child; the job fails for the failure nearest to the cause.
    fn fail(&mut self, error: ChildError) {
        self.failures.push(error);
        self.end_all(END_LIMIT);
    }

    /// Lets the feed stop and the rest arrive. A second wish to stop is answered by force.
    fn drain(&mut self, interrupt: Interrupt) {
        if self.interrupt.replace(interrupt).is_some() {
            return self.kill();
        }
        self.progress.finish();
        complain(format_args!(
            "market_data: draining after {}; a second wish to stop ends it by force",
            interrupt.name()
        ));
        if self.to_start.contains(&Role::Feed) {
            // Nothing has been sent.
            return self.end_all(END_LIMIT);
        }
        // A feed that has ended already needs no signal: what it sent is still on its way.
        self.children.signal(Role::Feed, Signal::TERM);
        self.kill_at.get_or_insert(Instant::now() + DRAIN_LIMIT);
    }

    fn end_all(&mut self, limit: Duration) {
        self.to_start.clear();
        self.children.signal_all(Signal::TERM);
        let kill_at = Instant::now() + limit;
        self.kill_at = Some(self.kill_at.map_or(kill_at, |earlier| earlier.min(kill_at)));
    }

    fn kill(&mut self) {
        self.to_start.clear();
        self.children.signal_all(Signal::KILL);
        // Once more if need be: a child that does not end keeps the launcher here.
        self.kill_at = Some(Instant::now() + END_LIMIT);
    }
}

/// Waits until `deadline`, or for ever without one.
async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
