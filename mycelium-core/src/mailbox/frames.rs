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
    entry::{Beside, Fate, Sending},
    ledger::{Due, Epoch, Ledgers, Report, Taken},
    local::Found,
};
use crate::{
    Archived, Bounds, StopReason, Terminated,
    cell::{Control, LocalCell, exit::Mourner, owner::contain},
    inbound::InboundQueue,
    link::{DecodePorts, InboundBinding, Link},
    sync::{AtomicBool, Mutex, Ordering},
    watch::Told,
};

/// The most frames an actor takes from one binding in its turn.
const BATCH_FRAMES: usize = 64;

/// How many messages of one binding may be cancelled and still lie in the queue; one cancelled
/// beyond that is handled.
const CANCELLED: usize = 1_024;

/// A payload that waits for its actor.
pub(crate) struct QueuedFrame {
    pub(crate) payload: Bytes,
    /// What the sender's window was charged for it.
    pub(crate) charged_bytes: u32,
    /// Its number within its binding.
    pub(crate) sequence: u32,
    /// What came along with it.
    pub(crate) beside: Beside,
    pub(crate) origin: Arc<Origin>,
}

/// What a frame whose turn has come holds.
pub(super) enum Admitted<M> {
    Message(Archived<M>, Sending),
    /// A message whose time has passed.
    Expired,
    /// A message that was cancelled, or that is not what its binding announced.
    Nothing,
}

/// Where frames of one binding came from.
pub(crate) struct Origin {
    pub(crate) epoch: Epoch,
    /// What refs and reply ports in them are decoded with.
    pub(crate) ports: DecodePorts,
    /// The schema that the sender showed, which the actor takes.
    pub(crate) fingerprint: u64,
}

/// The frames of one binding.
pub(crate) struct FrameQueue<M> {
    me: Weak<Self>,
    cell: Arc<LocalCell<M>>,
    /// Of the actor's own messages; it knows those of the types that they accept.
    codec: Codec<M>,
    shared: Mutex<Shared>,
    /// Whether `shared` may hold a notice: spares the actor its lock.
    has_notices: AtomicBool,
    /// Whether `shared` may hold something cancelled: spares the actor its lock.
    has_cancelled: AtomicBool,
    /// Guards the order of credit frames too: they are sent under this lock. Taken before that of
    /// `shared`, where both are.
    ledgers: Mutex<Ledgers<Weak<dyn Link>>>,
}

struct Shared {
    frames: VecDeque<QueuedFrame>,
    /// How many frames were ever put in, and taken out in batches.
    pushed: u64,
    drained: u64,
    /// Notices that come after so many frames.
    notices: VecDeque<(u64, Terminated)>,
    /// Messages that nobody waits for any more, by epoch and sequence: in `frames`, or in the
    /// batch that the actor took last.
    cancelled: Vec<(Epoch, u32)>,
    /// Whether the queue lies in the mailbox's list or in the actor's hands.
    is_listed: bool,
    is_closed: bool,
}

impl Shared {
    /// The frame behind those that are kept will never be taken: the notices behind it come earlier.
    fn skip_one(&mut self) {
        let place = self.drained + self.frames.len() as u64;
        let behind = self.notices.iter_mut().filter(|(after, _)| *after > place);
        behind.for_each(|(after, _)| *after -= 1);
        self.pushed -= 1;
    }
}

