//! A risk check beside the book: it sees every event with the new top of the book, and counts what
//! passes its limits.
//!
//! Pure integers, no clock: rates are measured in recorded time, so a replay at any speed gives the
//! same breaches.

use mycelium::message;
use serde::{Deserialize, Serialize};

use crate::{
    book::TopOfBook,
    event::{EventKind, OrderEvent},
};

const SECOND_NS: u64 = 1_000_000_000;

/// What the book tells the risk check and the strategy after each event.
#[message]
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct BookUpdate {
    /// The event the book applied; its `sent_ns` is that of this hop.
    pub(crate) event: OrderEvent,
    /// The best prices after it.
    pub(crate) top: TopOfBook,
}

/// The state of the check.
pub(crate) struct RiskCheck {
    limits: RiskLimits,
    counts: RiskCounts,
    window: RateWindow,
    is_exposed: bool,
}

impl RiskCheck {
    /// Starts flat.
    pub(crate) fn new(limits: RiskLimits) -> Self {
        Self {
            limits,
            counts: RiskCounts::default(),
            window: RateWindow::default(),
            is_exposed: false,
        }
    }

    /// Checks one event against every limit.
    pub(crate) fn observe(&mut self, update: &BookUpdate) {
        self.check_rate(update.event.time_ns);
        match update.event.kind() {
            Some(EventKind::New) => self.check_order(update),
            Some(EventKind::ExecuteVisible | EventKind::ExecuteHidden) => {
                self.check_trade(&update.event);
            }
            _ => {}
        }
    }

    /// What was traded and what passed its limit.
    pub(crate) fn counts(&self) -> RiskCounts {
        self.counts
    }

    fn check_rate(&mut self, time_ns: u64) {
        let messages = self.window.count(time_ns);
        self.counts.busiest_second_messages = self.counts.busiest_second_messages.max(messages);
        // Only the message that passes the limit counts: one breach for each second that is too
        // busy.
        self.counts.rate_breaches += u64::from(messages == self.limits.messages_per_s + 1);
    }

    fn check_order(&mut self, update: &BookUpdate) {
        let notional = update.event.notional();
        self.counts.order_breaches += u64::from(notional > self.limits.order_notional);
        if let (Some(bid), Some(ask)) = (update.top.bid, update.top.ask) {
            let mid = i64::midpoint(bid.price, ask.price);
            let distance = update.event.price.abs_diff(mid);
            self.counts.price_breaches +=
                u64::from(distance > mid.unsigned_abs() / self.limits.price_band_divisor);
        }
    }

    /// A resting buy order that is executed adds to the exposure, a sell order takes from it.
    fn check_trade(&mut self, trade: &OrderEvent) {
        let notional = trade.notional();
        let signed = notional.saturating_mul(i64::from(trade.direction.signum()));
        self.counts.traded_notional = self.counts.traded_notional.saturating_add(notional);
        self.counts.exposure_notional = self.counts.exposure_notional.saturating_add(signed);
        let exposure = self.counts.exposure_notional.saturating_abs();
        self.counts.largest_exposure_notional = self.counts.largest_exposure_notional.max(exposure);
        let is_exposed = exposure > self.limits.exposure_notional;
        self.counts.exposure_breaches += u64::from(is_exposed && !self.is_exposed);
        self.is_exposed = is_exposed;
    }
}

/// Where the check raises its hand. Notionals are in dollars x 10,000.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RiskLimits {
    /// The largest order.
    pub(crate) order_notional: i64,
    /// The largest difference between what was bought and sold.
    pub(crate) exposure_notional: i64,
    /// The busiest second of recorded time.
    pub(crate) messages_per_s: u64,
    /// A new order may be this fraction of the middle price away from it: 10 means a tenth.
    pub(crate) price_band_divisor: u64,
}

impl Default for RiskLimits {
    fn default() -> Self {
        const DOLLAR: i64 = 10_000;
        Self {
            order_notional: 1_000_000 * DOLLAR,
            exposure_notional: 10_000_000 * DOLLAR,
            messages_per_s: 2_000,
            price_band_divisor: 10,
        }
    }
}

