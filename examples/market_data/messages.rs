//! What the actors of the job send each other.

use mycelium::prelude::*;

use crate::{
    book::TopOfBook,
    event::{OrderEvent, Symbol},
    risk::BookUpdate,
};

/// What the book is sent, by the feed and by the strategy.
#[message]
pub(crate) enum BookMessage {
    /// The next event, from the feed.
    Order(OrderEvent),
    /// Whoever this is will be sent every change from now on.
    Follow {
        /// The follower; the ref travelled here.
        who: ActorRef<StrategyMessage>,
        /// Answered when it is so.
        reply: ReplyTo<()>,
    },
    /// What are the best prices now?
    Top {
        /// The instrument.
        symbol: Symbol,
        /// Nothing where there is no book for it.
        reply: ReplyTo<Option<TopOfBook>>,
    },
    /// There are no more events.
    Done,
}

/// What the strategy is sent, by the book.
#[message]
pub(crate) enum StrategyMessage {
    /// The book has changed.
    Update(BookUpdate),
    /// It will not change any more.
    Done,
}

/// What the risk check is sent, by the book in the same process: it needs no `#[message]`.
pub(crate) enum RiskMessage {
    /// The book has changed.
    Update(BookUpdate),
    /// It will not change any more.
    Done,
}
