//! A limit order book per symbol, built from order events.
//!
//! [`Books`] sends each event to its symbol's [`Book`]. A replay starts in the middle of the day,
//! so orders that rested before it are not known: events that name them are counted, not refused.
//! Nothing here fails, whatever arrives.

mod ladder;

use mycelium::message;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use self::ladder::Ladder;
pub(crate) use self::ladder::Quote;
use crate::event::{EventKind, OrderEvent, Side, Symbol};

/// The price of an event that halts trading; other prices of its kind tell that it goes on.
const HALTED: i64 = -1;
/// Room for this many live orders before a book allocates again.
const EXPECTED_LIVE_ORDERS: usize = 16_384;

/// The books of all symbols seen.
#[derive(Default)]
pub(crate) struct Books {
    by_symbol: FxHashMap<Symbol, Book>,
}

impl Books {
    /// Applies `event` to the book of its symbol and returns that book's new top.
    pub(crate) fn apply(&mut self, event: &OrderEvent) -> TopOfBook {
        let book = self.by_symbol.entry(event.symbol).or_default();
        book.apply(event);
        book.top()
    }

    /// The best prices of `symbol`, or `None` when no event named it.
    pub(crate) fn top(&self, symbol: Symbol) -> Option<TopOfBook> {
        self.by_symbol.get(&symbol).map(Book::top)
    }

    /// What happened in all books together.
    pub(crate) fn counts(&self) -> BookCounts {
        let mut total = BookCounts {
            symbols: self.by_symbol.len() as u64,
            ..BookCounts::default()
        };
        for book in self.by_symbol.values() {
            total.add(&book.counts);
            total.live_orders += book.orders.len() as u64;
        }
        total
    }
}

/// The orders of one symbol.
pub(crate) struct Book {
    bids: Ladder,
    asks: Ladder,
    orders: FxHashMap<u64, RestingOrder>,
    counts: BookCounts,
}

impl Book {
    /// Applies one event; what does not fit is counted and changes nothing else.
    pub(crate) fn apply(&mut self, event: &OrderEvent) {
        match event.kind() {
            Some(EventKind::New) => self.add(event),
            Some(EventKind::PartialCancel) => self.reduce(event),
            Some(EventKind::Delete) => self.delete(event),
            Some(EventKind::ExecuteVisible) => {
                self.counts.visible_shares += u64::from(event.size);
                self.reduce(event);
            }
            Some(EventKind::ExecuteHidden) => self.counts.hidden_shares += u64::from(event.size),
            Some(EventKind::CrossTrade) => self.counts.auction_shares += u64::from(event.size),
            Some(EventKind::Halt) => self.counts.halts += u64::from(event.price == HALTED),
            None => self.counts.malformed += 1,
        }
    }

    /// The best bid and the best ask.
    pub(crate) fn top(&self) -> TopOfBook {
        TopOfBook {
            bid: self.bids.best(),
            ask: self.asks.best(),
        }
    }

    fn add(&mut self, event: &OrderEvent) {
        let Some(side) = event.side().filter(|_| event.size > 0) else {
            self.counts.malformed += 1;
            return;
        };
        if self.orders.contains_key(&event.order_id) {
            self.counts.duplicate_orders += 1;
            return;
        }
        self.orders.insert(
            event.order_id,
            RestingOrder {
                price: event.price,
                size: event.size,
                side,
            },
        );
        self.ladder(side).add(event.price, event.size);
    }

    /// Takes `event.size` shares from an order; it leaves when none remain.
    fn reduce(&mut self, event: &OrderEvent) {
        let Some(order) = self.orders.get_mut(&event.order_id) else {
            self.counts.unknown_orders += 1;
            return;
        };
        if event.size < order.size {
            order.size -= event.size;
            let order = *order;
            self.ladder(order.side).reduce(order.price, event.size);
        } else {
            self.counts.oversized += u64::from(event.size > order.size);
            self.remove(event.order_id);
        }
    }

    fn delete(&mut self, event: &OrderEvent) {
        if !self.remove(event.order_id) {
            self.counts.unknown_orders += 1;
        }
    }

    fn remove(&mut self, order_id: u64) -> bool {
        let Some(order) = self.orders.remove(&order_id) else {
            return false;
        };
        self.ladder(order.side).remove(order.price, order.size);
        true
    }

