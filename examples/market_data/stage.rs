//! One stage of the job: what arrived there, how long the hop to it took, and the report of the
//! process it lives in.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use mycelium::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    book::BookCounts,
    event::OrderEvent,
    latency::{HopLatency, LatencyRecorder},
    ledger::{Ledger, LedgerCounts},
    risk::RiskCounts,
};

pub(crate) const FEED_TO_BOOK: &str = "feed->book";
pub(crate) const BOOK_TO_RISK: &str = "book->risk";
pub(crate) const BOOK_TO_STRATEGY: &str = "book->strategy";
pub(crate) const STRATEGY_ASKS_BOOK: &str = "strategy->book ask";
pub(crate) const END_TO_END: &str = "end to end";
/// All that a job can report.
pub(crate) const HOP_NAMES: [&str; 5] = [
    FEED_TO_BOOK,
    BOOK_TO_RISK,
    BOOK_TO_STRATEGY,
    STRATEGY_ASKS_BOOK,
    END_TO_END,
];

/// The record of a stage that receives events over one hop.
pub(crate) struct Stage {
    name: &'static str,
    hop: &'static str,
    transport: HopTransport,
    ledger: Ledger,
    latency: LatencyRecorder,
    progress: Progress,
}

impl Stage {
    /// Starts the record of the stage `name`, reached by `hop` over `transport`; `progress` shows
    /// how far it is.
    pub(crate) fn new(
        name: &'static str,
        hop: &'static str,
        transport: HopTransport,
        progress: Progress,
    ) -> Self {
        Self {
            name,
            hop,
            transport,
            ledger: Ledger::new(),
            latency: LatencyRecorder::new(),
            progress,
        }
    }

    /// Records that the handler of `event` starts at `now_ns`; the hop began at the event's
    /// `sent_ns`.
    pub(crate) fn record_arrival(&mut self, event: &OrderEvent, now_ns: u64) {
        self.latency.record(event.sent_ns, now_ns);
        self.ledger.record(event);
        self.progress.set(self.ledger.handled());
    }

    /// Adds the closed record to the report of this process.
    pub(crate) fn report_into(&self, report: &mut RoleReport) {
        report.stages.push(StageReport {
            name: self.name.into(),
            counts: self.ledger.counts(),
        });
        report.hops.push(HopReport {
            name: self.hop.into(),
            transport: self.transport,
            latency: self.latency.snapshot(),
        });
    }
}

/// How many events a process has handled so far; shared with the task that tells the launcher.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress(Arc<AtomicU64>);

impl Progress {
    /// Shows that `handled` events are done.
    pub(crate) fn set(&self, handled: u64) {
        // Relaxed: a figure for people, nothing is ordered by it.
        self.0.store(handled, Ordering::Relaxed);
    }

    /// How many events are done.
    pub(crate) fn handled(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a child process reports at its end.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RoleReport {
    /// Its stages; the first is the process itself.
    pub(crate) stages: Vec<StageReport>,
    /// The hops that end in this process.
    pub(crate) hops: Vec<HopReport>,
    /// What happened in the books, if it keeps any.
    pub(crate) book: Option<BookCounts>,
    /// What the risk check saw, if it has one.
    pub(crate) risk: Option<RiskCounts>,
    /// Questions to the book that were not answered, if it asks any.
    pub(crate) failed_asks: Option<u64>,
    /// Whether it ended before its work did, because it was asked to.
    pub(crate) was_stopped: bool,
}

impl RoleReport {
    /// The report of a process with the stages and hops of both.
    pub(crate) fn join(mut self, other: Self) -> Self {
        self.stages.extend(other.stages);
        self.hops.extend(other.hops);
        self.book = self.book.or(other.book);
        self.risk = self.risk.or(other.risk);
        self.failed_asks = self.failed_asks.or(other.failed_asks);
        self.was_stopped |= other.was_stopped;
        self
    }
}

/// The closed record of one stage.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StageReport {
    /// Such as `book`.
    pub(crate) name: String,
    /// What it handled; at the feed, what it sent.
    pub(crate) counts: LedgerCounts,
}

/// The latencies of one hop.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HopReport {
    /// Such as `feed->book`.
    pub(crate) name: String,
    /// What carried it.
    pub(crate) transport: HopTransport,
    /// How long it took.
    pub(crate) latency: HopLatency,
}

/// What carried the messages of a hop.
#[message]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum HopTransport {
    /// Moved within one process.
    Local,
    /// A Unix socket.
    Unix,
    /// A TCP connection.
    Tcp,
    /// Different things on different parts of the way.
    Mixed,
}

impl HopTransport {
    /// What carries the messages to `actor`, or `None` when that has no name in reports.
    pub(crate) fn to<M>(actor: &ActorRef<M>) -> Option<Self> {
        match actor {
            ActorRef::Local(_) => Some(Self::Local),
            ActorRef::Unix(_) => Some(Self::Unix),
            ActorRef::Tcp(_) => Some(Self::Tcp),
            _ => None,
        }
    }

    /// Its name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Unix => "unix",
            Self::Tcp => "tcp",
            Self::Mixed => "mixed",
        }
    }
}