/// What was traded and what passed its limit. Notionals are in dollars x 10,000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RiskCounts {
    /// Bought and sold together.
    pub(crate) traded_notional: i64,
    /// Bought less sold.
    pub(crate) exposure_notional: i64,
    /// The largest exposure so far, either way.
    pub(crate) largest_exposure_notional: i64,
    /// The most messages in one second of recorded time.
    pub(crate) busiest_second_messages: u64,
    /// Orders above their limit.
    pub(crate) order_breaches: u64,
    /// Times the exposure passed its limit.
    pub(crate) exposure_breaches: u64,
    /// Orders too far from the middle price.
    pub(crate) price_breaches: u64,
    /// Seconds that were too busy.
    pub(crate) rate_breaches: u64,
}

/// Counts the messages of the current second of recorded time.
#[derive(Default)]
struct RateWindow {
    second: u64,
    messages: u64,
}

impl RateWindow {
    fn count(&mut self, time_ns: u64) -> u64 {
        let second = time_ns / SECOND_NS;
        if second != self.second {
            *self = Self {
                second,
                messages: 0,
            };
        }
        self.messages += 1;
        self.messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::Quote;

    const LIMITS: RiskLimits = RiskLimits {
        order_notional: 1_000,
        exposure_notional: 500,
        messages_per_s: 3,
        price_band_divisor: 10,
    };

    fn counts_after(updates: &[BookUpdate]) -> RiskCounts {
        let mut check = RiskCheck::new(LIMITS);
        for update in updates {
            check.observe(update);
        }
        check.counts()
    }

    fn update(kind: EventKind, price: i64, size: u32, direction: i8) -> BookUpdate {
        let event = OrderEvent {
            kind: kind.code(),
            price,
            size,
            direction,
            ..OrderEvent::blank(0)
        };
        BookUpdate {
            event,
            top: TopOfBook::default(),
        }
    }

    #[test]
    fn an_order_above_the_limit_is_a_breach() {
        let counts = counts_after(&[
            update(EventKind::New, 100, 10, 1),
            update(EventKind::New, 100, 11, 1),
        ]);
        assert_eq!(counts.order_breaches, 1);
    }

    #[test]
    fn an_order_far_from_the_middle_is_a_breach() {
        let top = TopOfBook {
            bid: Some(Quote { price: 99, size: 1 }),
            ask: Some(Quote {
                price: 101,
                size: 1,
            }),
        };
        let at = |price| BookUpdate {
            top,
            ..update(EventKind::New, price, 1, 1)
        };
        assert_eq!(
            counts_after(&[at(110), at(90), at(111), at(89)]).price_breaches,
            2
        );
    }

    #[test]
    fn exposure_is_bought_less_sold_and_each_excursion_is_one_breach() {
        let trade = |size, direction| update(EventKind::ExecuteVisible, 100, size, direction);
        let counts = counts_after(&[
            trade(4, 1),
            trade(2, 1),
            trade(1, 1),
            trade(7, -1),
            trade(6, -1),
        ]);
        assert_eq!(
            (counts.traded_notional, counts.exposure_notional),
            (2_000, -600)
        );
        assert_eq!(
            (counts.largest_exposure_notional, counts.exposure_breaches),
            (700, 2)
        );
    }

    #[test]
    fn a_busy_second_of_recorded_time_is_one_breach() {
        let at = |time_ns| {
            let quiet = update(EventKind::Delete, 1, 1, 1);
            BookUpdate {
                event: OrderEvent {
                    time_ns,
                    ..quiet.event
                },
                ..quiet
            }
        };
        let counts = counts_after(&[
            at(0),
            at(1),
            at(2),
            at(3),
            at(4),
            at(SECOND_NS),
            at(SECOND_NS + 1),
        ]);
        assert_eq!(
            (counts.rate_breaches, counts.busiest_second_messages),
            (1, 5)
        );
    }
}
