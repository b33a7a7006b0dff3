//! What the actors of the job send each other.

use mycelium::prelude::*;

use crate::{event::OrderEvent, risk::BookUpdate};

/// What the book is sent, by the feed.
#[message]
pub(crate) enum BookMessage {
    /// The next event.
    Order(OrderEvent),
    /// There are no more.
    Done,
}

/// What the risk check is sent, by the book in the same process: it needs no `#[message]`.
pub(crate) enum RiskMessage {
    /// The book has changed.
    Update(BookUpdate),
    /// It will not change any more.
    Done,
}
