//! [`Blocking`]: how much work of one actor may be under way in the blocking pool.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// How much work of one actor may run at a time.
const WORKS: usize = 32;

/// How much work may be under way, waiting for room in the mailbox with its result included.
const RESULTS: usize = 1_024;

/// The places for an actor's work in the blocking pool.
pub(crate) struct Blocking {
    /// Of work that runs. Waited for: they are given back by threads that need nothing of the actor.
    pub(crate) places: Arc<Semaphore>,
    /// Of work and its result. Not waited for: a handler that did would keep its own mailbox full.
    pub(crate) results: Arc<Semaphore>,
}

impl Default for Blocking {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(WORKS)),
            results: Arc::new(Semaphore::new(RESULTS)),
        }
    }
}

/// Too many results of an actor's blocking work wait for room in its mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{RESULTS} works of the actor are under way already: handle results before giving more")]
pub struct TooMuchWork;
