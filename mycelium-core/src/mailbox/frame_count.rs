//! [`FrameCount`]: how many frames of other nodes an actor has waiting, over all bindings.

use super::{backlog::Backlog, local::Found};
use crate::sync::{AtomicBool, AtomicUsize, Ordering};

/// A window takes no more messages than that, whatever the capacity.
const WINDOW_MESSAGES: usize = 1_024;

/// The frames that were stored and those that were taken; both wrap.
///
/// All orderings are relaxed: the counts are for people, and guard nothing.
pub(crate) struct FrameCount {
    stored: AtomicUsize,
    /// Written by the consumer alone.
    taken: AtomicUsize,
    backlog: Backlog,
    is_backlogged: AtomicBool,
}

impl FrameCount {
    pub(crate) fn new(capacity_messages: usize) -> Self {
        Self {
            stored: AtomicUsize::new(0),
            taken: AtomicUsize::new(0),
            backlog: Backlog::of_window(capacity_messages.min(WINDOW_MESSAGES)),
            is_backlogged: AtomicBool::new(false),
        }
    }

    /// Counts a batch before it can be taken; says whether it makes a backlog.
    pub(super) fn store(&self, frames: usize) -> Found {
        self.stored.fetch_add(frames, Ordering::Relaxed);
        if self.len() >= self.backlog.told_messages
            && !self.is_backlogged.swap(true, Ordering::Relaxed)
        {
            Found::Backlogged
        } else {
            Found::Filled
        }
    }

    /// Takes back what was counted and found no mailbox.
    pub(super) fn take_back(&self, frames: usize) {
        self.stored.fetch_sub(frames, Ordering::Relaxed);
    }

    /// The consumer takes one.
    pub(super) fn take(&self) {
        let taken = self.taken.load(Ordering::Relaxed).wrapping_add(1);
        self.taken.store(taken, Ordering::Relaxed);
    }

    /// The consumer takes all that is left: the mailbox is closed.
    pub(super) fn take_rest(&self) {
        let stored = self.stored.load(Ordering::Relaxed);
        self.taken.store(stored, Ordering::Relaxed);
    }

    /// The consumer has taken a batch: the backlog may have gone.
    pub(super) fn calm(&self) {
        if self.is_backlogged.load(Ordering::Relaxed) && self.len() <= self.backlog.calm_messages {
            self.is_backlogged.store(false, Ordering::Relaxed);
        }
    }

    pub(super) fn len(&self) -> usize {
        let taken = self.taken.load(Ordering::Relaxed);
        let stored = self.stored.load(Ordering::Relaxed);
        // What is taken back after the end may be counted as taken.
        usize::try_from(stored.wrapping_sub(taken).cast_signed()).unwrap_or(0)
    }
}
