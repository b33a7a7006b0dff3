//! [`LocalQueue`]: the bounded queue that senders of this process put messages in.
//!
//! Messages lie inline in a ring that grows as it fills, up to the capacity and no slot further.
//! The consumer takes them in batches, one lock per batch; a message counts against the capacity
//! until its handling starts, so the bound is exact. Senders that find no room stand in a line;
//! the consumer wakes its head when half the room is free, when the queue is empty, and before it
//! waits itself.

use std::{
    collections::VecDeque,
    mem,
    task::{Context, Poll},
};

use super::{
    backlog::Backlog,
    waiters::{Ticket, Waiters},
};
use crate::sync::{AtomicUsize, Mutex, Ordering};

/// The most messages moved out of the queue under one lock.
const BATCH_MESSAGES: usize = 64;

/// The room that the first message of a mailbox makes.
const LEAST_MESSAGES: usize = 4;

/// A bounded queue with many senders and one consumer.
pub(crate) struct LocalQueue<T> {
    capacity_messages: usize,
    backlog: Backlog,
    /// How many messages were ever taken; written by the consumer alone.
    taken: AtomicUsize,
    inner: Mutex<Inner<T>>,
}

struct Inner<T> {
    items: VecDeque<T>,
    /// How many messages were ever stored.
    stored: usize,
    is_closed: bool,
    /// Whether the backlog was told of, and has not gone since.
    is_backlogged: bool,
    waiters: Waiters,
}

/// What became of a message.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Push<T> {
    /// It is in the queue; the first message of an empty queue obliges the sender to notify.
    Stored(Found),
    Full(T),
    Closed(T),
}

/// How the queue was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Empty,
    Filled,
    /// As filled, and this message makes it a backlog that nobody has been told of.
    Backlogged,
}

impl<T> LocalQueue<T> {
    pub(crate) fn new(capacity_messages: usize) -> Self {
        let inner = Inner {
            items: VecDeque::new(),
            stored: 0,
            is_closed: false,
            is_backlogged: false,
            waiters: Waiters::default(),
        };
        Self {
            capacity_messages,
            backlog: Backlog::of_capacity(capacity_messages),
            taken: AtomicUsize::new(0),
            inner: Mutex::new(inner),
        }
    }

    pub(crate) fn capacity_messages(&self) -> usize {
        self.capacity_messages
    }

    /// Stores the message if there is room and nobody waits for it.
    pub(crate) fn try_push(&self, item: T) -> Push<T> {
        let mut inner = self.inner.lock();
        if inner.is_closed {
            return Push::Closed(item);
        }
        if !inner.waiters.is_empty() || !self.has_room(&inner) {
            return Push::Full(item);
        }
        Push::Stored(inner.store(item, self))
    }

    /// Stores the message, or joins the line of those who wait for room.
    ///
    /// Takes the message out of `item` when ready.
    pub(crate) fn poll_push(
        &self,
        item: &mut Option<T>,
        ticket: &mut Option<Ticket>,
        cx: &mut Context<'_>,
    ) -> Poll<Push<T>> {
        let mut inner = self.inner.lock();
        let may_store = inner.waiters.is_first(*ticket) && self.has_room(&inner);
        if !inner.is_closed && !may_store {
            inner.waiters.wait(ticket, cx.waker());
            return Poll::Pending;
        }
        let item = item.take().expect("a send is not polled after it is ready");
        inner.waiters.leave(ticket);
        if inner.is_closed {
            return Poll::Ready(Push::Closed(item));
        }
        let found = inner.store(item, self);
        let next = self
            .has_room(&inner)
            .then(|| inner.waiters.head())
            .flatten();
        drop(inner);
        if let Some(next) = next {
            next.wake();
        }
        Poll::Ready(Push::Stored(found))
    }

    /// Leaves the line without a message; the next in it may try.
    pub(crate) fn cancel(&self, ticket: &mut Option<Ticket>) {
        let mut inner = self.inner.lock();
        inner.waiters.leave(ticket);
        let next = self
            .has_room(&inner)
            .then(|| inner.waiters.head())
            .flatten();
        drop(inner);
        if let Some(next) = next {
            next.wake();
        }
    }