    fn ladder(&mut self, side: Side) -> &mut Ladder {
        match side {
            Side::Bid => &mut self.bids,
            Side::Ask => &mut self.asks,
        }
    }
}

impl Default for Book {
    fn default() -> Self {
        let orders =
            FxHashMap::with_capacity_and_hasher(EXPECTED_LIVE_ORDERS, rustc_hash::FxBuildHasher);
        Self {
            bids: Ladder::new(Side::Bid),
            asks: Ladder::new(Side::Ask),
            orders,
            counts: BookCounts::default(),
        }
    }
}

#[derive(Clone, Copy)]
struct RestingOrder {
    price: i64,
    size: u32,
    side: Side,
}

/// The best price of each side, with the shares waiting there.
#[message]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct TopOfBook {
    /// The highest price someone pays.
    pub(crate) bid: Option<Quote>,
    /// The lowest price someone takes.
    pub(crate) ask: Option<Quote>,
}

/// What happened in a book, or in several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BookCounts {
    /// Books.
    pub(crate) symbols: u64,
    /// Orders in the books now.
    pub(crate) live_orders: u64,
    /// Events that named an order from before the replay.
    pub(crate) unknown_orders: u64,
    /// New orders with the id of a live one.
    pub(crate) duplicate_orders: u64,
    /// Cancels and executions of more shares than the order had; they removed it.
    pub(crate) oversized: u64,
    /// Events with an unknown kind, and new orders without a side or without shares.
    pub(crate) malformed: u64,
    /// Shares executed against visible orders.
    pub(crate) visible_shares: u64,
    /// Shares executed against hidden orders.
    pub(crate) hidden_shares: u64,
    /// Shares executed in auctions.
    pub(crate) auction_shares: u64,
    /// Trading halts.
    pub(crate) halts: u64,
}

