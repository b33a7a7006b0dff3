//! [`Pending`]: the asks of this node that wait for an answer over one link.

use std::{
    any::Any,
    sync::{Arc, Weak},
    time::Duration,
};

use bytes::Bytes;
use mycelium_wire::{BindingId, EndReason, Wire, WireError, decode};
use tokio::time::Instant;

use crate::{
    Node,
    cell::owner::contain,
    link::{DecodePorts, Link},
    reply_slot::{MovedTwice, NoAnswer, Slot},
};

/// The most asks that may wait on one link.
const LIMIT: usize = 65_536;

/// How often a table that grows is searched for asks whose time is up.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// What refs and reply ports need while they are encoded: the tables of the link they leave by.
///
/// Lies inside the link's lock, beside the buffer they are encoded into.
pub struct EncodePorts {
    pub(crate) node: Node,
    pub(crate) link: Weak<dyn Link>,
    pub(crate) pending: Pending,
}

impl EncodePorts {
    /// The tables of a new link.
    pub fn new(node: Node, link: Weak<dyn Link>) -> Self {
        Self {
            node,
            link,
            pending: Pending::default(),
        }
    }

    /// A message of this binding is about to be encoded; an answer belongs to none.
    pub fn begin(&mut self, binding: Option<BindingId>) {
        self.pending.binding = binding;
    }

    /// The message or answer that was being encoded has left, or its reply ports are whole again.
    pub fn conclude<T, E>(&mut self, sent: &Result<T, E>) {
        match sent {
            Ok(_) => self.pending.commit(),
            Err(_) => self.pending.roll_back(),
        }
    }

    /// The message that was encoded is an ask, and left with this number: where its asker leaves, it
    /// is cancelled.
    pub fn asked(&mut self, sequence: u32) {
        // A message with several ports has other askers as well, who may still wait.
        if let [request] = self.pending.fresh[..] {
            let (index, _) = parts(request);
            self.pending.entries[index as usize].asked_as = Some(sequence);
        }
    }

    /// The asks that wait for answers.
    pub fn pending(&mut self) -> &mut Pending {
        &mut self.pending
    }
}

/// The asks that wait for an answer over one link; bounded, and empty at rest.
#[derive(Default)]
pub struct Pending {
    entries: Vec<Entry>,
    free: Vec<u32>,
    /// Entries made by the message that is being encoded.
    fresh: Vec<u64>,
    /// The binding that message belongs to; none for an answer.
    binding: Option<BindingId>,
    swept: Option<Instant>,
}

struct Entry {
    /// How often the place was used before: an answer that comes late names an old use.
    uses: u32,
    port: Option<Arc<dyn PendingPort>>,
    /// The binding it left through.
    binding: Option<BindingId>,
    /// The number of the message that asks, and has no other asker.
    asked_as: Option<u32>,
}

/// A port in a pending table.
pub(crate) trait PendingPort: Any + Send + Sync {
    /// The answer has come.
    fn complete(self: Arc<Self>, frame: &Bytes, ports: &DecodePorts) -> Result<(), WireError>;
    /// No answer will come.
    fn fail(self: Arc<Self>, why: NoAnswer);
    /// The message that made the entry has not left.
    fn move_back(&self);
    /// Whether the time of the asker, on another node, is up: it has settled the ask itself.
    fn is_expired(&self, now: Instant) -> bool;
}

/// Too many asks wait for answers over the link.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{LIMIT} asks wait for answers over the link already")]
pub(crate) struct PendingFull;

impl PendingFull {
    /// Whether this is what kept a message from being encoded.
    pub(crate) fn is_behind(error: &WireError) -> bool {
        matches!(error, WireError::Port(cause) if cause.is::<Self>())
    }
}

/// A port taken out of the table, to be settled outside the link's lock.
pub struct PendingAsk(Arc<dyn PendingPort>);

impl Pending {
    /// Forgets the asks of other nodes whose time is up: their askers wait no longer, and whoever
    /// has their ports may keep them for ever.
    pub fn sweep(&mut self) {
        let now = Instant::now();
        self.take_those(|entry| entry.port.as_ref().is_some_and(|port| port.is_expired(now)));
    }

    /// How many asks wait.
    pub fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn commit(&mut self) {
        self.fresh.clear();
    }

    fn roll_back(&mut self) {
        for request in std::mem::take(&mut self.fresh) {
            if let Some(PendingAsk(port)) = self.take(request) {
                port.move_back();
            }
        }
    }

    /// The message that asks under this number, while it may still wait to be handled.
    pub fn message_of(&self, request: u64) -> Option<(BindingId, u32)> {
        let (index, uses) = parts(request);
        let entry = self.entries.get(index as usize)?;
        let is_waiting = entry.uses == uses && entry.port.is_some();
        if !is_waiting {
            return None;
        }
        Some((entry.binding?, entry.asked_as?))
    }

    /// Takes the ask with this number out; `None` where it has been settled or forgotten.
    pub fn take(&mut self, request: u64) -> Option<PendingAsk> {
        let (index, uses) = parts(request);
        let entry = self
            .entries
            .get_mut(index as usize)
            .filter(|entry| entry.uses == uses)?;
        let port = entry.port.take()?;
        entry.uses = entry.uses.wrapping_add(1);
        self.free.push(index);
        Some(PendingAsk(port))
    }

    /// Takes all asks out, because the connection is gone.
    pub fn take_all(&mut self) -> Vec<PendingAsk> {
        self.take_those(|_| true)
    }

