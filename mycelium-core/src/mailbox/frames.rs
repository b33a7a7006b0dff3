//! [`FrameQueue`]: the frames of one binding, and the credit that goes back for them.
//!
//! The reader of a link puts frames in, in batches; the actor takes them out, in batches, and
//! counts what it took in the [`Ledger`]. The queue outlives a connection: when the peer binds
//! again after a reconnect it finds its earlier frames still in front, so order holds; frames of
//! an earlier connection return no credit, because their sender has already been told that their
//! outcome is unknown.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
};

use bytes::Bytes;
use mycelium_wire::{CloseReason, Codec, Credit, Window, WireError};

use super::Closed;
use crate::{
    Archived, StopReason,
    cell::{Control, LocalCell},
    inbound::InboundQueue,
    link::{InboundBinding, Link},
    sync::Mutex,
};

/// The most frames an actor takes from one binding in its turn.
const BATCH_FRAMES: usize = 64;

/// Bytes that may stay unreported while an actor is idle; less than the slack of the byte window
/// over the message limit, so that the largest message always finds room at an idle actor.
const IDLE_UNREPORTED_BYTES: u64 = 16 * 1024;

/// A payload that waits for its actor.
pub(crate) struct QueuedFrame {
    pub(crate) payload: Bytes,
    /// What the sender's window was charged for it.
    pub(crate) charged_bytes: u32,
    /// The connection it came through.
    pub(crate) generation: u32,
}

/// The frames of one binding.
pub(crate) struct FrameQueue<M> {
    me: Weak<Self>,
    cell: Arc<LocalCell<M>>,
    codec: Codec<M>,
    link: Weak<dyn Link>,
    shared: Mutex<Shared>,
    ledger: Mutex<Ledger>,
}

struct Shared {
    frames: VecDeque<QueuedFrame>,
    /// Whether the queue lies in the mailbox's list or in the actor's hands.
    is_listed: bool,
    is_closed: bool,
}

/// What was taken and what of it the sender has been told.
struct Ledger {
    inbound: InboundBinding,
    window: Window,
    credit: Credit,
    reported: Credit,
}

/// What became of frames of one connection since the ledger was last brought up to date.
#[derive(Clone, Copy, Default)]
pub(super) struct Taken {
    generation: u32,
    confirmed: u64,
    refused: u64,
    bytes: u64,
}

/// When the sender is to be told what was taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Report {
    /// Once half the window is taken: the least traffic that keeps a sender going.
    AtHalf,
    /// Also when many bytes are: the actor has nothing left to do.
    WhenIdle,
    /// In any case: nothing more will be taken.
    Finally,
}