impl BookCounts {
    fn add(&mut self, other: &Self) {
        self.symbols += other.symbols;
        self.live_orders += other.live_orders;
        self.unknown_orders += other.unknown_orders;
        self.duplicate_orders += other.duplicate_orders;
        self.oversized += other.oversized;
        self.malformed += other.malformed;
        self.visible_shares += other.visible_shares;
        self.hidden_shares += other.hidden_shares;
        self.auction_shares += other.auction_shares;
        self.halts += other.halts;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn event(kind: EventKind, order_id: u64, shares: u32, price: i64, side: Side) -> OrderEvent {
        OrderEvent {
            order_id,
            size: shares,
            price,
            kind: kind.code(),
            direction: side.direction(),
            ..OrderEvent::blank(0)
        }
    }

    fn book_with(events: &[OrderEvent]) -> Book {
        let mut book = Book::default();
        for event in events {
            book.apply(event);
        }
        book
    }

    fn bid_of(book: &Book) -> Option<(i64, u64)> {
        book.top().bid.map(|quote| (quote.price, quote.size))
    }

    #[test]
    fn the_best_prices_are_the_highest_bid_and_the_lowest_ask() {
        let book = book_with(&[
            event(EventKind::New, 1, 10, 100, Side::Bid),
            event(EventKind::New, 2, 20, 101, Side::Bid),
            event(EventKind::New, 3, 30, 104, Side::Ask),
            event(EventKind::New, 4, 40, 103, Side::Ask),
            event(EventKind::New, 5, 5, 101, Side::Bid),
        ]);
        let wanted = TopOfBook {
            bid: Some(Quote {
                price: 101,
                size: 25,
            }),
            ask: Some(Quote {
                price: 103,
                size: 40,
            }),
        };
        assert_eq!(book.top(), wanted);
    }

    #[test]
    fn a_cancel_takes_a_part_and_a_delete_the_rest() {
        let mut book = book_with(&[event(EventKind::New, 1, 10, 100, Side::Bid)]);
        book.apply(&event(EventKind::PartialCancel, 1, 4, 100, Side::Bid));
        assert_eq!(bid_of(&book), Some((100, 6)));
        book.apply(&event(EventKind::Delete, 1, 6, 100, Side::Bid));
        assert_eq!(bid_of(&book), None);
    }

    #[test]
    fn an_executed_order_leaves_when_nothing_remains() {
        let mut book = book_with(&[event(EventKind::New, 1, 10, 100, Side::Bid)]);
        book.apply(&event(EventKind::ExecuteVisible, 1, 10, 100, Side::Bid));
        assert_eq!((bid_of(&book), book.counts.visible_shares), (None, 10));
    }

    #[test]
    fn hidden_and_auction_trades_leave_the_book_alone() {
        let mut book = book_with(&[event(EventKind::New, 1, 10, 100, Side::Bid)]);
        book.apply(&event(EventKind::ExecuteHidden, 0, 7, 100, Side::Bid));
        book.apply(&event(EventKind::CrossTrade, 0, 9, 100, Side::Bid));
        assert_eq!(bid_of(&book), Some((100, 10)));
        assert_eq!(
            (book.counts.hidden_shares, book.counts.auction_shares),
            (7, 9)
        );
    }

    #[test]
    fn orders_from_before_the_replay_are_counted() {
        let book = book_with(&[
            event(EventKind::Delete, 1, 10, 100, Side::Bid),
            event(EventKind::PartialCancel, 2, 10, 100, Side::Bid),
            event(EventKind::ExecuteVisible, 3, 10, 100, Side::Bid),
        ]);
        assert_eq!(
            (book.counts.unknown_orders, book.top()),
            (3, TopOfBook::default())
        );
    }

    #[test]
    fn nonsense_is_counted_and_changes_nothing() {
        let order = event(EventKind::New, 1, 10, 100, Side::Bid);
        let book = book_with(&[
            order,
            OrderEvent { size: 99, ..order },
            OrderEvent {
                order_id: 2,
                size: 0,
                ..order
            },
            OrderEvent {
                order_id: 3,
                direction: 0,
                ..order
            },
            OrderEvent {
                order_id: 4,
                kind: 9,
                ..order
            },
        ]);
        assert_eq!(bid_of(&book), Some((100, 10)));
        assert_eq!(
            (book.counts.duplicate_orders, book.counts.malformed),
            (1, 3)
        );
    }

    #[test]
    fn halts_are_counted_and_what_ends_them_is_not() {
        let [halted, quoting, trading] =
            [-1, 0, 1].map(|price| event(EventKind::Halt, 0, 0, price, Side::Ask));
        assert_eq!(book_with(&[halted, quoting, trading]).counts.halts, 1);
    }

    #[test]
    fn symbols_do_not_share_a_book() {
        let mut books = Books::default();
        let order = event(EventKind::New, 1, 10, 100, Side::Bid);
        let other = OrderEvent {
            symbol: Symbol::new("OTHER"),
            price: 50,
            ..order
        };
        books.apply(&order);
        books.apply(&other);
        assert_eq!(books.top(other.symbol).unwrap().bid.unwrap().price, 50);
        assert_eq!((books.counts().symbols, books.counts().live_orders), (2, 2));
        assert!(books.top(Symbol::new("NONE")).is_none());
    }

    fn any_event() -> impl Strategy<Value = OrderEvent> {
        (1..=8u8, 0..24u64, 0..6u32, 0..8i64, -1..=1i8).prop_map(
            |(kind, order_id, size, price, direction)| OrderEvent {
                order_id,
                price,
                size,
                kind,
                direction,
                ..OrderEvent::blank(0)
            },
        )
    }

    /// The levels of one side as the orders themselves say.
    fn levels_of_orders(book: &Book, side: Side) -> BTreeMap<i64, u64> {
        let mut levels = BTreeMap::new();
        for order in book.orders.values().filter(|order| order.side == side) {
            *levels.entry(order.price).or_default() += u64::from(order.size);
        }
        levels
    }

    proptest! {
        #[test]
        fn a_level_is_the_sum_of_its_orders_and_never_empty(
            events in proptest::collection::vec(any_event(), 0..200),
        ) {
            let mut book = Book::default();
            for event in &events {
                book.apply(event);
                for (ladder, side) in [(&book.bids, Side::Bid), (&book.asks, Side::Ask)] {
                    let levels: BTreeMap<_, _> = ladder.levels().map(|quote| (quote.price, quote.size)).collect();
                    prop_assert_eq!(&levels, &levels_of_orders(&book, side));
                    prop_assert!(levels.values().all(|&size| size > 0));
                }
                let best_bid = levels_of_orders(&book, Side::Bid).into_iter().next_back();
                let best_ask = levels_of_orders(&book, Side::Ask).into_iter().next();
                prop_assert_eq!(book.top().bid.map(|quote| (quote.price, quote.size)), best_bid);
                prop_assert_eq!(book.top().ask.map(|quote| (quote.price, quote.size)), best_ask);
            }
        }
    }
}
