//! [`Account`]: what a sender knows of the messages that it sent to one actor.

use std::ops::AddAssign;

use mycelium::wire::{CreditWindow, Totals};

/// What a sender knows of the messages that it sent to one actor, over all connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Messages that a window admitted.
    pub accepted: u64,
    /// Messages that the actor took.
    pub confirmed: u64,
    /// Messages that the actor's node discarded.
    pub refused: u64,
    /// Messages that were under way when their connection was lost.
    pub unknown: u64,
    /// Messages that are under way.
    pub in_flight: u64,
}

impl Account {
    /// Of one binding, while its connection lives.
    pub(crate) fn of(window: &CreditWindow) -> Self {
        Self {
            accepted: window.accepted(),
            confirmed: window.confirmed(),
            refused: window.refused(),
            unknown: 0,
            in_flight: window.in_flight(),
        }
    }

    /// The same after the connection was lost.
    pub(crate) fn lost(self) -> Self {
        Self {
            unknown: self.unknown + self.in_flight,
            in_flight: 0,
            ..self
        }
    }

    /// Checks that every accepted message is in one column.
    ///
    /// # Panics
    ///
    /// Where one is in none, or in two.
    pub fn check(&self) {
        let known = self.confirmed + self.refused + self.unknown + self.in_flight;
        assert_eq!(self.accepted, known, "messages are missing: {self:?}");
    }
}

impl From<Totals> for Account {
    /// Of one connection.
    fn from(totals: Totals) -> Self {
        Self {
            accepted: totals.accepted,
            confirmed: totals.confirmed,
            refused: totals.refused,
            unknown: 0,
            in_flight: totals.in_flight,
        }
    }
}

impl AddAssign for Account {
    fn add_assign(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.confirmed += other.confirmed;
        self.refused += other.refused;
        self.unknown += other.unknown;
        self.in_flight += other.in_flight;
    }
}
