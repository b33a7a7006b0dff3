//! [`Intake`]: the batches of messages an actor has at hand, served in turn.

use std::{collections::VecDeque, mem, sync::Arc};

use super::{
    Mailbox,
    entry::{Entry, Fate, Sending},
    frames::{Admitted, FrameQueue, QueuedFrame},
    ledger::Taken,
};
use crate::{Archived, cell::owner::contain, watch::Told};

/// What the actor handles next.
pub(crate) enum Delivery<M> {
    /// A message of this process.
    Moved(M),
    /// A message of another one, as its bytes.
    Arrived(Archived<M>),
    /// There is news of an actor that is watched.
    Told(Told),
    /// Nothing: so many messages were in vain that it is time for others.
    Pause,
}

/// How many messages that nobody wants are dropped in a row.
const DROPS: usize = 64;

/// The consumer's side of a [`Mailbox`]; it survives the actor it feeds.
pub(crate) struct Intake<M> {
    local: VecDeque<Entry<M>>,
    active: Vec<Active<M>>,
    /// Which of `active` is being served.
    turn: usize,
    /// Empty batches with their capacity, for queues that become active.
    spare: Vec<VecDeque<QueuedFrame>>,
    /// How the message that was taken last was sent.
    sending: Sending,
    /// Messages whose time had passed, and of which nobody has been told yet.
    expired: usize,
    /// How many messages of this process may still be taken, where an actor retires.
    local_left: Option<usize>,
}

/// A frame queue in its turn, with the batch taken from it.
struct Active<M> {
    queue: Arc<FrameQueue<M>>,
    batch: VecDeque<QueuedFrame>,
    taken: Taken,
    /// How many frames may still be taken from the queue; no limit but where an actor retires.
    left: usize,
}

impl<M: Send + 'static> Intake<M> {
    pub(crate) fn new() -> Self {
        Self {
            local: VecDeque::new(),
            active: Vec::new(),
            turn: 0,
            spare: Vec::new(),
            sending: Sending::default(),
            expired: 0,
            local_left: None,
        }
    }

    /// From now on nothing is taken but what is there now: the actor retires. The first call counts.
    pub(crate) fn cut(&mut self, mailbox: &Mailbox<M>) {
        if self.local_left.is_some() {
            return;
        }
        self.local_left = Some(mailbox.local.len() - self.local.len());
        self.adopt_ready(mailbox);
        for active in &mut self.active {
            active.left = active.queue.len();
        }
    }

    /// Another life takes what the one before left.
    pub(crate) fn uncut(&mut self) {
        self.local_left = None;
        for active in &mut self.active {
            active.left = usize::MAX;
        }
    }

    /// The next message, or `None` when every queue is empty.
    pub(crate) fn next(&mut self, mailbox: &Mailbox<M>) -> Option<Delivery<M>> {
        let mut drops = 0;
        while drops < DROPS {
            if let Some(notice) = mailbox.notices.pop(mailbox.local.taken()) {
                return Some(Delivery::Told(notice));
            }
            if let Some(entry) = self.local.pop_front() {
                mailbox.local.take();
                match entry.beside.fate() {
                    Fate::Due(sending) => {
                        self.sending = sending;
                        return Some(Delivery::Moved(entry.message));
                    }
                    Fate::Abandoned => {}
                    Fate::Expired => self.expired += 1,
                }
                contain(|| drop(entry));
                drops += 1;
                // A notice may come right after it.
                continue;
            }
            if let Some(delivery) = self.next_frame(mailbox, &mut drops) {
                return Some(delivery);
            }
            if !self.refill(mailbox) {
                return None;
            }
        }
        Some(Delivery::Pause)
    }

    /// How the message that was taken last was sent.
    pub(crate) fn sending(&self) -> Sending {
        self.sending
    }

    /// How many messages were not given on since the last call, because their time had passed.
    pub(crate) fn take_expired(&mut self) -> usize {
        mem::take(&mut self.expired)
    }

    /// Tells the senders what was taken, because the actor is about to wait: all of it where
    /// nothing of theirs is left, so that they find the room that there is.
    pub(crate) fn settle(&mut self, mailbox: &Mailbox<M>) {
        mailbox.local.wake_waiter();
        for active in &mut self.active {
            if active.batch.is_empty() && active.queue.is_empty() {
                active.queue.settle_idle(&mut active.taken);
            } else {
                active.queue.settle(&mut active.taken);
            }
        }
    }

    /// Whether something is at hand that needs no look into the mailbox.
    pub(crate) fn has_batch(&self) -> bool {
        let mut in_turn = self.active.iter().skip(self.turn);
        !self.local.is_empty() || in_turn.any(|active| !active.batch.is_empty())
    }

    /// Discards all that is left and says how many messages that were.
    pub(crate) fn discard(&mut self, mailbox: &Mailbox<M>) -> usize {
        let mut messages = std::mem::take(&mut self.local);
        mailbox.local.take_rest(&mut messages);
        self.adopt_ready(mailbox);
        let close = |active: Active<M>| active.queue.close(active.batch, active.taken);
        let frames: usize = std::mem::take(&mut self.active)
            .into_iter()
            .map(close)
            .sum();
        mailbox.frames.take_rest();
        self.spare = Vec::new();
        let count = messages.len() + frames;
        while let Some(message) = messages.pop_front() {
            // The drop is code of the user's; a panic in one must not keep the others.
            contain(|| drop(message));
        }
        count
    }

    fn next_frame(&mut self, mailbox: &Mailbox<M>, drops: &mut usize) -> Option<Delivery<M>> {
        while let Some(active) = self.active.get_mut(self.turn) {
            loop {
                if let Some(notice) = active.queue.due_notice(active.batch.len()) {
                    return Some(Delivery::Told(Told::Terminated(notice)));
                }
                let Some(frame) = active.batch.pop_front() else {
                    break;
                };
                mailbox.frames.take();
                match active.queue.admit(frame, &mut active.taken) {
                    Admitted::Message(message, sending) => {
                        self.sending = sending;
                        return Some(Delivery::Arrived(message));
                    }
                    Admitted::Expired => self.expired += 1,
                    Admitted::Nothing => {}
                }
                *drops += 1;
                if *drops >= DROPS {
                    return Some(Delivery::Pause);
                }
            }
            active.queue.settle(&mut active.taken);
            self.turn += 1;
        }
        None
    }

    /// Takes a batch from every queue that has something; says whether any had.
    fn refill(&mut self, mailbox: &Mailbox<M>) -> bool {
        match &mut self.local_left {
            None => {
                mailbox.local.refill(&mut self.local, usize::MAX);
                self.adopt_ready(mailbox);
            }
            Some(left) => {
                mailbox.local.refill(&mut self.local, *left);
                *left -= self.local.len();
            }
        }
        mailbox.frames.calm();
        self.turn = 0;
        let spare = &mut self.spare;
        self.active.retain_mut(|active| {
            let stays = active.queue.refill(&mut active.batch, active.left);
            active.left -= active.batch.len();
            if !stays {
                active.queue.settle_idle(&mut active.taken);
                spare.push(std::mem::take(&mut active.batch));
            }
            stays
        });
        let mut active = self.active.iter();
        !self.local.is_empty() || active.any(|active| active.left > 0 || !active.batch.is_empty())
    }

    fn adopt_ready(&mut self, mailbox: &Mailbox<M>) {
        mailbox.take_ready(|queue| {
            let batch = self.spare.pop().unwrap_or_default();
            self.active.push(Active {
                queue,
                batch,
                taken: Taken::default(),
                left: usize::MAX,
            });
        });
    }
}
