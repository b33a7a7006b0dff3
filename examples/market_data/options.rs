//! The command line.
//!
//! What a value accepts is said where it is parsed, so that a bad one ends the job with exit code 2
//! before any process is started. The launcher starts its children with the same arguments plus the
//! hidden ones in [`RoleOptions`].

use std::{ffi::OsString, num::NonZeroU64, path::PathBuf};

use clap::{Args, Parser, ValueEnum};

use crate::pace::Rate;

/// Sent when neither a file nor a number is given: ten seconds at the default rate.
const DEFAULT_EVENTS: u64 = 1_000_000;

/// Replays order flow from one process to another, keeps the limit order books there, and reports
/// how long it took.
#[derive(Clone, Debug, Parser)]
#[command(name = "market_data", disable_help_subcommand = true)]
pub(crate) struct Options {
    /// LOBSTER message CSV to replay, plain or zstd-compressed; without it similar order flow is
    /// generated
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,

    /// Events per second, `max` for as fast as possible, `recorded` for the gaps between the
    /// recorded times
    #[arg(long, value_name = "N|max|recorded", default_value = "100000")]
    pub(crate) rate: Rate,

    /// Ends after this many events [default: the whole file, or 1000000 generated events]
    #[arg(long, value_name = "N")]
    pub(crate) events: Option<NonZeroU64>,

    /// What carries messages between the processes
    #[arg(long, value_enum, default_value_t = Transport::Auto)]
    pub(crate) transport: Transport,

    /// How many processes take part
    #[arg(long, value_enum, value_name = "2|3", default_value_t = Processes::Three)]
    pub(crate) processes: Processes,

    /// Writes the report as JSON to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Writes percentile files (`.hgrm`), a plot and the JSON report to this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// What the launcher tells its children.
    #[command(flatten)]
    pub(crate) role: RoleOptions,
}

impl Options {
    /// Parses the arguments of this process; help and errors are printed and end it.
    pub(crate) fn from_command_line() -> Self {
        Self::parse()
    }

    /// The parts of the job in the order in which they start: each needs those before it.
    pub(crate) fn roles(&self) -> &'static [Role] {
        match self.processes {
            Processes::Two => &[Role::Book, Role::Feed],
            Processes::Three => &[Role::Book, Role::Strategy, Role::Feed],
        }
    }

    /// The most events to send.
    pub(crate) fn event_limit(&self) -> u64 {
        match (self.events, &self.input) {
            (Some(events), _) => events.get(),
            (None, Some(_)) => u64::MAX,
            (None, None) => DEFAULT_EVENTS,
        }
    }
}

/// What only the launcher says, to its children.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct RoleOptions {
    /// The part this process plays; without it, it is the launcher.
    #[arg(long, hide = true, value_enum, requires_all = ["socket_dir", "launcher_pid"])]
    pub(crate) role: Option<Role>,

    /// The folder for sockets, readable by this user alone.
    #[arg(long, hide = true)]
    pub(crate) socket_dir: Option<PathBuf>,

    /// The process that must live as long as this one does.
    #[arg(long, hide = true)]
    pub(crate) launcher_pid: Option<i32>,

    /// Addresses of the processes that are ready already.
    #[arg(long = "peer", hide = true)]
    pub(crate) peers: Vec<String>,
}

impl RoleOptions {
    /// The arguments that tell a child the same.
    pub(crate) fn to_arguments(&self) -> Vec<OsString> {
        let mut arguments = Vec::new();
        let mut push = |name: &str, value: OsString| arguments.extend([name.into(), value]);
        if let Some(role) = self.role {
            push("--role", role.name().into());
        }
        if let Some(folder) = &self.socket_dir {
            push("--socket-dir", folder.into());
        }
        if let Some(pid) = self.launcher_pid {
            push("--launcher-pid", pid.to_string().into());
        }
        for peer in &self.peers {
            push("--peer", peer.into());
        }
        arguments
    }
}

/// The part a child process plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Role {
    /// Replays the events.
    Feed,
    /// Keeps the books, with the risk check beside them.
    Book,
    /// Follows the books.
    Strategy,
}

impl Role {
    /// Its name in arguments, messages and reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Feed => "feed",
            Self::Book => "book",
            Self::Strategy => "strategy",
        }
    }
}

/// How many processes take part, beside the launcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Processes {
    /// Feed and book, with the risk check in the book's: what feed -> book does by itself
    #[value(name = "2")]
    Two,
    /// The strategy too, which follows the book and asks it
    #[value(name = "3")]
    Three,
}

/// What carries messages between the processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    /// Each pair of processes picks its own
    Auto,
    /// Unix sockets only
    Unix,
    /// TCP only
    Tcp,
}

#[cfg(test)]
impl Options {
    /// Parses `arguments` as if they followed the program's name.
    pub(crate) fn parse_from(arguments: &[&str]) -> Result<Self, clap::Error> {
        Self::try_parse_from(std::iter::once(&"market_data").chain(arguments))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn without_arguments_a_million_generated_events_go_at_the_default_rate() {
        let options = Options::parse_from(&[]).unwrap();
        assert_eq!(
            (options.event_limit(), options.rate.to_string().as_str()),
            (1_000_000, "100000")
        );
        assert_eq!(
            (options.transport, options.role.role),
            (Transport::Auto, None)
        );
    }

    #[test]
    fn a_file_is_replayed_whole_unless_a_number_is_given() {
        assert_eq!(
            Options::parse_from(&["--input", "x"])
                .unwrap()
                .event_limit(),
            u64::MAX
        );
        assert_eq!(
            Options::parse_from(&["--input", "x", "--events", "5"])
                .unwrap()
                .event_limit(),
            5
        );
    }

    #[test]
    fn a_bad_value_is_answered_with_what_is_accepted() {
        let message = |arguments: &[&str]| Options::parse_from(arguments).unwrap_err().to_string();
        assert!(message(&["--rate", "fast"]).contains("`max` or `recorded`"));
        assert!(message(&["--transport", "pigeon"]).contains("[possible values: auto, unix, tcp]"));
        assert!(message(&["--processes", "4"]).contains("[possible values: 2, 3]"));
        assert!(message(&["--events", "0"]).contains("--events <N>"));
        assert_eq!(Options::parse_from(&["--what"]).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn a_child_reads_the_arguments_that_its_launcher_wrote() {
        let role = RoleOptions {
            role: Some(Role::Feed),
            socket_dir: Some("/some/where".into()),
            launcher_pid: Some(7),
            peers: vec!["unix:/a".into(), "tcp:b".into()],
        };
        let arguments = role.to_arguments();
        let texts: Vec<_> = arguments
            .iter()
            .map(|argument| argument.to_str().unwrap())
            .collect();
        let read = Options::parse_from(&texts).unwrap().role;
        assert_eq!(
            (read.role, read.launcher_pid, read.peers),
            (role.role, role.launcher_pid, role.peers)
        );
    }

    #[test]
    fn a_role_needs_what_only_the_launcher_knows() {
        assert!(Options::parse_from(&["--role", "feed"]).is_err());
    }
}
