//! [`Waiters`]: senders that wait for room, served in the order they came.

use std::{collections::VecDeque, task::Waker};

/// The place of one waiting sender in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// A line of senders. Only the one at the head may try; whoever leaves the line wakes the next.
///
/// It holds no lock: it lives under the lock of the queue whose room it guards.
#[derive(Default)]
pub(crate) struct Waiters {
    line: VecDeque<(Ticket, Waker)>,
    next: u64,
}

impl Waiters {
    pub(crate) fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    /// Whether a sender with this ticket (or with none yet) may try before all others.
    pub(crate) fn is_first(&self, ticket: Option<Ticket>) -> bool {
        match (self.line.front(), ticket) {
            (None, _) => true,
            (Some((head, _)), Some(mine)) => *head == mine,
            (Some(_), None) => false,
        }
    }

    /// Joins the line, or renews the waker of a sender that stands in it. Says whether the waker
    /// is new: a wake-up from before may have gone to nobody, or to another task.
    pub(crate) fn wait(&mut self, ticket: &mut Option<Ticket>, waker: &Waker) -> bool {
        if let Some(mine) = *ticket
            && let Ok(at) = self.line.binary_search_by_key(&mine, |(other, _)| *other)
        {
            let is_new = !self.line[at].1.will_wake(waker);
            if is_new {
                self.line[at].1.clone_from(waker);
            }
            return is_new;
        }
        let mine = Ticket(self.next);
        self.next += 1;
        self.line.push_back((mine, waker.clone()));
        *ticket = Some(mine);
        true
    }

    /// Leaves the line, because the message was taken or the sender gave up.
    pub(crate) fn leave(&mut self, ticket: &mut Option<Ticket>) {
        if let Some(mine) = ticket.take()
            && let Ok(at) = self.line.binary_search_by_key(&mine, |(other, _)| *other)
        {
            self.line.remove(at);
        }
    }

    /// The sender whose turn it is, to be woken once no lock is held.
    pub(crate) fn head(&self) -> Option<Waker> {
        self.line.front().map(|(_, waker)| waker.clone())
    }

    /// Everybody, because nothing will ever be taken again.
    pub(crate) fn wakers(&self) -> Vec<Waker> {
        self.line.iter().map(|(_, waker)| waker.clone()).collect()
    }
}
