//! [`Connection`]: the sending side of one connection, as it lies inside the link's lock.

use std::{mem, sync::Arc, time::Duration};

use mycelium_core::Bounds;
use mycelium_wire::{
    CloseReason, FRAGMENT_BYTES, LANES, Resolved, SendHalf, rkyv::util::AlignedVec,
};
use quanta::Instant;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{handshake::Origin, liveness::Life, socket::Socket};

/// A send this long after the last one is written by its own thread; sooner, the writer task
/// gathers it with others. Writing each message at once would cost a system call per message.
const QUIET: Duration = Duration::from_micros(2);

/// The most questions for names that may be open on one link, in either direction.
pub(crate) const OPEN_QUESTIONS: usize = 1_024;

/// The most frames that may wait for a peer which asks for them and does not read them: several
/// for each of its bindings.
const UNREAD_ANSWERS: usize = 1 << 18;

/// How much of answers to asks may wait for a peer to read; beyond it asks get none.
const UNREAD_REPLY_BYTES: usize = 16 << 20;

/// Where the bytes of the outbound buffer go.
pub(crate) struct Connection {
    /// Counts the connections of a link; later ones have greater numbers.
    pub(crate) generation: u32,
    pub(crate) origin: Origin,
    /// Wakes the task that makes a connection for objects, on the dialling side.
    pub(crate) widen: Arc<Notify>,
    pub(crate) send: SendHalf,
    socket: Arc<Socket>,
    writing: Writing,
    /// Empty, with the capacity that the last batches needed.
    spare: AlignedVec<16>,
    /// What a write left over; it comes before all else.
    unwritten: Option<Batch>,
    pub(crate) life: Life,
    /// Whether a heartbeat lies in the outbound buffer.
    has_heartbeat: bool,
    last_write: Instant,
    /// Wakes the writer task.
    pub(crate) writable: Arc<Notify>,
    /// Ends the reader, and tells the peer the reason.
    pub(crate) failure: Option<CloseReason>,
    pub(crate) failed: CancellationToken,
    is_closing: bool,
    /// The socket takes no more bytes; what the peer wrote before is still read.
    is_broken: bool,
    /// Answers to questions in the outbound buffer.
    pending_answers: usize,
    /// What else the peer's frames called forth, in the outbound buffer.
    pending_replies: usize,
    /// Answers to asks in the outbound buffer.
    pending_reply_bytes: usize,
}

/// Whose turn it is to write: what is appended now is theirs to write as well.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Writing {
    Nobody,
    /// Somebody who is inside the system call.
    Busy,
    /// The writer task, which was woken, or waits for the socket to take more.
    Task,
}

/// What the writer task does next.
pub(crate) enum Next {
    Write(Batch),
    /// Until the socket takes more.
    WaitForRoom,
    /// Until it is woken.
    Wait,
    /// The last frame has been written.
    End,
}

/// Frames on their way to the socket.
pub(crate) struct Batch {
    bytes: AlignedVec<16>,
    written_bytes: usize,
}

impl Batch {
    pub(crate) fn rest(&self) -> &[u8] {
        &self.bytes[self.written_bytes..]
    }

    pub(crate) fn advance(&mut self, written_bytes: usize) {
        self.written_bytes += written_bytes;
    }
}

/// A batch that the caller shall write, at once and without blocking.
pub(crate) struct Errand {
    pub(crate) batch: Batch,
    pub(crate) socket: Arc<Socket>,
}

impl Connection {
    pub(crate) fn new(
        generation: u32,
        origin: Origin,
        send: SendHalf,
        socket: Arc<Socket>,
    ) -> Self {
        Self {
            generation,
            origin,
            widen: Arc::new(Notify::new()),
            send,
            socket,
            writing: Writing::Nobody,
            spare: AlignedVec::new(),
            unwritten: None,
            life: Life::default(),
            has_heartbeat: false,
            last_write: Instant::now(),
            writable: Arc::new(Notify::new()),
            failure: None,
            failed: CancellationToken::new(),
            is_closing: false,
            is_broken: false,
            pending_answers: 0,
            pending_replies: 0,
            pending_reply_bytes: 0,
        }
    }

    pub(crate) fn socket(&self) -> Arc<Socket> {
        Arc::clone(&self.socket)
    }

    /// Decides who writes what was appended to the outbound buffer: the caller, where it gets an
    /// errand.
    pub(crate) fn appoint_writer(&mut self) -> Option<Errand> {
        if self.writing != Writing::Nobody || self.send.pending_bytes() == 0 {
            return None;
        }
        if self.last_write.elapsed() < QUIET {
            self.hand_to_task();
            return None;
        }
        self.begin_errand()
    }

    /// As [`appoint_writer`](Self::appoint_writer), also where the writer task was woken: it may
    /// have no thread to run on.
    pub(crate) fn appoint_helper(&mut self) -> Option<Errand> {
        match self.writing {
            Writing::Busy => None,
            Writing::Nobody | Writing::Task => self.begin_errand(),
        }
    }

    fn begin_errand(&mut self) -> Option<Errand> {
        let batch = self.next_batch()?;
        self.writing = Writing::Busy;
        Some(Errand {
            batch,
            socket: self.socket(),
        })
    }

    fn next_batch(&mut self) -> Option<Batch> {
        let rest = self.unwritten.take();
        rest.or_else(|| (self.send.pending_bytes() > 0).then(|| self.take_pending()))
    }

