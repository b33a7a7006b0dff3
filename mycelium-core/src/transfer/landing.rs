//! [`Landing`]: where an object arrives, and [`Landings`], those that are awaited.

use std::{
    collections::{HashMap, VecDeque},
    mem,
    sync::{Arc, Weak},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use mycelium_wire::{CloseReason, Decline, FrameKind, PART_BYTES, TRANSFER_WINDOW_BYTES};

use crate::{
    Bounds, Link,
    sync::{Mutex, MutexGuard},
    transfer::{OutgoingTransfer, TransferError, error::Ended},
};

/// Tickets that were given out and not used yet, and how many objects are awaited in all.
#[derive(Default)]
pub(crate) struct Landings(Mutex<Awaited>);

#[derive(Default)]
struct Awaited {
    unused: HashMap<u64, Arc<Landing>>,
    /// Those that are under way included.
    count: u64,
    /// The node has shut down.
    is_closed: bool,
}

impl Landings {
    pub(super) fn insert(&self, landing: &Arc<Landing>) {
        let mut awaited = self.0.lock();
        awaited.count += 1;
        if awaited.is_closed {
            landing.end(Ended::NodeDown);
        } else {
            awaited.unused.insert(landing.ticket, Arc::clone(landing));
        }
    }

    pub(super) fn take(&self, ticket: u64) -> Option<Arc<Landing>> {
        self.0.lock().unused.remove(&ticket)
    }

    /// Nobody waits at this landing any more.
    pub(super) fn leave(&self, ticket: u64) {
        let mut awaited = self.0.lock();
        awaited.count -= 1;
        awaited.unused.remove(&ticket);
    }

    /// Nothing more comes to this node.
    pub(crate) fn close(&self) {
        let mut awaited = self.0.lock();
        awaited.is_closed = true;
        let unused = mem::take(&mut awaited.unused);
        drop(awaited);
        for landing in unused.values() {
            landing.end(Ended::NodeDown);
        }
    }

    /// How much of objects may wait here.
    pub(crate) fn bounds(&self) -> Bounds {
        Bounds {
            link_bytes: self.0.lock().count * TRANSFER_WINDOW_BYTES,
            ..Bounds::default()
        }
    }
}

/// Where the parts of an object come from.
pub(crate) enum Source {
    /// A sender of this node.
    Here(Arc<OutgoingTransfer>),
    /// A connection of a link.
    Link {
        link: Weak<dyn Link>,
        generation: u32,
    },
}

/// Where one object arrives: what has come and was not taken yet.
pub(crate) struct Landing {
    pub(super) ticket: u64,
    limit_bytes: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Known once the object is offered.
    offer: Option<Offer>,
    received_bytes: u64,
    taken_bytes: u64,
    /// What the sender was told.
    reported_bytes: Option<u64>,
    parts: VecDeque<Bytes>,
    ended: Option<Ended>,
    /// Nobody takes parts any more.
    is_left: bool,
    waker: Option<Waker>,
}

struct Offer {
    length_bytes: u64,
    source: Arc<Source>,
}

/// What the sender is to be told, once no lock is held.
struct Report {
    source: Arc<Source>,
    taken_bytes: u64,
}

impl Landing {
    pub(super) fn new(ticket: u64, limit_bytes: u64) -> Self {
        Self {
            ticket,
            limit_bytes,
            state: Mutex::default(),
        }
    }

    /// The object is offered.
    pub(super) fn open(&self, length_bytes: u64, source: Source) -> Result<(), Decline> {
        let limit_bytes = self.limit_bytes;
        let mut state = self.state.lock();
        if state.is_left {
            return Err(Decline::NotExpected);
        }
        let too_large = Ended::TooLarge {
            length_bytes,
            limit_bytes,
        };
        let opened = if length_bytes > limit_bytes {
            state.ended.get_or_insert(too_large);
            Err(Decline::TooLarge { limit_bytes })
        } else {
            state.offer = Some(Offer {
                length_bytes,
                source: Arc::new(source),
            });
            Ok(())
        };
        wake(state);
        opened
    }

    /// The next bytes have come over a link. Gives whether the object is whole.
    ///
    /// # Errors
    ///
    /// The peer sent more than it offered, or than the window admits, or a short part before the last.
    pub(crate) fn receive(&self, part: Bytes) -> Result<bool, CloseReason> {
        let mut state = self.state.lock();
        let Some(offer) = &state.offer else {
            return Ok(false);
        };
        let length_bytes = offer.length_bytes;
        let received_bytes = state.received_bytes + part.len() as u64;
        let window_ends = state.reported_bytes.unwrap_or(0) + TRANSFER_WINDOW_BYTES;
        let is_last = received_bytes == length_bytes;
        let fault = if received_bytes > length_bytes.min(window_ends) {
            "it is beyond the object's length, or its window"
        } else if part.len() < PART_BYTES && !is_last {
            // Each keeps a receive buffer in memory, however short it is.
            "it is short, and not the last"
        } else {
            state.received_bytes = received_bytes;
            if !state.is_left {
                state.parts.push_back(part);
                wake(state);
            }
            return Ok(is_last);
        };
        Err(CloseReason::Malformed {
            kind: FrameKind::Part,
            what: fault,
        })
    }

    /// As [`receive`](Self::receive), from a sender of this node, who keeps to the window.
    pub(super) fn put(&self, part: Bytes) {
        let received = self.receive(part);
        debug_assert!(received.is_ok(), "the sender waits for room");
    }

    /// No more comes.
    pub(super) fn end(&self, ended: Ended) {
        let mut state = self.state.lock();
        state.ended.get_or_insert(ended);
        wake(state);
    }

    /// The sender has given up.
    pub(crate) fn withdraw(&self) {
        self.end(Ended::Withdrawn);
    }

    /// The connection is gone that the object came over.
    pub(crate) fn lose(&self) {
        self.end(Ended::LinkDown);
    }

    /// Whether nobody waits here any more.
    pub(crate) fn is_left(&self) -> bool {
        self.state.lock().is_left
    }

    /// How long the object is, once that is known.
    pub(super) fn poll_length(&self, cx: &Context<'_>) -> Poll<Result<u64, TransferError>> {
        let mut state = self.state.lock();
        match (&state.offer, state.ended) {
            (Some(offer), _) => Poll::Ready(Ok(offer.length_bytes)),
            (None, Some(ended)) => Poll::Ready(Err(ended.into())),
            (None, None) => state.wait(cx),
        }
    }

    /// Takes the next part; nothing, once everything was taken.
    pub(super) fn poll_take(&self, cx: &Context<'_>) -> Poll<Result<Option<Bytes>, TransferError>> {
        let mut state = self.state.lock();
        let part = state.parts.pop_front();
        state.taken_bytes += part.as_ref().map_or(0, |part| part.len() as u64);
        let report = state.due_report();
        if part.is_none() && !state.is_whole() {
            return match state.ended {
                Some(ended) => Poll::Ready(Err(ended.into())),
                None => state.wait(cx),
            };
        }
        drop(state);
        if let Some(report) = report {
            report.tell(self.ticket);
        }
        Poll::Ready(Ok(part))
    }

    /// Nobody takes more.
    pub(super) fn leave(&self) {
        let mut state = self.state.lock();
        state.is_left = true;
        // Of an object without bytes nobody may have taken the end.
        let report = state.due_report();
        let parts = mem::take(&mut state.parts);
        let is_over = state.is_whole() || state.ended.is_some();
        let offer = state.offer.as_ref().filter(|_| !is_over);
        let source = offer.map(|offer| Arc::clone(&offer.source));
        drop(state);
        drop(parts);
        if let Some(report) = report {
            report.tell(self.ticket);
        }
        match source.as_deref() {
            Some(Source::Here(outgoing)) => outgoing.declined(Decline::NoLonger),
            Some(Source::Link { link, generation }) => {
                if let Some(link) = link.upgrade() {
                    link.decline(*generation, self.ticket, Decline::NoLonger);
                }
            }
            None => {}
        }
    }
}

impl State {
    /// Whether everything was taken.
    fn is_whole(&self) -> bool {
        let offer = self.offer.as_ref();
        offer.is_some_and(|offer| offer.length_bytes == self.taken_bytes)
    }

    /// As much was taken as half a window holds of whole parts, or everything.
    fn due_report(&mut self) -> Option<Report> {
        let reported_bytes = self.reported_bytes.unwrap_or(0);
        let unreported_bytes = self.taken_bytes - reported_bytes;
        let half_a_window = unreported_bytes + PART_BYTES as u64 > TRANSFER_WINDOW_BYTES / 2;
        let is_last = self.is_whole() && self.reported_bytes != Some(self.taken_bytes);
        if !half_a_window && !is_last {
            return None;
        }
        self.reported_bytes = Some(self.taken_bytes);
        let offer = self.offer.as_ref()?;
        Some(Report {
            source: Arc::clone(&offer.source),
            taken_bytes: self.taken_bytes,
        })
    }

    fn wait<T>(&mut self, cx: &Context<'_>) -> Poll<T> {
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

/// Wakes whoever waits, outside the lock.
fn wake(mut state: MutexGuard<'_, State>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl Report {
    fn tell(self, ticket: u64) {
        let taken_bytes = self.taken_bytes;
        match &*self.source {
            Source::Here(outgoing) => {
                let told = outgoing.taken(taken_bytes);
                debug_assert!(told.is_ok(), "no more is taken than was put");
            }
            Source::Link { link, generation } => {
                if let Some(link) = link.upgrade() {
                    link.taken(*generation, ticket, taken_bytes);
                }
            }
        }
    }
}
