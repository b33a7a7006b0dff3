//! What a child process tells the launcher: one JSON object per line, over the pipe that is its
//! standard output.

use std::io::{self, Write as _};

use serde::{Deserialize, Serialize};

use crate::stage::RoleReport;

/// One line from a child.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Notice {
    /// It can be reached: the next process may start.
    Ready {
        /// Where, for the processes that start later.
        addresses: Vec<String>,
    },
    /// It is alive and this far.
    Progress {
        /// When, in whole seconds of the clock that all processes share.
        second: u64,
        /// Events handled until then.
        handled: u64,
    },
    /// It is done.
    Report(Box<RoleReport>),
    /// It cannot go on and exits.
    Failed {
        /// Why, for people.
        message: String,
        /// Who caused it.
        blame: Blame,
    },
}

impl Notice {
    /// Writes the line to this process's standard output.
    ///
    /// # Errors
    /// When the launcher is gone.
    pub(crate) fn send(&self) -> io::Result<()> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        let mut output = io::stdout().lock();
        output.write_all(&line)?;
        output.flush()
    }
}

/// Who caused a failure. When several processes fail together the launcher names the cause and not
/// what followed from it: an earlier variant outranks a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Blame {
    /// What the user gave is missing or malformed.
    Input,
    /// This process or its machine.
    Process,
    /// Another process went away.
    Peer,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_one_line_of_json_and_back() {
        let notice = Notice::Failed {
            message: "two\nlines".into(),
            blame: Blame::Input,
        };
        let line = serde_json::to_string(&notice).unwrap();
        assert_eq!(
            line,
            r#"{"failed":{"message":"two\nlines","blame":"input"}}"#
        );
        assert_eq!(serde_json::from_str::<Notice>(&line).unwrap(), notice);
    }
}
