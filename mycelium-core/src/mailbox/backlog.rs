//! [`Backlog`]: from which depth on a mailbox is worth a warning.

/// Smaller mailboxes are full in normal use.
const LEAST_CAPACITY_MESSAGES: usize = 16;

/// The depth at which a backlog is told of, once, and the one at which it has gone.
pub(crate) struct Backlog {
    pub(crate) told_messages: usize,
    pub(crate) calm_messages: usize,
}

impl Backlog {
    /// Of messages of this process: told of at four fifths of the capacity, gone at half of it.
    pub(crate) fn of_capacity(capacity_messages: usize) -> Self {
        Self::unless_small(
            capacity_messages,
            capacity_messages - capacity_messages / 5,
            capacity_messages / 2,
        )
    }

    /// Of frames: told of at half the window, gone at a quarter. A sender whose window is used up
    /// may have no more than half of it waiting, since the other half may not be reported yet.
    pub(crate) fn of_window(window_messages: usize) -> Self {
        Self::unless_small(
            window_messages,
            window_messages.div_ceil(2),
            window_messages / 4,
        )
    }

    fn unless_small(bound_messages: usize, told_messages: usize, calm_messages: usize) -> Self {
        Self {
            told_messages: if bound_messages < LEAST_CAPACITY_MESSAGES {
                usize::MAX
            } else {
                told_messages
            },
            calm_messages,
        }
    }
}
