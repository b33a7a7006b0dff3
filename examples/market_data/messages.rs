//! What the actors of the job send each other.

use mycelium::prelude::*;

use crate::{
    book::TopOfBook,
    event::{OrderEvent, Symbol},
    risk::BookUpdate,
    stage::HopTransport,
};

/// What the book is sent, by the feed and by the strategy.
#[message]
pub(crate) enum BookMessage {
    /// Events will come, from the feed; its first message.
    Start {
        /// What carries them: the feed's ref to the book knows it.
        over: HopTransport,
    },
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
    Done {
        /// When the book ended: from then on it need not answer.
        ended_ns: u64,
    },
}

/// What the risk check is sent, by the book in the same process: it needs no `#[message]`.
pub(crate) enum RiskMessage {
    /// The book has changed.
    Update(BookUpdate),
    /// It will not change any more.
    Done,
}
