//! [`FrameQueue`]: the frames of one binding, and the credit that goes back for them.
//!
//! The reader of a link puts frames in, in batches; the actor takes them out, in batches, and
//! counts what it took in the [`Ledgers`]. The queue outlives a connection: when the peer binds
//! again after a reconnect it finds its earlier frames still in front, so order holds; frames of
//! an earlier connection return no credit, because their sender has already been told that their
//! outcome is unknown.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
};

use bytes::Bytes;
use mycelium_wire::{CloseReason, Codec, Credit, EndReason, Window, WireError};

use super::{
    Closed,
    ledger::{Due, Epoch, Ledgers, Report, Taken},
    local::Found,
};
use crate::{
    Archived, StopReason,
    cell::{Control, LocalCell, Mourner, owner::contain},
    inbound::InboundQueue,
    link::{DecodePorts, InboundBinding, Link},
    sync::Mutex,
};

/// The most frames an actor takes from one binding in its turn.
const BATCH_FRAMES: usize = 64;

/// A payload that waits for its actor.
pub(crate) struct QueuedFrame {
    pub(crate) payload: Bytes,
    /// What the sender's window was charged for it.
    pub(crate) charged_bytes: u32,
    pub(crate) origin: Arc<Origin>,
}

/// Where frames of one binding came from.
pub(crate) struct Origin {
    pub(crate) epoch: Epoch,
    /// What refs and reply ports in them are decoded with.
    pub(crate) ports: DecodePorts,
}

/// The frames of one binding.
pub(crate) struct FrameQueue<M> {
    me: Weak<Self>,
    cell: Arc<LocalCell<M>>,
    codec: Codec<M>,
    shared: Mutex<Shared>,
    /// Guards the order of credit frames too: they are sent under this lock. Taken before that of
    /// `shared`, where both are.
    ledgers: Mutex<Ledgers<Weak<dyn Link>>>,
}

struct Shared {
    frames: VecDeque<QueuedFrame>,
    /// Whether the queue lies in the mailbox's list or in the actor's hands.
    is_listed: bool,
    is_closed: bool,
}

impl<M: Send + 'static> FrameQueue<M> {
    /// Makes the queue and sees to it that the peer is told when the actor is gone.
    pub(crate) fn open(cell: Arc<LocalCell<M>>, codec: Codec<M>) -> Arc<Self> {
        let shared = Shared {
            frames: VecDeque::new(),
            is_listed: false,
            is_closed: false,
        };
        let queue = Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            cell,
            codec,
            shared: Mutex::new(shared),
            ledgers: Mutex::default(),
        });
        let ended: Weak<Self> = Arc::downgrade(&queue);
        queue.cell.front.exit.tell(ended);
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

    /// Whether no frame waits outside the actor's hands.
    pub(super) fn is_empty(&self) -> bool {
        self.shared.lock().frames.is_empty()
    }

    /// The message in a frame, validated; `None` for one that is not what the binding announced,
    /// which closes its link and never reaches the actor.
    pub(super) fn admit(&self, frame: QueuedFrame, taken: &mut Taken) -> Option<Archived<M>> {
        if taken.epoch != frame.origin.epoch {
            self.settle(taken);
            taken.epoch = frame.origin.epoch;
        }
        taken.bytes += u64::from(frame.charged_bytes);
        match (self.codec.validate)(&frame.payload) {
            Ok(()) => {
                taken.confirmed += 1;
                Some(Archived::validated(frame.payload, self.codec, frame.origin))
            }
            Err(error) => {
                taken.refused += 1;
                self.fail_link(frame.origin.epoch, &error);
                None
            }
        }
    }

    /// Books what a batch did, and tells the sender once half its window is free.
    pub(super) fn settle(&self, taken: &mut Taken) {
        self.book(taken.settle(), Report::AtHalf);
    }

    /// The actor has nothing left to do: tells the sender where much is unreported.
    pub(super) fn settle_idle(&self, taken: &mut Taken) {
        self.book(taken.settle(), Report::WhenIdle);
    }

    /// The actor is gone: refuses what is left and tells the sender. Says how much that was.
    pub(super) fn close(&self, mut batch: VecDeque<QueuedFrame>, taken: Taken) -> usize {
        self.book(taken, Report::AtHalf);
        batch.append(&mut self.shut());
        let count = batch.len();
        self.refuse(&mut batch);
        count
    }

    fn fail_link(&self, epoch: Epoch, error: &WireError) {
        let inbound = self.ledgers.lock().inbound(epoch);
        let link = inbound.and_then(|(link, inbound)| Some((link.upgrade()?, inbound)));
        if let Some((link, inbound)) = link {
            link.fail(
                inbound.generation,
                CloseReason::Corrupt(error.to_string().into()),
            );
        }
    }

    /// Puts the queue, which is no longer empty, before the actor.
    fn list(&self) {
        let me = self.me.upgrade().expect("whoever pushes holds the queue");
        let mailbox = self.cell.mailbox();
        if let Err(Closed) = mailbox.list(me) {
            let mut left = self.shut();
            mailbox.frames.take_back(left.len());
            return self.refuse(&mut left);
        }
        self.cell.front.notify();
    }

    fn shut(&self) -> VecDeque<QueuedFrame> {
        let mut shared = self.shared.lock();
        shared.is_closed = true;
        std::mem::take(&mut shared.frames)
    }

    /// Discards frames. Each is decoded to be dropped: a reply port in it tells its asker.
    ///
    /// Their credit waits for the word that the actor is gone: senders that wait for room would
    /// otherwise have another message accepted that nobody will handle.
    fn refuse(&self, frames: &mut VecDeque<QueuedFrame>) {
        for frame in frames.drain(..) {
            let epoch = frame.origin.epoch;
            let bytes = u64::from(frame.charged_bytes);
            contain(|| drop((self.codec.decode)(&frame.payload, &frame.origin.ports)));
            self.book(
                Taken {
                    epoch,
                    confirmed: 0,
                    refused: 1,
                    bytes,
                },
                Report::OnceEnded,
            );
        }
    }

    /// Adds to the ledger and tells the peer what is due.
    fn book(&self, taken: Taken, report: Report) {
        let mut ledgers = self.ledgers.lock();
        if let Some(due) = ledgers.book(taken, report) {
            tell(&due);
        }
    }

    /// The connection of frames is gone. Their sender counts them as unknown; one window of them is
    /// kept and handled, more would come of a peer that connects again and again.
    fn trim(&self, window: Window, is_lost: impl Fn(Epoch) -> bool) -> VecDeque<QueuedFrame> {
        let (mut messages, mut bytes) = (0, 0);
        let mut is_kept = |frame: &QueuedFrame| {
            if !is_lost(frame.origin.epoch) {
                return true;
            }
            messages += 1;
            bytes += u64::from(frame.charged_bytes);
            messages <= window.messages && bytes <= u64::from(window.bytes)
        };
        let mut shared = self.shared.lock();
        let frames = std::mem::take(&mut shared.frames);
        let (kept, dropped) = frames.into_iter().partition(|frame| is_kept(frame));
        shared.frames = kept;
        dropped
    }
}

