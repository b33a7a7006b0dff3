//! [`OutgoingTransfer`]: the sender's end of a transfer, and [`ObjectLink`], what it goes through.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use mycelium_wire::{CloseReason, Decline, FrameKind, TRANSFER_WINDOW_BYTES};

use crate::{
    LinkFuture, LinkRefusal,
    sync::{Mutex, MutexGuard},
    transfer::{TransferError, error::Ended},
};

/// How objects go over a link. Each belongs to one connection of it, by its generation, and ends with
/// that.
pub trait ObjectLink {
    /// Makes room for objects, so that they delay no message: returns when they have a connection of
    /// their own, or are to share that of the messages after all.
    fn widen(&self) -> LinkFuture<'_, ()>;

    /// Offers an object to the peer, who knows the ticket; `outgoing` hears what becomes of it, until
    /// it is done or [withdrawn](Self::withdraw). Gives the connection's generation.
    ///
    /// # Errors
    ///
    /// That the peer cannot be reached now, or the ticket is in use.
    fn offer(
        &self,
        ticket: u64,
        length_bytes: u64,
        outgoing: &Arc<OutgoingTransfer>,
    ) -> Result<u32, TransferError>;

    /// Sends the next part of an object, of at most [`PART_BYTES`](mycelium_wire::PART_BYTES).
    ///
    /// # Errors
    ///
    /// That the connection is gone.
    fn part(&self, generation: u32, ticket: u64, bytes: &[u8]) -> Result<(), LinkRefusal>;

    /// Tells the peer that no more of an object comes.
    fn withdraw(&self, generation: u32, ticket: u64);

    /// Tells the peer how much of its object was taken.
    fn taken(&self, generation: u32, ticket: u64, taken_bytes: u64);

    /// Tells the peer that its object is not wanted, or not any more.
    fn decline(&self, generation: u32, ticket: u64, why: Decline);
}

/// The sender's end of a transfer: what the receiver has said of it.
pub struct OutgoingTransfer {
    length_bytes: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sent_bytes: u64,
    /// None before the receiver has said anything.
    taken_bytes: Option<u64>,
    ended: Option<Ended>,
    waker: Option<Waker>,
}

impl OutgoingTransfer {
    pub(super) fn new(length_bytes: u64) -> Self {
        let state = Mutex::default();
        Self {
            length_bytes,
            state,
        }
    }

    /// The receiver has taken so much. Gives whether that is everything: the transfer is done.
    ///
    /// # Errors
    ///
    /// That cannot be: the peer has broken the protocol.
    pub fn taken(&self, taken_bytes: u64) -> Result<bool, CloseReason> {
        let mut state = self.state.lock();
        if !(state.taken_bytes()..=state.sent_bytes).contains(&taken_bytes) {
            return Err(CloseReason::Malformed {
                kind: FrameKind::Taken,
                what: "it is less than before, or more than was sent",
            });
        }
        state.taken_bytes = Some(taken_bytes);
        wake(state);
        Ok(taken_bytes == self.length_bytes)
    }

    /// The receiver does not want the object, or no more of it.
    pub fn declined(&self, why: Decline) {
        self.end(Ended::declined(why, self.length_bytes));
    }

    /// The connection was lost.
    pub fn lose(&self) {
        self.end(Ended::LinkDown);
    }

    /// The receiver's node is down.
    pub fn bury(&self) {
        self.end(Ended::NodeDown);
    }

    fn end(&self, ended: Ended) {
        let mut state = self.state.lock();
        state.ended.get_or_insert(ended);
        wake(state);
    }

    /// How the transfer has ended before its time, if it has; else the task is woken by whatever
    /// comes next.
    pub(super) fn poll_ended(&self, cx: &mut Context<'_>) -> Option<Ended> {
        let mut state = self.state.lock();
        state.wait(cx);
        state.ended
    }

    /// How the transfer has ended before its time, if it has.
    pub(super) fn ended(&self) -> Option<Ended> {
        self.state.lock().ended
    }

    /// Waits until so many bytes fit into the window, and counts them as sent.
    pub(super) async fn room(&self, bytes: usize) -> Result<(), Ended> {
        self.when(|state| {
            let sent_bytes = state.sent_bytes + bytes as u64;
            let has_room = sent_bytes - state.taken_bytes() <= TRANSFER_WINDOW_BYTES;
            if has_room {
                state.sent_bytes = sent_bytes;
            }
            has_room
        })
        .await
    }

    /// Waits until the receiver has taken everything.
    pub(super) async fn all_taken(&self) -> Result<(), Ended> {
        self.when(|state| self.is_done(state)).await
    }

    /// The sender leaves. Whether nothing is to be said to the receiver: it has taken everything, or
    /// does not listen.
    pub(super) fn leave(&self) -> bool {
        let state = self.state.lock();
        self.is_done(&state) || state.ended.is_some()
    }

    fn is_done(&self, state: &State) -> bool {
        state.taken_bytes == Some(self.length_bytes)
    }

    async fn when(&self, mut holds: impl FnMut(&mut State) -> bool) -> Result<(), Ended> {
        poll_fn(|cx| {
            let mut state = self.state.lock();
            if holds(&mut state) {
                return Poll::Ready(Ok(()));
            }
            if let Some(ended) = state.ended {
                return Poll::Ready(Err(ended));
            }
            state.wait(cx);
            Poll::Pending
        })
        .await
    }
}

impl State {
    fn taken_bytes(&self) -> u64 {
        self.taken_bytes.unwrap_or(0)
    }

    fn wait(&mut self, cx: &Context<'_>) {
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
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
