//! The line that shows that the job is alive: at most once a second, on standard error.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use crate::{failure::complain, options::Role, report::grouped};

const INTERVAL: Duration = Duration::from_secs(1);

/// How far every process is.
pub(crate) struct ProgressLine {
    total: Option<u64>,
    handled: BTreeMap<Role, u64>,
    shown_at: Option<Instant>,
    on_terminal: bool,
}

impl ProgressLine {
    /// Nothing done yet of `total` events, where that is known.
    pub(crate) fn new(total: Option<u64>) -> Self {
        Self {
            total,
            handled: BTreeMap::new(),
            shown_at: None,
            on_terminal: io::stderr().is_terminal(),
        }
    }

    /// Notes that `role` has handled so many events, and shows it unless the last line is younger
    /// than a second.
    pub(crate) fn show(&mut self, role: Role, handled: u64) {
        self.handled.insert(role, handled);
        if self.shown_at.is_some_and(|at| at.elapsed() < INTERVAL) {
            return;
        }
        self.shown_at = Some(Instant::now());
        if self.on_terminal {
            write!(io::stderr(), "\r{}\x1b[K", self.text()).ok();
        } else {
            complain(self.text());
        }
    }

    /// Clears the line for what follows.
    pub(crate) fn finish(&self) {
        if self.on_terminal && self.shown_at.is_some() {
            write!(io::stderr(), "\r\x1b[K").ok();
        }
    }

    fn text(&self) -> String {
        let parts: Vec<_> = self
            .handled
            .iter()
            .map(|(role, &handled)| format!("{} {}", role.name(), grouped(handled)))
            .collect();
        let total = self
            .total
            .map_or(String::new(), |total| format!(" of {}", grouped(total)));
        format!("{}{total} events", parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_names_every_process_that_spoke() {
        let mut line = ProgressLine::new(Some(2_000));
        line.show(Role::Book, 999);
        line.show(Role::Feed, 1_000);
        assert_eq!(line.text(), "feed 1,000, book 999 of 2,000 events");
    }
}