impl<M: Send + 'static> FrameQueue<M> {
    /// Makes the queue and sees to it that the peer is told when the actor is gone.
    pub(crate) fn open(
        cell: Arc<LocalCell<M>>,
        codec: Codec<M>,
        link: Weak<dyn Link>,
    ) -> Arc<Self> {
        let shared = Shared {
            frames: VecDeque::new(),
            is_listed: false,
            is_closed: false,
        };
        let queue = Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            cell,
            codec,
            link,
            shared: Mutex::new(shared),
            ledger: Mutex::new(Ledger::new(InboundBinding::NONE, Window::initial(0))),
        });
        let ended = Arc::downgrade(&queue);
        queue.cell.front.exit.on_end(move |reason| {
            if let Some(queue) = ended.upgrade() {
                queue.end(reason);
            }
        });
        queue
    }

    /// Takes the next batch; `false` when there is none and the queue leaves the actor's hands.
    pub(super) fn refill(&self, batch: &mut VecDeque<QueuedFrame>) -> bool {
        let mut shared = self.shared.lock();
        let count = shared.frames.len().min(BATCH_FRAMES);
        batch.extend(shared.frames.drain(..count));
        shared.is_listed = count > 0;
        count > 0
    }

    /// The message in a frame, validated; `None` for one that is not what the binding announced,
    /// which closes its link and never reaches the actor.
    pub(super) fn admit(&self, frame: QueuedFrame, taken: &mut Taken) -> Option<Archived<M>> {
        if taken.generation != frame.generation {
            self.settle(taken);
            taken.generation = frame.generation;
        }
        taken.bytes += u64::from(frame.charged_bytes);
        match (self.codec.validate)(&frame.payload) {
            Ok(()) => {
                taken.confirmed += 1;
                Some(Archived::validated(frame.payload, self.codec))
            }
            Err(error) => {
                taken.refused += 1;
                self.fail_link(frame.generation, &error);
                None
            }
        }
    }

    /// Books what a batch did, and tells the sender once half its window is free.
    pub(super) fn settle(&self, taken: &mut Taken) {
        self.book(std::mem::take(taken), Report::AtHalf);
    }

    /// The actor has nothing left to do: tells the sender where much is unreported.
    pub(super) fn settle_idle(&self, taken: &mut Taken) {
        self.book(std::mem::take(taken), Report::WhenIdle);
    }

    /// The actor is gone: refuses what is left and tells the sender. Says how much that was.
    pub(super) fn close(&self, mut batch: VecDeque<QueuedFrame>, taken: Taken) -> usize {
        self.book(taken, Report::AtHalf);
        batch.append(&mut self.shut());
        let count = batch.len();
        self.refuse(&mut batch);
        count
    }

    /// The actor is gone: the peer is told, after its credit.
    fn end(&self, reason: &StopReason) {
        self.refuse(&mut self.shut());
        let inbound = self.ledger.lock().inbound;
        if let Some(link) = self.link.upgrade() {
            link.ended(inbound, &reason.into());
        }
    }

    fn fail_link(&self, generation: u32, error: &WireError) {
        if let Some(link) = self.link.upgrade() {
            link.fail(generation, CloseReason::Corrupt(error.to_string().into()));
        }
    }

    fn shut(&self) -> VecDeque<QueuedFrame> {
        let mut shared = self.shared.lock();
        shared.is_closed = true;
        std::mem::take(&mut shared.frames)
    }

    fn refuse(&self, frames: &mut VecDeque<QueuedFrame>) {
        for frame in frames.drain(..) {
            let taken = Taken {
                generation: frame.generation,
                confirmed: 0,
                refused: 1,
                bytes: u64::from(frame.charged_bytes),
            };
            self.book(taken, Report::AtHalf);
        }
        let nothing = Taken {
            generation: self.ledger.lock().inbound.generation,
            ..Taken::default()
        };
        self.book(nothing, Report::Finally);
    }

    /// Adds to the ledger, unless the connection the frames came through is gone, and tells the
    /// sender when that is due.
    fn book(&self, taken: Taken, report: Report) {
        let mut ledger = self.ledger.lock();
        if ledger.inbound.generation != taken.generation {
            return;
        }
        ledger.credit.confirmed += taken.confirmed;
        ledger.credit.refused += taken.refused;
        ledger.credit.returned_bytes += taken.bytes;
        if !ledger.is_due(report) {
            return;
        }
        ledger.reported = ledger.credit;
        let inbound = ledger.inbound;
        let credit = ledger.credit;
        drop(ledger);
        if let Some(link) = self.link.upgrade() {
            link.credit(inbound, credit);
        }
    }
}

impl<M: Send + 'static> InboundQueue for FrameQueue<M> {
    fn bind(&self, inbound: InboundBinding, window: Window) {
        *self.ledger.lock() = Ledger::new(inbound, window);
    }

    fn push(&self, staged: &mut VecDeque<QueuedFrame>) {
        let mut shared = self.shared.lock();
        if shared.is_closed {
            drop(shared);
            return self.refuse(staged);
        }
        shared.frames.append(staged);
        if std::mem::replace(&mut shared.is_listed, true) {
            return;
        }
        drop(shared);
        let me = self.me.upgrade().expect("whoever pushes holds the queue");
        match self.cell.mailbox().list(me) {
            Ok(()) => self.cell.front.notify(),
            Err(Closed) => self.refuse(&mut self.shut()),
        }
    }

    fn reported_messages(&self) -> u64 {
        let ledger = self.ledger.lock();
        ledger.reported.confirmed + ledger.reported.refused
    }

    fn stop(&self) {
        self.cell.stop();
    }

    fn kill(&self) {
        self.cell.kill();
    }
}

impl Ledger {
    fn new(inbound: InboundBinding, window: Window) -> Self {
        Self {
            inbound,
            window,
            credit: Credit::default(),
            reported: Credit::default(),
        }
    }

    fn is_due(&self, report: Report) -> bool {
        let messages = (self.credit.confirmed + self.credit.refused)
            - (self.reported.confirmed + self.reported.refused);
        let bytes = self.credit.returned_bytes - self.reported.returned_bytes;
        let half_messages = u64::from(self.window.messages.div_ceil(2)).max(1);
        let half_bytes = u64::from(self.window.bytes / 2);
        match report {
            _ if messages == 0 => false,
            Report::AtHalf => messages >= half_messages || bytes >= half_bytes,
            Report::WhenIdle => messages >= half_messages || bytes >= IDLE_UNREPORTED_BYTES,
            Report::Finally => true,
        }
    }
}
