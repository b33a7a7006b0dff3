//! [`Actor`]: the receiver's side of a binding, a mailbox that is emptied when it is told to.

use std::collections::VecDeque;

use mycelium::wire::{BindingId, Credit, Window};

use crate::simulated::arrival::Carried;

/// An actor that the peer sends to. It and its mailbox outlive connections, its binding does not.
#[derive(Default)]
pub(crate) struct Actor {
    mailbox: VecDeque<Queued>,
    /// The number of the last message that arrived.
    last: u64,
    pub(crate) handled: u64,
    pub(crate) discarded: u64,
    pub(crate) life: Life,
    pub(crate) bound: Option<Bound>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Life {
    #[default]
    Running,
    /// It ends when its mailbox is empty.
    Stopping,
    Ended,
}

/// What one binding of the peer is owed.
pub(crate) struct Bound {
    pub(crate) id: BindingId,
    window: Window,
    /// What became of its messages, and what of that the peer was told.
    pub(crate) credit: Credit,
    pub(crate) reported: Credit,
    arrived: u64,
    arrived_bytes: u64,
    pub(crate) has_ended: bool,
    pub(crate) is_unbinding: bool,
}

struct Queued {
    number: u64,
    /// What its binding gets back for it; nothing where the connection was lost since.
    charge: Option<usize>,
}

impl Bound {
    pub(crate) fn new(id: BindingId, window: Window) -> Self {
        Self {
            id,
            window,
            credit: Credit::default(),
            reported: Credit::default(),
            arrived: 0,
            arrived_bytes: 0,
            has_ended: false,
            is_unbinding: false,
        }
    }

    /// Counts a message of this size, and says whether the peer had the credit for it.
    fn admits(&mut self, charge: usize) -> bool {
        let messages = self.arrived - self.reported.confirmed - self.reported.refused;
        let bytes = self.arrived_bytes - self.reported.returned_bytes + charge as u64;
        self.arrived += 1;
        self.arrived_bytes += charge as u64;
        messages < u64::from(self.window.messages)
            && (messages == 0 || bytes <= u64::from(self.window.bytes))
    }

    /// Whether all that arrived was taken or discarded.
    fn is_settled(&self) -> bool {
        self.arrived == self.credit.confirmed + self.credit.refused
    }
}

impl Actor {
    /// Puts a message into the mailbox, or discards it where the actor takes none any more; then
    /// its number is the answer.
    ///
    /// # Errors
    ///
    /// What the peer must not have done.
    pub(crate) fn receive(&mut self, message: &Carried) -> Result<Option<u64>, &'static str> {
        let bound = self.bound.as_mut().ok_or("a message without a binding")?;
        if message.number <= self.last {
            return Err("a message came twice, or after a later one");
        }
        if !bound.admits(message.charge) {
            return Err("a message came without credit");
        }
        self.last = message.number;
        if self.life != Life::Running || bound.has_ended {
            self.discard(Some(message.charge));
            return Ok(Some(message.number));
        }
        self.mailbox.push_back(Queued {
            number: message.number,
            charge: Some(message.charge),
        });
        Ok(None)
    }

    /// Handles up to so many messages; the numbers are those that somebody waits for.
    pub(crate) fn handle(&mut self, most_messages: usize) -> Vec<u64> {
        let mut asked = Vec::new();
        for _ in 0..most_messages.min(self.mailbox.len()) {
            let Some(Queued { number, charge }) = self.mailbox.pop_front() else {
                break;
            };
            self.handled += 1;
            if let Some(credit) = self.returned(charge) {
                credit.confirmed += 1;
            }
            asked.extend(charge.map(|_| number));
        }
        asked
    }

    /// Discards all that lies in the mailbox; the numbers are those that somebody waits for.
    pub(crate) fn discard_all(&mut self) -> Vec<u64> {
        let mut asked = Vec::new();
        while let Some(Queued { number, charge }) = self.mailbox.pop_front() {
            self.discard(charge);
            asked.extend(charge.map(|_| number));
        }
        asked
    }

    /// The connection is lost: what lies in the mailbox will be handled, and nobody told.
    pub(crate) fn lose(&mut self) {
        self.bound = None;
        for queued in &mut self.mailbox {
            queued.charge = None;
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.mailbox.is_empty()
    }

    /// Whether the binding may be let go.
    pub(crate) fn lets_go(&self) -> bool {
        let bound = self.bound.as_ref();
        bound.is_some_and(|bound| bound.is_unbinding && bound.is_settled())
    }

    fn discard(&mut self, charge: Option<usize>) {
        self.discarded += 1;
        if let Some(credit) = self.returned(charge) {
            credit.refused += 1;
        }
    }

    fn returned(&mut self, charge: Option<usize>) -> Option<&mut Credit> {
        let credit = &mut self.bound.as_mut()?.credit;
        credit.returned_bytes += charge? as u64;
        Some(credit)
    }
}