    /// Moves up to a batch of messages to the consumer, and no more than `most`. They still count
    /// against the capacity, until [`take`](Self::take).
    pub(crate) fn refill(&self, batch: &mut VecDeque<T>, most: usize) {
        let mut inner = self.inner.lock();
        let count = inner
            .items
            .len()
            .min(BATCH_MESSAGES)
            .min(self.capacity_messages.div_ceil(2))
            .min(most);
        batch.extend(inner.items.drain(..count));
        let depth = inner.depth(self);
        if depth <= self.backlog.calm_messages {
            inner.is_backlogged = false;
        }
        let wake = (depth <= self.capacity_messages / 2 && self.has_room(&inner))
            .then(|| inner.waiters.head())
            .flatten();
        drop(inner);
        if let Some(wake) = wake {
            wake.wake();
        }
    }

    /// Says that the handling of one message of the batch starts: its room is free.
    pub(crate) fn take(&self) {
        // Release: pairs with the Acquire in `depth`. A plain store would do for the count, since
        // the consumer alone writes it.
        self.taken.store(
            self.taken.load(Ordering::Relaxed).wrapping_add(1),
            Ordering::Release,
        );
    }

    /// Moves all that is stored to the consumer, as taken, and frees the ring: the queue is closed.
    pub(crate) fn take_rest(&self, rest: &mut VecDeque<T>) {
        let mut inner = self.inner.lock();
        debug_assert!(inner.is_closed, "only a closed queue has a rest");
        let mut items = mem::take(&mut inner.items);
        self.taken.store(inner.stored, Ordering::Release);
        drop(inner);
        rest.append(&mut items);
    }

    /// How many messages were ever taken; wraps.
    pub(crate) fn taken(&self) -> usize {
        // Relaxed: asked by the consumer, which alone writes it.
        self.taken.load(Ordering::Relaxed)
    }

    /// How many messages were ever stored; wraps.
    pub(crate) fn stored(&self) -> usize {
        self.inner.lock().stored
    }

    /// Wakes the head of the line if there is room: the consumer is about to wait.
    pub(crate) fn wake_waiter(&self) {
        let inner = self.inner.lock();
        let wake = self
            .has_room(&inner)
            .then(|| inner.waiters.head())
            .flatten();
        drop(inner);
        if let Some(wake) = wake {
            wake.wake();
        }
    }

    /// Refuses every later message and wakes all who wait; what is stored stays.
    pub(crate) fn close(&self) {
        let mut inner = self.inner.lock();
        inner.is_closed = true;
        let wakers = inner.waiters.wakers();
        drop(inner);
        for waker in wakers {
            waker.wake();
        }
    }

    /// Messages whose handling has not started.
    pub(crate) fn len(&self) -> usize {
        self.inner.lock().depth(self)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.inner.lock().is_closed
    }

    fn has_room(&self, inner: &Inner<T>) -> bool {
        inner.depth(self) < self.capacity_messages
    }
}

impl<T> Inner<T> {
    fn store(&mut self, item: T, queue: &LocalQueue<T>) -> Found {
        let was_empty = self.items.is_empty();
        if self.items.len() == self.items.capacity() {
            self.grow(queue.capacity_messages);
        }
        self.items.push_back(item);
        self.stored = self.stored.wrapping_add(1);
        if was_empty {
            return Found::Empty;
        }
        if self.depth(queue) >= queue.backlog.told_messages && !self.is_backlogged {
            self.is_backlogged = true;
            return Found::Backlogged;
        }
        Found::Filled
    }

    /// Doubles the ring, up to what may ever lie in it: a full mailbox has no idle slots.
    #[cold]
    fn grow(&mut self, capacity_messages: usize) {
        let len = self.items.len();
        debug_assert!(len < capacity_messages, "whoever stores has found room");
        let grown = (len * 2).max(LEAST_MESSAGES).min(capacity_messages);
        self.items.reserve_exact(grown - len);
    }

    fn depth(&self, queue: &LocalQueue<T>) -> usize {
        // Acquire: pairs with the Release in `take`.
        self.stored
            .wrapping_sub(queue.taken.load(Ordering::Acquire))
    }
}
