//! [`SpawnOptions`]: how an actor is placed, and how much it may have waiting.

use std::num::NonZeroUsize;

/// The capacity of a mailbox that nobody chose, in messages.
const DEFAULT_CAPACITY_MESSAGES: NonZeroUsize =
    NonZeroUsize::new(1_024).expect("1,024 is not zero");

/// How an actor is spawned.
///
/// # Examples
///
/// ```
/// use std::num::NonZeroUsize;
/// use mycelium_core::SpawnOptions;
///
/// let small = SpawnOptions::default().capacity(NonZeroUsize::MIN);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct SpawnOptions {
    capacity_messages: NonZeroUsize,
    measures_age: bool,
}

impl SpawnOptions {
    /// The mailbox takes this many messages of this process, and as many again from each remote
    /// sender's binding, up to 1,024. Default 1,024. The queue grows as it fills: room that is
    /// never used costs nothing.
    pub fn capacity(mut self, messages: NonZeroUsize) -> Self {
        self.capacity_messages = messages;
        self
    }

    /// [`Context::age`](crate::Context::age) is known of every message, not only of those that were
    /// sent with options. Each send of this process, and each arrival from another, then reads the
    /// clock: some 20 ns. Default: off.
    pub fn measure_age(mut self) -> Self {
        self.measures_age = true;
        self
    }

    pub(crate) fn measures_age(&self) -> bool {
        self.measures_age
    }

    pub(crate) fn capacity_messages(&self) -> usize {
        self.capacity_messages.get()
    }
}

impl Default for SpawnOptions {
    fn default() -> Self {
        Self {
            capacity_messages: DEFAULT_CAPACITY_MESSAGES,
            measures_age: false,
        }
    }
}