/// Called under the lock of the ledgers, so that counts never arrive out of order.
fn tell(due: &Due<Weak<dyn Link>>) {
    let Some(link) = due.link.upgrade() else {
        return;
    };
    link.credit(due.inbound, due.credit);
    if due.is_last {
        link.unbound(due.inbound);
    }
}

impl<M: Send + 'static> Mourner for FrameQueue<M> {
    /// The actor is gone: the peer is told, and then what became of its last messages.
    fn actor_ended(&self, reason: &StopReason) {
        self.refuse(&mut self.shut());
        let reason = EndReason::from(reason);
        let mut ledgers = self.ledgers.lock();
        for (link, inbound) in ledgers.end(reason.clone()) {
            if let Some(link) = link.upgrade() {
                link.ended(inbound, &reason);
            }
        }
        for due in ledgers.settle() {
            tell(&due);
        }
    }
}

impl<M: Send + 'static> InboundQueue for FrameQueue<M> {
    fn bind(
        &self,
        link: &Arc<dyn Link>,
        inbound: InboundBinding,
        window: Window,
    ) -> Result<Epoch, EndReason> {
        let mut ledgers = self.ledgers.lock();
        let epoch = ledgers.bind(Arc::downgrade(link), inbound, window)?;
        // Under the lock, so that it never comes after the word that the actor is gone.
        link.bound(inbound, window);
        Ok(epoch)
    }

    fn unbind(&self, epoch: Epoch, received_messages: u64) {
        let mut ledgers = self.ledgers.lock();
        if let Some(due) = ledgers.unbind(epoch, received_messages) {
            tell(&due);
        }
    }

    fn forget(&self, epoch: Epoch) {
        let mut ledgers = self.ledgers.lock();
        let window = ledgers.forget(epoch);
        let dropped = window.map(|window| self.trim(window, |epoch| !ledgers.is_open(epoch)));
        drop(ledgers);
        if let Some(mut dropped) = dropped.filter(|dropped| !dropped.is_empty()) {
            self.cell.mailbox().frames.take_back(dropped.len());
            self.refuse(&mut dropped);
        }
    }

    fn push(&self, staged: &mut VecDeque<QueuedFrame>) {
        let mut shared = self.shared.lock();
        // A queue in the hands of a stopping actor would otherwise keep it going for as long as
        // the peer sends.
        if shared.is_closed || self.cell.front.phase.is_stopping() {
            drop(shared);
            return self.refuse(staged);
        }
        let found = self.cell.mailbox().frames.store(staged.len());
        shared.frames.append(staged);
        let was_listed = std::mem::replace(&mut shared.is_listed, true);
        drop(shared);
        if !was_listed {
            self.list();
        }
        if found == Found::Backlogged {
            self.cell.front.tell_backlog();
        }
    }

    fn reported(&self, epoch: Epoch) -> Credit {
        self.ledgers.lock().reported(epoch)
    }

    fn is_open(&self, epoch: Epoch) -> bool {
        self.ledgers.lock().is_open(epoch)
    }

    fn stop(&self) {
        self.cell.stop();
    }

    fn kill(&self) {
        self.cell.kill();
    }
}
