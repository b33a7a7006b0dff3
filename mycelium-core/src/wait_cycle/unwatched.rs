//! What a release build has of it: the names, and nothing behind them.

use std::sync::Arc;

use crate::{ActorRef, Message, cell::Front, mailbox::entry::Companion};

/// The wait of a send or an ask: nothing.
pub(crate) struct Wait;

/// A turn of an actor: nothing.
pub(crate) struct PartyTurn;

#[inline]
pub(crate) fn begin_turn<M>(_: &Front<M>) -> PartyTurn {
    PartyTurn
}

#[inline]
pub(crate) fn forget<M>(_: &Front<M>) {}

impl Wait {
    #[inline]
    pub(crate) fn watched() -> Self {
        Self
    }

    #[inline]
    pub(crate) fn unwatched() -> Self {
        Self
    }

    #[inline]
    #[expect(clippy::unused_self, reason = "it is used in debug builds")]
    pub(crate) fn for_room<M: Message>(&mut self, _: &ActorRef<M>) {}

    #[inline]
    #[expect(clippy::unused_self, reason = "it is used in debug builds")]
    pub(crate) fn for_answer<M: Message>(
        &mut self,
        _: &ActorRef<M>,
        _: impl FnOnce() -> Arc<dyn Companion>,
    ) {
    }

    #[inline]
    #[expect(clippy::unused_self, reason = "it is used in debug builds")]
    pub(crate) fn end(&mut self) {}
}
