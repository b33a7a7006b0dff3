//! Order flow that looks like an hour of a liquid share, from a seed.
//!
//! The same seed gives the same events on every machine and with every version of every crate: the
//! random numbers come from [`SplitMix64`] below and all arithmetic is on integers. Kinds are mixed
//! as in one hour of real AAPL flow. Cancels and executions name live orders, executions take the
//! oldest order at the best price, and new orders never cross the book. Each symbol keeps a bounded
//! number of live orders, so the flow can run for ever.

use crate::event::{EventKind, OrderEvent, Side, Symbol};

/// One cent, in dollars x 10,000.
const TICK: i64 = 100;
/// Live orders per side and symbol; above this, new orders turn into deletes of the worst order.
const MAX_LIVE_ORDERS: usize = 512;
/// Below this many live orders per side nothing is taken from it.
const MIN_LIVE_ORDERS: usize = 16;
/// How often each kind occurs, relative to [`MIX_TOTAL`]: the counts of one hour of AAPL.
const MIX: [(EventKind, u64); 5] = [
    (EventKind::New, 44_256),
    (EventKind::PartialCancel, 469),
    (EventKind::Delete, 41_004),
    (EventKind::ExecuteVisible, 4_067),
    (EventKind::ExecuteHidden, 2_201),
];
const MIX_TOTAL: u64 = 91_997;
/// The symbols and where their prices start.
const SYMBOLS: [(&str, i64); 4] = [
    ("ALFA", 5_850_000),
    ("BRAVO", 1_204_500),
    ("CHARLIE", 302_700),
    ("DELTA", 2_518_800),
];
/// 09:30.
const OPENING_NS: u64 = 34_200 * 1_000_000_000;

/// An endless iterator of events, numbered from 0, with rising recorded times.
pub(crate) struct Generator {
    random: SplitMix64,
    flows: Vec<Flow>,
    time_ns: u64,
    sequence: u64,
}

impl Generator {
    /// Starts the flow of `seed` at the opening.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: SplitMix64(seed),
            flows: SYMBOLS
                .iter()
                .map(|&(name, price)| Flow::new(Symbol::new(name), price))
                .collect(),
            time_ns: OPENING_NS,
            sequence: 0,
        }
    }
}

impl Iterator for Generator {
    type Item = OrderEvent;

    fn next(&mut self) -> Option<OrderEvent> {
        self.time_ns += gap_ns(&mut self.random);
        let symbol = usize::try_from(self.random.below(SYMBOLS.len() as u64))
            .expect("there are few symbols");
        // The sequence numbers new orders too: unique over all symbols, and never 0.
        let change = self.flows[symbol].next_change(&mut self.random, self.sequence + 1);
        let event = change.into_event(self.sequence, self.time_ns, self.flows[symbol].symbol);
        self.sequence += 1;
        Some(event)
    }
}

/// Most events follow each other within microseconds; one in eight ends a pause, seldom longer than
/// some milliseconds.
fn gap_ns(random: &mut SplitMix64) -> u64 {
    if random.below(8) == 0 {
        1 + random.near_zero(64_000_000)
    } else {
        1 + random.below(10_000)
    }
}

/// One event without its number, time and symbol.
struct Change {
    kind: EventKind,
    side: Side,
    order_id: u64,
    price: i64,
    size: u32,
}

impl Change {
    fn of(kind: EventKind, side: Side, order: LiveOrder) -> Self {
        Self {
            kind,
            side,
            order_id: order.id,
            price: order.price,
            size: order.size,
        }
    }

    fn into_event(self, sequence: u64, time_ns: u64, symbol: Symbol) -> OrderEvent {
        OrderEvent {
            sequence,
            time_ns,
            order_id: self.order_id,
            price: self.price,
            intended_ns: 0,
            sent_ns: 0,
            symbol,
            size: self.size,
            kind: self.kind.code(),
            direction: self.side.direction(),
        }
    }
}

/// The flow of one symbol: a price that walks, and the live orders around it.
struct Flow {
    symbol: Symbol,
    mid: i64,
    bids: Queue,
    asks: Queue,
}

impl Flow {
    fn new(symbol: Symbol, mid: i64) -> Self {
        Self {
            symbol,
            mid,
            bids: Queue::new(Side::Bid),
            asks: Queue::new(Side::Ask),
        }
    }

    fn next_change(&mut self, random: &mut SplitMix64, new_id: u64) -> Change {
        let kind = random_kind(random);
        self.walk(random);
        match kind {
            EventKind::New => self.add(random, new_id),
            EventKind::ExecuteHidden => self.execute_hidden(random),
            _ => self.take(kind, random, new_id),
        }
    }

