//! [`NodeStats`]: what a node has done so far.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{DeadLetterReason, LinkStats, StopReason};

/// What a node holds, and what became of its messages.
///
/// # Examples
///
/// ```
/// use mycelium_core::Node;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let node = Node::builder("books").start().await?;
/// let stats = node.stats();
/// assert_eq!((stats.actors, stats.links, stats.dead_letters.total()), (0, 0, 0));
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeStats {
    /// Actors that live.
    pub actors: usize,
    /// Links that are up or being dialled again.
    pub links: usize,
    /// What became of the messages that were sent to peers, over all links there are and were.
    pub sent: LinkStats,
    /// Messages that were accepted and will never be handled.
    pub dead_letters: DeadLetterCounts,
}

/// Messages that were accepted and not handled, by why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetterCounts {
    /// Of actors that were stopped; they came while it stopped.
    pub stopped: u64,
    /// Of actors whose handler failed.
    pub failed: u64,
    /// Of actors whose handler panicked.
    pub panicked: u64,
    /// Of actors that were killed.
    pub killed: u64,
    /// Of actors that ended with one that they were linked to.
    pub linked: u64,
    /// Of actors that ended with their node.
    pub node_down: u64,
    /// Whose time to live had passed when their turn came.
    pub expired: u64,
}

impl DeadLetterCounts {
    /// All together.
    pub fn total(&self) -> u64 {
        let by_themselves = self.stopped + self.failed + self.panicked;
        by_themselves + self.killed + self.linked + self.node_down + self.expired
    }
}

/// The counts as they grow.
#[derive(Default)]
pub(crate) struct DeadLetterCounters {
    stopped: AtomicU64,
    failed: AtomicU64,
    panicked: AtomicU64,
    killed: AtomicU64,
    linked: AtomicU64,
    node_down: AtomicU64,
    expired: AtomicU64,
}

impl DeadLetterCounters {
    pub(crate) fn add(&self, reason: &DeadLetterReason, count: usize) {
        let counter = match reason {
            DeadLetterReason::ActorEnded(ended) => self.of(ended),
            DeadLetterReason::Expired => &self.expired,
        };
        // Relaxed: counts that nothing else depends on.
        counter.fetch_add(count as u64, Ordering::Relaxed);
    }

    fn of(&self, ended: &StopReason) -> &AtomicU64 {
        match ended {
            // The last two are said of actors of other nodes, whose letters are not ours.
            StopReason::Stopped | StopReason::NoSuchActor | StopReason::WrongType => &self.stopped,
            StopReason::Failed(_) => &self.failed,
            StopReason::Panicked(_) => &self.panicked,
            StopReason::Killed => &self.killed,
            StopReason::Linked(_) => &self.linked,
            StopReason::NodeDown => &self.node_down,
        }
    }

    pub(crate) fn counts(&self) -> DeadLetterCounts {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        DeadLetterCounts {
            stopped: of(&self.stopped),
            failed: of(&self.failed),
            panicked: of(&self.panicked),
            killed: of(&self.killed),
            linked: of(&self.linked),
            node_down: of(&self.node_down),
            expired: of(&self.expired),
        }
    }
}