    /// Takes the asks out that left through a binding, because it never was.
    pub fn take_of(&mut self, binding: BindingId) -> Vec<PendingAsk> {
        self.take_those(|entry| entry.binding == Some(binding))
    }

    /// All that was sent through a binding has been taken: its id may come to mean another.
    pub fn settle_binding(&mut self, binding: BindingId) {
        if self.is_empty() {
            return;
        }
        for entry in &mut self.entries {
            entry.binding.take_if(|left_by| *left_by == binding);
        }
    }

    /// Before the table grows, and at its limit, where the next ask would sweep it again.
    #[cold]
    fn sweep_now_and_then(&mut self) {
        let is_due = |swept: Instant| swept.elapsed() >= SWEEP_EVERY;
        if self.swept.is_none_or(is_due) {
            self.swept = Some(Instant::now());
            self.sweep();
        }
    }

    fn take_those(&mut self, is_wanted: impl Fn(&Entry) -> bool) -> Vec<PendingAsk> {
        let wanted = (0_u32..)
            .zip(&self.entries)
            .filter(|(_, entry)| is_wanted(entry));
        let wanted: Vec<u64> = wanted
            .map(|(index, entry)| request(index, entry.uses))
            .collect();
        wanted
            .into_iter()
            .filter_map(|request| self.take(request))
            .collect()
    }

    /// Enters a port and says under which number.
    pub(crate) fn enter(&mut self, port: Arc<dyn PendingPort>) -> Result<u64, PendingFull> {
        if self.free.is_empty() && self.entries.len() == self.entries.capacity().min(LIMIT) {
            self.sweep_now_and_then();
        }
        let index = match self.free.pop() {
            Some(index) => index,
            None if self.entries.len() >= LIMIT => return Err(PendingFull),
            None => {
                self.entries.push(Entry {
                    uses: 0,
                    port: None,
                    binding: None,
                    asked_as: None,
                });
                u32::try_from(self.entries.len() - 1).expect("the limit is a u32")
            }
        };
        let entry = &mut self.entries[index as usize];
        entry.port = Some(port);
        entry.binding = self.binding;
        entry.asked_as = None;
        let request = request(index, entry.uses);
        self.fresh.push(request);
        Ok(request)
    }
}

impl PendingAsk {
    /// Settles the ask with the answer that has come.
    ///
    /// # Errors
    ///
    /// The bytes are no archive of the answer's type; the ask has failed then, and the link should.
    pub fn complete(self, frame: &Bytes, ports: &DecodePorts) -> Result<(), WireError> {
        let mut completed = Ok(());
        // An answer that nobody waits for is dropped here: code of the user's, on the reader.
        contain(|| completed = self.0.complete(frame, ports));
        completed
    }

    /// Fails the ask.
    pub(crate) fn fail(self, why: NoAnswer) {
        self.0.fail(why);
    }

    /// Fails the ask for the reason its answerer gave.
    pub fn refuse(self, failure: mycelium_wire::ReplyFailure) {
        self.fail(failure.into());
    }

    /// Fails the ask because the connection was lost: nobody knows whether it was handled.
    pub fn lose(self) {
        self.fail(NoAnswer::LinkDown);
    }

    /// Fails the ask because the actor was gone before it was handled.
    pub fn end(self, reason: &EndReason) {
        self.fail(NoAnswer::ActorDown(reason.into()));
    }

    /// Fails the ask because the node is down.
    pub fn bury(self) {
        self.fail(NoAnswer::NodeDown);
    }
}

impl<R: Wire> PendingPort for Slot<R> {
    fn complete(self: Arc<Self>, frame: &Bytes, ports: &DecodePorts) -> Result<(), WireError> {
        match decode::<R>(frame, R::FINGERPRINT, ports) {
            Ok(reply) => {
                self.conclude(Ok(reply));
                Ok(())
            }
            Err(error) => {
                self.conclude(Err(NoAnswer::Refused(error.to_string().into())));
                Err(error)
            }
        }
    }

    fn fail(self: Arc<Self>, why: NoAnswer) {
        self.conclude(Err(why));
    }

    fn move_back(&self) {
        Slot::move_back(self);
    }

    fn is_expired(&self, now: Instant) -> bool {
        Slot::is_expired(self, now)
    }
}

impl EncodePorts {
    /// Enters a reply port that is being encoded.
    pub(crate) fn move_port<R: Wire>(&mut self, slot: Arc<Slot<R>>) -> Result<u64, WireError> {
        let refused = |error: Box<dyn std::error::Error + Send + Sync>| WireError::Port(error);
        let request = self
            .pending
            .enter(Arc::clone(&slot) as Arc<dyn PendingPort>);
        let request = request.map_err(|full| refused(full.into()))?;
        if let Err(moved @ MovedTwice) = slot.move_to(self.link.clone(), request) {
            // Take the entry out without touching the slot, whose port lies elsewhere.
            self.pending.fresh.pop();
            let _ = self.pending.take(request);
            return Err(refused(moved.into()));
        }
        Ok(request)
    }
}

fn request(index: u32, uses: u32) -> u64 {
    u64::from(uses) << 32 | u64::from(index)
}

fn parts(request: u64) -> (u32, u32) {
    #[expect(clippy::cast_possible_truncation, reason = "both halves are taken")]
    let index = request as u32;
    (
        index,
        u32::try_from(request >> 32).expect("half of 64 bits"),
    )
}
