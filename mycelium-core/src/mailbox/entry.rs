//! [`Entry`]: a message in the queue of its process, with the ask it belongs to.

use std::sync::Arc;

use crate::link::Purpose;

/// A message as it waits to be handled.
pub(crate) struct Entry<M> {
    pub(crate) message: M,
    /// Who waits for the reply, if somebody does.
    ask: Option<Arc<dyn Asking>>,
}

/// An ask as the queue sees it.
pub(crate) trait Asking: Send + Sync {
    /// Whether nobody waits for the reply any more.
    fn is_abandoned(&self) -> bool;

    /// Whether the asker waits for a reply whose port is in this process still.
    #[cfg(debug_assertions)]
    fn is_awaited_here(&self) -> bool;
}

impl<M> Entry<M> {
    pub(crate) fn told(message: M) -> Self {
        Self { message, ask: None }
    }

    pub(crate) fn asked(message: M, ask: Arc<dyn Asking>) -> Self {
        Self {
            message,
            ask: Some(ask),
        }
    }

    pub(crate) fn purpose(&self) -> Purpose {
        match self.ask {
            Some(_) => Purpose::Ask,
            None => Purpose::Tell,
        }
    }

    /// Whether handling the message would be in vain.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.ask.as_ref().is_some_and(|ask| ask.is_abandoned())
    }
}