    fn walk(&mut self, random: &mut SplitMix64) {
        match random.below(32) {
            0 => self.mid += TICK,
            // A price floor keeps a share that only ever falls above zero.
            1 if self.mid > 1_000 * TICK => self.mid -= TICK,
            _ => {}
        }
    }

    fn add(&mut self, random: &mut SplitMix64, id: u64) -> Change {
        let side = if random.below(2) == 0 {
            Side::Bid
        } else {
            Side::Ask
        };
        if self.queue(side).orders.len() >= MAX_LIVE_ORDERS {
            let worst = self.queue(side).orders.remove(0);
            return Change::of(EventKind::Delete, side, worst);
        }
        let order = LiveOrder {
            id,
            price: self.passive_price(side, random),
            size: random_size(random),
        };
        self.queue(side).insert(order);
        Change::of(EventKind::New, side, order)
    }

    /// A price near the middle that does not cross the other side.
    fn passive_price(&self, side: Side, random: &mut SplitMix64) -> i64 {
        let distance = TICK * (1 + i64::try_from(random.near_zero(50)).expect("below 50"));
        match side {
            Side::Bid => self
                .asks
                .best_price()
                .map_or(i64::MAX, |ask| ask - TICK)
                .min(self.mid - distance),
            Side::Ask => self
                .bids
                .best_price()
                .map_or(i64::MIN, |bid| bid + TICK)
                .max(self.mid + distance),
        }
    }

    fn execute_hidden(&mut self, random: &mut SplitMix64) -> Change {
        let side = if random.below(2) == 0 {
            Side::Bid
        } else {
            Side::Ask
        };
        Change {
            kind: EventKind::ExecuteHidden,
            side,
            order_id: 0,
            price: self.mid,
            size: random_size(random),
        }
    }

    /// Takes from a live order, or adds one where the side has become thin.
    fn take(&mut self, kind: EventKind, random: &mut SplitMix64, new_id: u64) -> Change {
        let side = self.pressed_side().unwrap_or(if random.below(2) == 0 {
            Side::Bid
        } else {
            Side::Ask
        });
        if self.queue(side).orders.len() < MIN_LIVE_ORDERS {
            return self.add(random, new_id);
        }
        match kind {
            EventKind::PartialCancel => self.cancel_part(side, random),
            EventKind::ExecuteVisible => self.execute(side, random),
            _ => self.delete(side, random),
        }
    }

    fn cancel_part(&mut self, side: Side, random: &mut SplitMix64) -> Change {
        let queue = self.queue(side);
        let index = queue.random_index(random);
        let order = &mut queue.orders[index];
        if order.size == 1 {
            let order = queue.orders.remove(index);
            return Change::of(EventKind::Delete, side, order);
        }
        let cancelled = LiveOrder {
            size: order.size / 2,
            ..*order
        };
        order.size -= cancelled.size;
        Change::of(EventKind::PartialCancel, side, cancelled)
    }

    fn execute(&mut self, side: Side, random: &mut SplitMix64) -> Change {
        let best = self
            .queue(side)
            .orders
            .last_mut()
            .expect("a side has at least the minimum of orders");
        if best.size > 1 && random.below(4) == 0 {
            let executed = LiveOrder {
                size: best.size / 2,
                ..*best
            };
            best.size -= executed.size;
            return Change::of(EventKind::ExecuteVisible, side, executed);
        }
        let order = self
            .queue(side)
            .orders
            .pop()
            .expect("a side has at least the minimum of orders");
        Change::of(EventKind::ExecuteVisible, side, order)
    }

    fn delete(&mut self, side: Side, random: &mut SplitMix64) -> Change {
        let pressed = self.pressed_side() == Some(side);
        let queue = self.queue(side);
        let index = if pressed {
            queue.orders.len() - 1
        } else {
            queue.random_index(random)
        };
        let order = queue.orders.remove(index);
        Change::of(EventKind::Delete, side, order)
    }

    /// The side whose best price the middle has passed: its orders leave first, so that the book
    /// follows the walk.
    fn pressed_side(&self) -> Option<Side> {
        if self.bids.best_price().is_some_and(|bid| bid >= self.mid) {
            Some(Side::Bid)
        } else if self.asks.best_price().is_some_and(|ask| ask <= self.mid) {
            Some(Side::Ask)
        } else {
            None
        }
    }

    fn queue(&mut self, side: Side) -> &mut Queue {
        match side {
            Side::Bid => &mut self.bids,
            Side::Ask => &mut self.asks,
        }
    }
}

#[derive(Clone, Copy)]
struct LiveOrder {
    id: u64,
    price: i64,
    size: u32,
}

/// The live orders of one side, worst price first; at one price the oldest is last and so the first
/// to execute.
struct Queue {
    side: Side,
    orders: Vec<LiveOrder>,
}

