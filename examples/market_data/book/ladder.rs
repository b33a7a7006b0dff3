//! The price levels of one side.
//!
//! A sorted vector with the best level last: order flow happens near the best price, so a change
//! moves few levels, and once the vector has grown nothing allocates. A B-tree would chase pointers
//! for the same answers.

use mycelium::message;

use crate::event::Side;

/// A price and the shares waiting there.
#[message]
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Quote {
    /// Dollars x 10,000.
    pub(crate) price: i64,
    /// Shares of all visible orders.
    pub(crate) size: u64,
}

/// Levels from the worst price to the best; none is empty.
pub(super) struct Ladder {
    side: Side,
    levels: Vec<Quote>,
}

impl Ladder {
    pub(super) fn new(side: Side) -> Self {
        Self {
            side,
            levels: Vec::with_capacity(1024),
        }
    }

    /// The best level.
    pub(super) fn best(&self) -> Option<Quote> {
        self.levels.last().copied()
    }

    /// Adds an order of `size` shares.
    pub(super) fn add(&mut self, price: i64, size: u32) {
        let size = u64::from(size);
        match self.position(price) {
            Ok(index) => self.levels[index].size += size,
            Err(index) => self.levels.insert(index, Quote { price, size }),
        }
    }

    /// Takes `size` shares from an order that stays.
    pub(super) fn reduce(&mut self, price: i64, size: u32) {
        let index = self.position(price).expect("every order has its level");
        self.levels[index].size -= u64::from(size);
    }

    /// Removes an order of `size` shares, and the level when it was the last one.
    pub(super) fn remove(&mut self, price: i64, size: u32) {
        let index = self.position(price).expect("every order has its level");
        self.levels[index].size -= u64::from(size);
        if self.levels[index].size == 0 {
            self.levels.remove(index);
        }
    }

    /// All levels, worst first.
    #[cfg(test)]
    pub(super) fn levels(&self) -> impl Iterator<Item = &Quote> {
        self.levels.iter()
    }

    fn position(&self, price: i64) -> Result<usize, usize> {
        self.levels
            .binary_search_by_key(&self.rank(price), |level| self.rank(level.price))
    }

    /// Rises from the worst price to the best. `!price` falls as the price rises, and cannot
    /// overflow as `-price` can.
    fn rank(&self, price: i64) -> i64 {
        match self.side {
            Side::Bid => price,
            Side::Ask => !price,
        }
    }
}
