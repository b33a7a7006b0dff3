//! [`Log`]: what one process reported, and how it ended.

use crate::{
    record::{Event, Record},
    rows::{Failure, ensure},
};

/// The ledger of one process.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) name: String,
    pub(crate) records: Vec<Record>,
    pub(crate) ending: Ending,
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It came to its end.
    Orderly,
    /// By a SIGKILL of ours.
    Killed,
    /// By anything else; what it and the system said.
    Fault(String),
}

impl Log {
    /// The node has never found its peer silent.
    pub(crate) fn accuses_nobody(&self) -> Result<(), Failure> {
        let accused = self.count(Event::Suspected);
        ensure(accused == 0, || {
            format!("{} suspects its peer {accused} times", self.name)
        })
    }

    pub(crate) fn of(&self, event: Event) -> impl Iterator<Item = &Record> {
        let is_wanted = move |record: &&Record| record.event == event;
        self.records.iter().filter(is_wanted)
    }

    pub(crate) fn count(&self, event: Event) -> usize {
        self.of(event).count()
    }
}