impl Queue {
    fn new(side: Side) -> Self {
        Self {
            side,
            orders: Vec::with_capacity(MAX_LIVE_ORDERS),
        }
    }

    fn best_price(&self) -> Option<i64> {
        self.orders.last().map(|order| order.price)
    }

    fn insert(&mut self, order: LiveOrder) {
        let index = match self.side {
            Side::Bid => self
                .orders
                .partition_point(|other| other.price < order.price),
            Side::Ask => self
                .orders
                .partition_point(|other| other.price > order.price),
        };
        self.orders.insert(index, order);
    }

    /// An order near the best more often than one far away.
    fn random_index(&self, random: &mut SplitMix64) -> usize {
        let depth = random.near_zero(self.orders.len() as u64);
        self.orders.len() - 1 - usize::try_from(depth).expect("less than the length")
    }
}

fn random_kind(random: &mut SplitMix64) -> EventKind {
    let mut left = random.below(MIX_TOTAL);
    for (kind, weight) in MIX {
        if left < weight {
            return kind;
        }
        left -= weight;
    }
    unreachable!("the weights add up to their total")
}

/// Mostly round lots.
fn random_size(random: &mut SplitMix64) -> u32 {
    let size = if random.below(4) == 0 {
        1 + random.below(99)
    } else {
        100 * (1 + random.near_zero(10))
    };
    u32::try_from(size).expect("at most a thousand")
}

/// Sebastiano Vigna's `SplitMix64`, with its constants from the published reference code (public
/// domain).
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`, by multiplication: faster than a remainder and even enough.
    fn below(&mut self, bound: u64) -> u64 {
        scale(self.next(), bound)
    }

    /// A number below `bound` that is more often small: the product of three even ones.
    fn near_zero(&mut self, bound: u64) -> u64 {
        let product = scale(scale(self.next(), self.next()), self.next());
        scale(product, bound)
    }
}

/// `fraction` of 2^64ths of `whole`.
fn scale(fraction: u64, whole: u64) -> u64 {
    let product = u128::from(fraction) * u128::from(whole);
    u64::try_from(product >> 64).expect("the upper half of a product of two u64")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::{book::Books, checksum::Checksum};

    #[test]
    fn the_random_numbers_are_those_of_the_reference_code() {
        let mut random = SplitMix64(1_234_567);
        assert_eq!(
            [random.next(), random.next()],
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]
        );
    }

    #[test]
    fn the_flow_of_a_seed_never_changes() {
        let mut checksum = Checksum::new();
        Generator::new(1)
            .take(100_000)
            .for_each(|event| checksum.add(&event));
        assert_eq!(checksum.value(), 0xE517_896F_F12F_9918);
    }

    #[test]
    fn kinds_are_mixed_as_in_the_real_hour() {
        let mut by_kind: HashMap<u8, f64> = HashMap::new();
        let total = 400_000;
        for event in Generator::new(7).take(total) {
            *by_kind.entry(event.kind).or_default() += 1.0;
        }
        for (kind, weight) in [
            (1, 44_256.0),
            (2, 469.0),
            (3, 41_004.0),
            (4, 4_067.0),
            (5, 2_201.0),
        ] {
            let (wanted, found) = (weight / 91_997.0, by_kind[&kind] / 400_000.0);
            assert!(
                (wanted - found).abs() < 0.01,
                "kind {kind}: wanted {wanted:.4}, found {found:.4}"
            );
        }
    }

    #[test]
    fn the_book_knows_every_order_and_is_never_crossed() {
        let mut books = Books::default();
        for event in Generator::new(3).take(200_000) {
            let top = books.apply(&event);
            if let (Some(bid), Some(ask)) = (top.bid, top.ask) {
                assert!(bid.price < ask.price, "{event:?}: {top:?}");
            }
        }
        let counts = books.counts();
        assert_eq!(
            (
                counts.unknown_orders,
                counts.duplicate_orders,
                counts.malformed
            ),
            (0, 0, 0)
        );
    }

    #[test]
    fn live_orders_stay_bounded_and_times_rise() {
        let mut generator = Generator::new(5);
        let mut last_ns = 0;
        for _ in 0..300_000 {
            let event = generator.next().unwrap();
            assert!(event.time_ns > last_ns || event.sequence == 0);
            last_ns = event.time_ns;
        }
        for flow in &generator.flows {
            assert!(
                flow.bids.orders.len() <= MAX_LIVE_ORDERS
                    && flow.asks.orders.len() <= MAX_LIVE_ORDERS
            );
            assert!(flow.bids.orders.len() >= MIN_LIVE_ORDERS - 1);
        }
    }
}
