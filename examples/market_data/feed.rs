//! The replay: where events come from, when each is due, and the record of what was sent.
//!
//! [`Feed`] knows nothing of how events are sent. The sending thread asks it for the next event,
//! waits until it is due, sends it, and says so.

use std::path::Path;

use crate::{
    clock::monotonic_ns,
    event::OrderEvent,
    generator::Generator,
    ledger::{Ledger, LedgerCounts},
    lobster::{LobsterError, LobsterReader},
    options::Options,
    pace::{Schedule, StopFlag, Waited, wait_until},
};

/// The seed of the order flow that is generated when no file is given.
const SEED: u64 = 20_120_621;

type Source = Box<dyn Iterator<Item = Result<OrderEvent, LobsterError>> + Send>;

/// Events with their intended send times.
pub(crate) struct Feed {
    source: Source,
    schedule: Schedule,
    ledger: Ledger,
    stop: StopFlag,
}

impl Feed {
    /// Opens the source that `options` name; the first event is due now. Raising `stop` ends the
    /// replay early.
    ///
    /// # Errors
    /// When the input file cannot be opened.
    pub(crate) fn open(options: &Options, stop: StopFlag) -> Result<Self, LobsterError> {
        let source = open_source(options.input.as_deref())?;
        let limit = usize::try_from(options.event_limit()).unwrap_or(usize::MAX);
        Ok(Self {
            source: Box::new(source.take(limit)),
            schedule: Schedule::new(options.rate, monotonic_ns()),
            ledger: Ledger::new(),
            stop,
        })
    }

    /// The next event, or `None` after the last one or when asked to stop.
    ///
    /// # Errors
    /// When the input cannot be read or a line of it is malformed; the replay is over then.
    pub(crate) fn next_event(&mut self) -> Result<Option<OrderEvent>, LobsterError> {
        if self.stop.is_raised() {
            return Ok(None);
        }
        self.source.next().transpose()
    }

    /// Sleeps and spins until `event` is due, or until asked to stop; stamps it with the intended
    /// time and that of its sending, which are the same where it shall go as soon as possible.
    pub(crate) fn wait_until_due(&mut self, event: &mut OrderEvent) -> Waited {
        let scheduled_ns = self.schedule.intended_ns(event.sequence, event.time_ns);
        let waited = scheduled_ns.map_or(Waited::Due, |due| wait_until(due, &self.stop));
        event.sent_ns = monotonic_ns();
        event.intended_ns = scheduled_ns.unwrap_or(event.sent_ns);
        waited
    }

    /// Records that `event` was accepted by the other side.
    pub(crate) fn record_sent(&mut self, event: &OrderEvent) {
        self.ledger.record(event);
    }

    /// How many events were sent.
    pub(crate) fn sent(&self) -> u64 {
        self.ledger.handled()
    }

    /// The record of what was sent.
    pub(crate) fn counts(&self) -> LedgerCounts {
        self.ledger.counts()
    }
}

fn open_source(input: Option<&Path>) -> Result<Source, LobsterError> {
    Ok(match input {
        Some(path) => Box::new(LobsterReader::open(path)?),
        None => Box::new(Generator::new(SEED).map(Ok)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(arguments: &[&str]) -> Options {
        Options::parse_from(arguments).unwrap()
    }

    #[test]
    fn the_flow_ends_after_the_events_asked_for() {
        let mut feed = Feed::open(
            &options(&["--events", "3", "--rate", "1000"]),
            StopFlag::default(),
        )
        .unwrap();
        let mut intended = Vec::new();
        while let Some(mut event) = feed.next_event().unwrap() {
            assert_eq!(feed.wait_until_due(&mut event), Waited::Due);
            feed.record_sent(&event);
            intended.push(event.intended_ns);
        }
        assert_eq!(feed.sent(), 3);
        assert_eq!(intended[2] - intended[0], 2_000_000);
    }

    #[test]
    fn a_raised_flag_ends_the_replay() {
        let stop = StopFlag::default();
        let mut feed = Feed::open(&options(&["--rate", "max"]), stop.clone()).unwrap();
        assert!(feed.next_event().unwrap().is_some());
        stop.raise();
        assert!(feed.next_event().unwrap().is_none());
    }
}
