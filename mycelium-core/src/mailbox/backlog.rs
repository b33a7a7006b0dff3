//! [`Backlog`]: from which depth on a mailbox is worth a warning.

/// Smaller mailboxes are full in normal use.
const LEAST_CAPACITY_MESSAGES: usize = 16;

/// The depth at which a backlog is told of, once, and the one at which it has gone.
pub(crate) struct Backlog {
    pub(crate) told_messages: usize,
    pub(crate) calm_messages: usize,
}

impl Backlog {
    /// Told of at four fifths of the capacity, gone at half of it.
    pub(crate) fn of(capacity_messages: usize) -> Self {
        let told_messages = if capacity_messages < LEAST_CAPACITY_MESSAGES {
            usize::MAX
        } else {
            capacity_messages - capacity_messages / 5
        };
        Self {
            told_messages,
            calm_messages: capacity_messages / 2,
        }
    }
}