impl<M: Send + 'static> FrameQueue<M> {
    /// Makes the queue and sees to it that the peer is told when the actor is gone.
    pub(crate) fn open(cell: Arc<LocalCell<M>>, codec: Codec<M>) -> Arc<Self> {
        let shared = Shared {
            frames: VecDeque::new(),
            pushed: 0,
            drained: 0,
            notices: VecDeque::new(),
            cancelled: Vec::new(),
            is_listed: false,
            is_closed: false,
        };
        let queue = Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            cell,
            codec,
            shared: Mutex::new(shared),
            has_notices: AtomicBool::new(false),
            has_cancelled: AtomicBool::new(false),
            ledgers: Mutex::default(),
        });
        let ended: Weak<Self> = Arc::downgrade(&queue);
        queue.cell.front.exit.tell(ended);
        queue
    }

    /// Takes the next batch, of no more frames than `most`; `false` when none is left and the queue
    /// leaves the actor's hands.
    pub(super) fn refill(&self, batch: &mut VecDeque<QueuedFrame>, most: usize) -> bool {
        let mut shared = self.shared.lock();
        let count = shared.frames.len().min(BATCH_FRAMES).min(most);
        if !shared.cancelled.is_empty() {
            self.forget_cancelled(&mut shared);
        }
        batch.extend(shared.frames.drain(..count));
        shared.drained += count as u64;
        let is_held_back = count == 0 && !shared.frames.is_empty();
        shared.is_listed = count > 0 || is_held_back || !shared.notices.is_empty();
        shared.is_listed
    }

    /// The next notice, if the actor has all frames before it but for those still in its batch.
    pub(super) fn due_notice(&self, batch_frames: usize) -> Option<Terminated> {
        // Acquire: pairs with the Release in `tell`.
        if !self.has_notices.load(Ordering::Acquire) {
            return None;
        }
        let mut shared = self.shared.lock();
        let taken = shared.drained - batch_frames as u64;
        let is_due = shared
            .notices
            .front()
            .is_some_and(|(after, _)| *after <= taken);
        let notice = if is_due {
            shared.notices.pop_front()
        } else {
            None
        };
        self.has_notices
            .store(!shared.notices.is_empty(), Ordering::Release);
        Some(notice?.1)
    }

    /// How many frames wait outside the actor's hands.
    pub(super) fn len(&self) -> usize {
        self.shared.lock().frames.len()
    }

    /// Whether no frame waits outside the actor's hands.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The message in a frame, validated. One that is not what the binding announced closes its link
    /// and never reaches the actor.
    pub(super) fn admit(&self, frame: QueuedFrame, taken: &mut Taken) -> Admitted<M> {
        if taken.epoch != frame.origin.epoch {
            self.settle(taken);
            taken.epoch = frame.origin.epoch;
        }
        taken.bytes += u64::from(frame.charged_bytes);
        if self.is_cancelled(&frame) {
            taken.refused += 1;
            return Admitted::Nothing;
        }
        let codec = self.codec_of(&frame);
        if let Err(error) = (codec.validate)(&frame.payload) {
            taken.refused += 1;
            self.fail_link(frame.origin.epoch, &error);
            return Admitted::Nothing;
        }
        match frame.beside.fate() {
            Fate::Due(sending) => {
                taken.confirmed += 1;
                let message = Archived::validated(frame.payload, codec, frame.origin);
                Admitted::Message(message, sending)
            }
            // No ask of this process comes by a link.
            Fate::Expired | Fate::Abandoned => {
                taken.refused += 1;
                self.drop_message(&frame);
                Admitted::Expired
            }
        }
    }

    /// The codec of the messages that the frame's binding announced.
    fn codec_of(&self, frame: &QueuedFrame) -> Codec<M> {
        let codec = self.codec.of_sender(frame.origin.fingerprint);
        codec.expect("a binding opens for what the actor takes")
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

    /// Whether nobody waits for this message any more. Nobody asks twice.
    fn is_cancelled(&self, frame: &QueuedFrame) -> bool {
        // Relaxed: a cancel that comes in this moment comes too late.
        if !self.has_cancelled.load(Ordering::Relaxed) {
            return false;
        }
        let cancelled = &mut self.shared.lock().cancelled;
        let is_frame = |entry: &(Epoch, u32)| *entry == (frame.origin.epoch, frame.sequence);
        let found = cancelled.iter().position(is_frame);
        if let Some(at) = found {
            cancelled.swap_remove(at);
        }
        self.has_cancelled
            .store(!cancelled.is_empty(), Ordering::Relaxed);
        found.is_some()
    }

    /// The batch before is handled: what was cancelled of it came too late.
    fn forget_cancelled(&self, shared: &mut Shared) {
        let Shared {
            frames, cancelled, ..
        } = shared;
        cancelled.retain(|(epoch, sequence)| find(frames, *epoch, *sequence));
        self.has_cancelled
            .store(!cancelled.is_empty(), Ordering::Relaxed);
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

    /// Discards frames.
    ///
    /// Their credit waits for the word that the actor is gone: senders that wait for room would
    /// otherwise have another message accepted that nobody will handle.
    fn refuse(&self, frames: &mut VecDeque<QueuedFrame>) {
        for frame in frames.drain(..) {
            let epoch = frame.origin.epoch;
            let bytes = u64::from(frame.charged_bytes);
            self.drop_message(&frame);
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

    /// Decodes a message to drop it: a reply port in it tells its asker.
    fn drop_message(&self, frame: &QueuedFrame) {
        let codec = self.codec_of(frame);
        contain(|| drop((codec.decode)(&frame.payload, &frame.origin.ports)));
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
        let mut dropped = VecDeque::new();
        for frame in std::mem::take(&mut shared.frames) {
            if is_kept(&frame) {
                shared.frames.push_back(frame);
            } else {
                dropped.push_back(frame);
                shared.skip_one();
            }
        }
        dropped
    }
}

/// Whether a frame waits in a queue, in which epochs and, within each, sequences rise.
fn find(frames: &VecDeque<QueuedFrame>, epoch: Epoch, sequence: u32) -> bool {
    let order = |frame: &QueuedFrame| {
        let later = frame.sequence.wrapping_sub(sequence).cast_signed();
        frame.origin.epoch.cmp(&epoch).then(later.cmp(&0))
    };
    frames.binary_search_by(order).is_ok()
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
        shared.pushed += staged.len() as u64;
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

    fn tell(&self, terminated: Terminated) {
        let mut shared = self.shared.lock();
        if !shared.is_listed {
            // The actor has taken all that came before.
            drop(shared);
            return self.cell.front.tell(Told::Terminated(terminated));
        }
        let after = shared.pushed;
        shared.notices.push_back((after, terminated));
        self.has_notices.store(true, Ordering::Release);
    }

    fn cancel(&self, epoch: Epoch, sequence: u32) {
        let mut shared = self.shared.lock();
        if shared.cancelled.len() < CANCELLED {
            shared.cancelled.push((epoch, sequence));
            self.has_cancelled.store(true, Ordering::Relaxed);
        }
    }

    fn report(&self, epoch: Epoch) {
        // What an ending actor leaves is reported with its end.
        if self.cell.front.phase.is_stopping() || self.shared.lock().is_closed {
            return;
        }
        let mut ledgers = self.ledgers.lock();
        if let Some(due) = ledgers.heartbeat(epoch) {
            tell(&due);
        }
    }

    fn measures_age(&self) -> bool {
        self.cell.front.measures_age
    }

    fn bounds(&self) -> Bounds {
        self.ledgers.lock().bounds()
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