    /// Shows the peer that this side lives, unless there is such a frame on its way.
    pub(crate) fn beat(&mut self) {
        if self.is_open() && !mem::replace(&mut self.has_heartbeat, true) {
            self.send.heartbeat();
        }
    }

    /// The caller wrote what the kernel took.
    pub(crate) fn written_by_caller(&mut self, batch: Batch) {
        self.put_back(batch);
        if self.unwritten.is_some() || self.send.pending_bytes() > 0 || self.is_closing {
            self.hand_to_task();
        } else {
            self.rest();
        }
    }

    /// The task wrote what the kernel took.
    pub(crate) fn written_by_task(&mut self, batch: Batch) -> Next {
        self.put_back(batch);
        self.writing = Writing::Task;
        if self.unwritten.is_some() {
            return Next::WaitForRoom;
        }
        self.next_for_task()
    }

    /// What the writer task does next.
    pub(crate) fn next_for_task(&mut self) -> Next {
        if self.writing == Writing::Busy {
            return Next::Wait;
        }
        if let Some(batch) = self.next_batch() {
            self.writing = Writing::Busy;
            return Next::Write(batch);
        }
        self.rest();
        if self.is_closing {
            Next::End
        } else {
            Next::Wait
        }
    }

    /// Keeps what is left of a batch, or its room.
    fn put_back(&mut self, mut batch: Batch) {
        if batch.rest().is_empty() {
            batch.bytes.clear();
            self.spare = batch.bytes;
        } else {
            self.unwritten = Some(batch);
        }
    }

    /// How much may wait to be written, and in what is read.
    pub(crate) fn bounds(&self, message_limit_bytes: u32) -> Bounds {
        let mut bounds = Bounds::default();
        bounds.outbound_bytes = self.send.window_bytes() + UNREAD_REPLY_BYTES as u64;
        // What is put together grows by doubling.
        let long_bytes = 2 * LANES as u64 * u64::from(message_limit_bytes);
        bounds.link_bytes = FRAGMENT_BYTES as u64 + long_bytes;
        bounds
    }

    /// Whether messages may be appended: they would reach the peer.
    pub(crate) fn is_open(&self) -> bool {
        !self.is_closing && !self.is_broken
    }

    /// The socket takes no more bytes: senders wait for the next one, the reader ends.
    pub(crate) fn break_off(&mut self) {
        self.is_broken = true;
        self.failed.cancel();
    }

    /// Appends what a frame of the peer's called forth.
    pub(crate) fn reply(&mut self, append: impl FnOnce(&mut SendHalf)) {
        self.pending_replies += 1;
        if self.pending_replies > UNREAD_ANSWERS {
            let limit = UNREAD_ANSWERS;
            return self.fail(CloseReason::TooManyQuestions { limit });
        }
        append(&mut self.send);
    }

    /// Whether so many answers wait for the peer to read that no more are made.
    pub(crate) fn has_unread_replies(&self) -> bool {
        self.pending_reply_bytes + self.send.long_answer_bytes() >= UNREAD_REPLY_BYTES
    }

    /// Appends the answer to an ask of the peer's, which needs no credit of it.
    pub(crate) fn reply_to_ask<E>(
        &mut self,
        append: impl FnOnce(&mut SendHalf) -> Result<(), E>,
    ) -> Result<(), E> {
        // Long ones are counted for as long as they wait.
        let short = |send: &SendHalf| send.pending_bytes() - send.long_answer_bytes();
        let before = short(&self.send);
        let appended = append(&mut self.send);
        self.pending_reply_bytes += short(&self.send) - before;
        appended
    }

    /// Appends the answer to a question of the peer's.
    pub(crate) fn answer(
        &mut self,
        question: u64,
        resolved: Option<&Resolved>,
    ) -> Result<(), CloseReason> {
        if self.pending_answers >= OPEN_QUESTIONS {
            return Err(CloseReason::TooManyQuestions {
                limit: OPEN_QUESTIONS,
            });
        }
        self.pending_answers += 1;
        self.send.resolved(question, resolved);
        Ok(())
    }

    /// Appends the last frame; the writer task ends once it is written.
    pub(crate) fn close(&mut self, reason: &CloseReason) {
        if !mem::replace(&mut self.is_closing, true) {
            self.send.close(reason);
            self.writable.notify_one();
        }
    }

    /// Ends the connection because the peer broke the protocol on it; the first reason counts.
    pub(crate) fn fail(&mut self, reason: CloseReason) {
        self.failure.get_or_insert(reason);
        self.failed.cancel();
    }

    fn hand_to_task(&mut self) {
        self.writing = Writing::Task;
        self.writable.notify_one();
    }

    fn rest(&mut self) {
        self.writing = Writing::Nobody;
        self.last_write = Instant::now();
    }

    fn take_pending(&mut self) -> Batch {
        self.pending_answers = 0;
        self.pending_replies = 0;
        self.pending_reply_bytes = 0;
        self.has_heartbeat = false;
        let mut bytes = mem::take(&mut self.spare);
        let is_pending = self.send.poll_transmit(&mut bytes);
        debug_assert!(is_pending, "asked for only when bytes are pending");
        Batch {
            bytes,
            written_bytes: 0,
        }
    }
}
