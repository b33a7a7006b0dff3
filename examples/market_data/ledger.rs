//! What a stage handled: how many events, in which order, of which kinds.
//!
//! The feed numbers events from 0 without gaps. A stage that sees a number twice has a duplicate,
//! one that sees a number after a higher one was reordered, and what never arrives is lost: the
//! launcher finds that by comparing with the feed.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::{
    checksum::Checksum,
    event::{EventKind, OrderEvent},
};

/// Gaps remembered; in a link that keeps its promises there is none.
const MAX_GAPS: usize = 1_024;

/// The running record of one stage.
pub(crate) struct Ledger {
    counts: LedgerCounts,
    checksum: Checksum,
    next_sequence: u64,
    gaps: Vec<Range<u64>>,
}

impl Ledger {
    /// The record of nothing.
    pub(crate) fn new() -> Self {
        Self {
            counts: LedgerCounts::default(),
            checksum: Checksum::new(),
            next_sequence: 0,
            gaps: Vec::new(),
        }
    }

    /// Adds the event handled next.
    pub(crate) fn record(&mut self, event: &OrderEvent) {
        self.counts.handled += 1;
        self.counts.by_kind.add(event.kind);
        self.checksum.add(event);
        if event.sequence == self.next_sequence {
            self.next_sequence += 1;
        } else {
            self.record_out_of_turn(event.sequence);
        }
    }

    /// How many events were recorded.
    pub(crate) fn handled(&self) -> u64 {
        self.counts.handled
    }

    /// Closes the record.
    pub(crate) fn counts(&self) -> LedgerCounts {
        LedgerCounts {
            checksum: self.checksum.value(),
            ..self.counts
        }
    }

    #[cold]
    fn record_out_of_turn(&mut self, sequence: u64) {
        if sequence > self.next_sequence {
            if self.gaps.len() == MAX_GAPS {
                self.gaps.remove(0);
            }
            self.gaps.push(self.next_sequence..sequence);
            self.next_sequence = sequence + 1;
        } else if self.fill_gap(sequence) {
            self.counts.reordered += 1;
        } else {
            self.counts.duplicated += 1;
        }
    }

    /// True when `sequence` was missing until now.
    fn fill_gap(&mut self, sequence: u64) -> bool {
        let Some(index) = self.gaps.iter().position(|gap| gap.contains(&sequence)) else {
            return false;
        };
        let gap = self.gaps.remove(index);
        let rest = [gap.start..sequence, sequence + 1..gap.end];
        self.gaps.splice(
            index..index,
            rest.into_iter().filter(|range| !range.is_empty()),
        );
        true
    }
}

/// The closed record of one stage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LedgerCounts {
    /// Events handled, duplicates included.
    pub(crate) handled: u64,
    /// Events handled before.
    pub(crate) duplicated: u64,
    /// Events that arrived after a later one.
    pub(crate) reordered: u64,
    /// CRC-64/XZ over the events in the order handled.
    pub(crate) checksum: u64,
    /// Events of each kind.
    pub(crate) by_kind: KindCounts,
}

impl LedgerCounts {
    /// Events among `sent` that never arrived here.
    pub(crate) fn lost_of(&self, sent: u64) -> u64 {
        sent.saturating_sub(self.handled - self.duplicated)
    }
}

/// How many events of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KindCounts([u64; EventKind::COUNT]);

impl KindCounts {
    /// Kind codes from 1, each with its count.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, u64)> {
        self.0
            .iter()
            .enumerate()
            .map(|(index, &count)| (index + 1, count))
    }

    fn add(&mut self, code: u8) {
        let slot = usize::from(code)
            .checked_sub(1)
            .and_then(|index| self.0.get_mut(index));
        if let Some(count) = slot {
            *count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counts_of(sequences: &[u64]) -> LedgerCounts {
        let mut ledger = Ledger::new();
        for &sequence in sequences {
            ledger.record(&OrderEvent::blank(sequence));
        }
        ledger.counts()
    }

    /// Lost of `sent`, duplicated, reordered.
    fn faults_of(sequences: &[u64], sent: u64) -> (u64, u64, u64) {
        let counts = counts_of(sequences);
        (counts.lost_of(sent), counts.duplicated, counts.reordered)
    }

    #[test]
    fn a_rising_sequence_has_no_fault() {
        assert_eq!(faults_of(&[0, 1, 2, 3], 4), (0, 0, 0));
    }

    #[test]
    fn what_never_arrives_is_lost() {
        assert_eq!(faults_of(&[1, 4], 6), (4, 0, 0));
    }

    #[test]
    fn what_arrives_late_is_reordered_and_not_lost() {
        assert_eq!(faults_of(&[0, 3, 1, 2, 4], 5), (0, 0, 2));
    }

    #[test]
    fn what_arrives_again_is_duplicated_even_after_it_was_late() {
        assert_eq!(faults_of(&[0, 0, 2, 1, 1], 3), (0, 2, 1));
    }

    #[test]
    fn kinds_are_counted_and_an_unknown_one_is_not() {
        let mut ledger = Ledger::new();
        for (sequence, kind) in (0..).zip([1, 1, 7, 0, 9]) {
            ledger.record(&OrderEvent {
                kind,
                ..OrderEvent::blank(sequence)
            });
        }
        let by_kind: Vec<_> = ledger
            .counts()
            .by_kind
            .iter()
            .filter(|&(_, count)| count > 0)
            .collect();
        assert_eq!(by_kind, [(1, 2), (7, 1)]);
    }

    proptest! {
        #[test]
        fn every_arrival_is_in_turn_reordered_or_duplicated(
            sequences in proptest::collection::vec(0..40u64, 0..80),
        ) {
            let distinct = sequences.iter().collect::<std::collections::HashSet<_>>().len() as u64;
            let counts = counts_of(&sequences);
            prop_assert_eq!(counts.handled - counts.duplicated, distinct);
            prop_assert_eq!(counts.lost_of(40), 40 - distinct);
            prop_assert!(counts.reordered <= distinct);
        }
    }
}
