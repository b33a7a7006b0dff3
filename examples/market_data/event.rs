//! One order event: what the feed sends, the book keeps and every later stage follows.
//!
//! Every field has a fixed width and any bit pattern is allowed, because events come from files and
//! from other processes: the raw `kind` and `direction` stay as they arrived, and
//! [`OrderEvent::kind`] and [`OrderEvent::side`] say what they mean, or that they mean nothing.

use std::fmt;

use mycelium::message;

/// One change of an order book, with the times of its journey.
#[message]
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct OrderEvent {
    /// Position in the replay, rising by one from 0.
    pub(crate) sequence: u64,
    /// When the exchange recorded it, in nanoseconds after midnight.
    pub(crate) time_ns: u64,
    /// The order it speaks of; 0 where it speaks of none.
    pub(crate) order_id: u64,
    /// Dollars x 10,000.
    pub(crate) price: i64,
    /// When it should have been sent (`CLOCK_MONOTONIC`), whether or not the sender kept up.
    pub(crate) intended_ns: u64,
    /// When the `send` call of the latest hop began (`CLOCK_MONOTONIC`).
    pub(crate) sent_ns: u64,
    /// The instrument.
    pub(crate) symbol: Symbol,
    /// Shares.
    pub(crate) size: u32,
    /// 1 to 7, see [`EventKind`].
    pub(crate) kind: u8,
    /// 1 for a buy order, -1 for a sell order.
    pub(crate) direction: i8,
}

impl OrderEvent {
    /// What happened, or `None` for a number that no kind has.
    pub(crate) fn kind(&self) -> Option<EventKind> {
        EventKind::from_code(self.kind)
    }

    /// The side of the book on which the order rests, or `None` for a direction other than 1 and
    /// -1.
    pub(crate) fn side(&self) -> Option<Side> {
        match self.direction {
            1 => Some(Side::Bid),
            -1 => Some(Side::Ask),
            _ => None,
        }
    }

    /// Price times size, in dollars x 10,000.
    pub(crate) fn notional(&self) -> i64 {
        self.price.saturating_mul(i64::from(self.size))
    }
}

/// What an event does to the book, numbered as LOBSTER numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// A new limit order.
    New = 1,
    /// Part of an order is cancelled.
    PartialCancel = 2,
    /// An order is deleted.
    Delete = 3,
    /// A visible order is executed, whole or in part.
    ExecuteVisible = 4,
    /// A hidden order is executed; the visible book does not change.
    ExecuteHidden = 5,
    /// An auction trade; the visible book does not change.
    CrossTrade = 6,
    /// Trading halts (price -1), quoting resumes (0) or trading resumes (1).
    Halt = 7,
}

impl EventKind {
    /// How many kinds there are: codes run from 1 to this.
    pub(crate) const COUNT: usize = 7;

    /// The kind with this number.
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::New,
            2 => Self::PartialCancel,
            3 => Self::Delete,
            4 => Self::ExecuteVisible,
            5 => Self::ExecuteHidden,
            6 => Self::CrossTrade,
            7 => Self::Halt,
            _ => return None,
        })
    }

    /// Its number on the wire and in files.
    pub(crate) fn code(self) -> u8 {
        self as u8
    }
}

/// A side of the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Buy orders; the highest price is the best.
    Bid,
    /// Sell orders; the lowest price is the best.
    Ask,
}

impl Side {
    /// Its number on the wire and in files.
    pub(crate) fn direction(self) -> i8 {
        match self {
            Self::Bid => 1,
            Self::Ask => -1,
        }
    }
}

/// The name of an instrument: up to eight bytes, padded with zeros.
#[message]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Symbol([u8; 8]);

impl Symbol {
    /// Keeps the first eight bytes of `name`.
    pub(crate) fn new(name: &str) -> Self {
        let mut bytes = [0; 8];
        for (slot, byte) in bytes.iter_mut().zip(name.bytes()) {
            *slot = byte;
        }
        Self(bytes)
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self
            .0
            .iter()
            .position(|&byte| byte == 0)
            .unwrap_or(self.0.len());
        f.write_str(&String::from_utf8_lossy(&self.0[..end]))
    }
}

#[cfg(test)]
impl OrderEvent {
    /// An event with nothing in it but its sequence, for tests to fill in.
    pub(crate) fn blank(sequence: u64) -> Self {
        Self {
            sequence,
            time_ns: 0,
            order_id: 0,
            price: 0,
            intended_ns: 0,
            sent_ns: 0,
            symbol: Symbol::new("TEST"),
            size: 0,
            kind: 1,
            direction: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_from_1_to_7_is_a_kind_and_no_other() {
        for code in 0..=u8::MAX {
            let kind = EventKind::from_code(code);
            assert_eq!(kind.is_some(), (1..=7).contains(&code));
            assert!(kind.is_none_or(|kind| kind.code() == code));
        }
    }

    #[test]
    fn a_direction_other_than_1_and_minus_1_has_no_side() {
        let with = |direction| {
            OrderEvent {
                direction,
                ..OrderEvent::blank(0)
            }
            .side()
        };
        assert_eq!(
            [with(1), with(-1), with(0)],
            [Some(Side::Bid), Some(Side::Ask), None]
        );
    }

    #[test]
    fn a_symbol_prints_without_its_padding() {
        assert_eq!(Symbol::new("AAPL").to_string(), "AAPL");
        assert_eq!(Symbol::new("LONGERTHANEIGHT").to_string(), "LONGERTH");
    }

    #[test]
    fn an_event_fills_one_cache_line() {
        assert_eq!(size_of::<OrderEvent>(), 64);
    }
}
