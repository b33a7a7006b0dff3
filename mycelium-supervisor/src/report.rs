//! [`TreeReport`]: a tree as it is now, to be printed or looked through.

use std::{fmt, sync::Arc, time::Duration};

use mycelium_wire::ActorId;

use crate::{Restart, Strategy};

/// A supervisor and its children, as they were when somebody looked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TreeReport {
    /// The supervisor's name.
    pub name: Arc<str>,
    /// Which children it restarts with one.
    pub strategy: Strategy,
    /// How often it has restarted something; a group counts once.
    pub restarts: u32,
    /// In the order of their start.
    pub children: Vec<ChildReport>,
}

/// A child, as it was when somebody looked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ChildReport {
    /// Its name.
    pub name: Arc<str>,
    /// The actor.
    pub actor: ActorId,
    /// How far it is.
    pub state: ChildState,
    /// Whether it is restarted.
    pub restart: Restart,
    /// How many lives it has had; the one it may have now counts.
    pub lives: u32,
    /// Messages that wait to be handled.
    pub mailbox_len: usize,
    /// Of a supervisor: its children.
    pub below: Option<TreeReport>,
}

/// How far a child is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChildState {
    /// It has not been started, or was stopped with others and waits for its turn.
    Down,
    /// Its `started` is under way.
    Starting,
    /// It handles messages.
    Up,
    /// It is being ended.
    Stopping,
    /// It is to be restarted.
    Restarting {
        /// After this time.
        after: Duration,
    },
}

impl fmt::Display for ChildState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Down => f.write_str("down"),
            Self::Starting => f.write_str("starting"),
            Self::Up => f.write_str("up"),
            Self::Stopping => f.write_str("stopping"),
            Self::Restarting { after } => write!(f, "restarts in {after:.1?}"),
        }
    }
}

impl TreeReport {
    fn write(&self, f: &mut fmt::Formatter<'_>, indent: &str) -> fmt::Result {
        let last = self.children.len().saturating_sub(1);
        for (at, child) in self.children.iter().enumerate() {
            let (branch, below) = if at == last {
                ("└─ ", "   ")
            } else {
                ("├─ ", "│  ")
            };
            write!(f, "\n{indent}{branch}{child}")?;
            if let Some(tree) = &child.below {
                tree.write(f, &format!("{indent}{below}"))?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for TreeReport {
    /// A line for the supervisor, and one for each child, with branches drawn before it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.strategy)?;
        if self.restarts > 0 {
            write!(f, ", restarts {}", self.restarts)?;
        }
        self.write(f, "")
    }
}

impl fmt::Display for ChildReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        if let Some(below) = &self.below {
            write!(f, " ({})", below.strategy)?;
        }
        let restarts = self.lives.saturating_sub(1);
        write!(f, ": {}, restarts {restarts}", self.state)?;
        write!(f, ", mailbox {}", self.mailbox_len)
    }
}
