//! The line that shows that the job is alive: once a second, on standard error.
//!
//! Every process looks at its count when a new second of the clock they share begins. Only counts
//! of one second stand on one line, so that differences between them mean something.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal as _, Write as _},
};

use crate::{
    failure::complain,
    options::{Options, Role},
    report::grouped,
};

/// How far every process is.
pub(crate) struct ProgressLine {
    roles: usize,
    /// What follows the counts.
    total: String,
    second: u64,
    handled: BTreeMap<Role, u64>,
    is_shown: bool,
    on_terminal: bool,
}

impl ProgressLine {
    /// Nothing done yet of what `options` ask for.
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            roles: options.roles().len(),
            total: total(options),
            second: 0,
            handled: BTreeMap::new(),
            is_shown: false,
            on_terminal: io::stderr().is_terminal(),
        }
    }

    /// Notes that `role` had handled so many events when `second` began, and shows the line when
    /// that was the last count to be known.
    pub(crate) fn show(&mut self, role: Role, second: u64, handled: u64) {
        let Some(text) = self.add(role, second, handled) else {
            return;
        };
        self.is_shown = true;
        if self.on_terminal {
            write!(io::stderr(), "\r{text}\x1b[K").ok();
        } else {
            complain(text);
        }
    }

    /// Clears the line for what follows.
    pub(crate) fn finish(&self) {
        if self.on_terminal && self.is_shown {
            write!(io::stderr(), "\r\x1b[K").ok();
        }
    }

    fn add(&mut self, role: Role, second: u64, handled: u64) -> Option<String> {
        if second > self.second {
            self.second = second;
            self.handled.clear();
        }
        if second == self.second {
            self.handled.insert(role, handled);
        }
        // A late count is of a line that was left out.
        let is_whole = second == self.second && self.handled.len() == self.roles;
        is_whole.then(|| self.text())
    }

    fn text(&self) -> String {
        let mut parts = Vec::new();
        let mut least = 0;
        // From the last process to the first: what one has handled was handled before it. A
        // process that looked a moment later than the one before it must not seem to be ahead.
        for (role, &handled) in self.handled.iter().rev() {
            least = handled.max(least);
            parts.push(format!("{} {}", role.name(), grouped(least)));
        }
        parts.reverse();
        format!("{}{} events", parts.join(", "), self.total)
    }
}

/// A file may hold fewer events than were asked for; without a number nothing is known before its
/// end.
fn total(options: &Options) -> String {
    match (&options.input, options.events) {
        (None, _) => format!(" of {}", grouped(options.event_limit())),
        (Some(_), Some(events)) => format!(" of at most {}", grouped(events.get())),
        (Some(_), None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(arguments: &[&str]) -> ProgressLine {
        ProgressLine::new(&Options::parse_from(arguments).unwrap())
    }

    #[test]
    fn a_line_holds_the_counts_of_all_processes_in_one_second() {
        let mut line = line(&["--events", "2000"]);
        assert_eq!(line.add(Role::Book, 7, 999), None);
        assert_eq!(line.add(Role::Feed, 7, 1_000), None);
        assert_eq!(
            line.add(Role::Strategy, 7, 998).unwrap(),
            "feed 1,000, book 999, strategy 998 of 2,000 events"
        );
    }

    #[test]
    fn a_second_that_one_process_missed_has_no_line() {
        let mut line = line(&["--processes", "2"]);
        assert_eq!(line.add(Role::Book, 7, 10), None);
        assert_eq!(line.add(Role::Feed, 8, 30), None);
        assert_eq!(line.add(Role::Feed, 7, 20), None);
        assert!(line.add(Role::Book, 8, 30).is_some());
    }

    #[test]
    fn no_process_seems_to_be_ahead_of_the_one_before_it() {
        let mut line = line(&["--events", "9", "--processes", "2"]);
        line.add(Role::Feed, 1, 5);
        assert_eq!(
            line.add(Role::Book, 1, 6).unwrap(),
            "feed 6, book 6 of 9 events"
        );
    }

    #[test]
    fn the_total_is_told_as_far_as_it_is_known() {
        let total = |arguments| line(arguments).total;
        assert_eq!(total(&[]), " of 1,000,000");
        assert_eq!(total(&["--input", "x"]), "");
        assert_eq!(total(&["--input", "x", "--events", "5"]), " of at most 5");
    }
}
