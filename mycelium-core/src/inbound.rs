//! [`Inbound`]: the port through which a transport brings a peer's messages in.

mod payloads;

use std::{
    collections::{HashMap, VecDeque},
    mem,
    sync::{Arc, Weak},
};

use bytes::Bytes;
use mycelium_wire::{
    Bind, BindingId, CloseReason, Credit, EndReason, Frame, FrameExtensions, Resolved, Window,
    frame_bytes,
};

use self::payloads::Payloads;
use crate::{
    Bounds, Node, Terminated,
    link::{DecodePorts, InboundBinding, Link, PeerClock},
    mailbox::{
        entry::Beside,
        frames::{Origin, QueuedFrame},
        ledger::Epoch,
    },
    stamp::Stamp,
    transfer::InboundObjects,
};

/// Payloads up to this size are copied out of the receive buffer when they are queued, so that a
/// small message never keeps a large buffer alive, and costs no allocation.
const COPIED_PAYLOAD_BYTES: usize = 1024;

/// How many wrong keys a peer may show on one connection: guessing one of 2^64 takes more.
const WRONG_KEYS: u32 = 16;

/// The frame queue of a binding, without its message type.
pub(crate) trait InboundQueue: Send + Sync {
    /// The peer bound (again), and is told the window; frames of this binding carry the epoch.
    fn bind(
        &self,
        link: &Arc<dyn Link>,
        inbound: InboundBinding,
        window: Window,
    ) -> Result<Epoch, EndReason>;

    /// The peer gave a binding up, after so many messages.
    fn unbind(&self, epoch: Epoch, received_messages: u64);

    /// The connection of a binding is gone.
    fn forget(&self, epoch: Epoch);

    /// Puts frames in, and leaves `staged` empty.
    fn push(&self, staged: &mut VecDeque<QueuedFrame>);

    /// An actor of the peer that the queue's actor watches is gone: what it sent lies here.
    fn tell(&self, terminated: Terminated);

    /// Nobody waits for this message any more.
    fn cancel(&self, epoch: Epoch, sequence: u32);

    /// Tells the peer what was taken of a binding and not reported yet.
    fn report(&self, epoch: Epoch);

    /// Whether its actor wants to know when its messages were sent.
    fn measures_age(&self) -> bool;

    /// How much of its peer may wait here.
    fn bounds(&self) -> Bounds;

    /// What the peer has been told of a binding.
    fn reported(&self, epoch: Epoch) -> Credit;

    /// Whether the peer is still to be told something of a binding.
    fn is_open(&self, epoch: Epoch) -> bool;

    fn stop(&self);

    fn kill(&self);
}

/// What one link brings in; it belongs to the link's reader.
///
/// Frames are staged per binding and handed over in batches by [`flush`](Self::flush): one lock
/// and at most one wake-up per binding and read.
pub struct Inbound {
    node: Node,
    link: Weak<dyn Link>,
    generation: u32,
    /// What the times in the peer's messages are counted with.
    clock: PeerClock,
    bindings: HashMap<BindingId, Bound>,
    /// Bindings that were refused, with the credit for what was sent before our answer arrived.
    refused: HashMap<BindingId, Refused>,
    /// Bindings that the peer gave up, until it is told that everything has been taken; swept
    /// whenever the map would grow.
    leaving: HashMap<BindingId, (Weak<dyn InboundQueue>, Epoch)>,
    /// The bindings with staged frames, or with credit for refused ones.
    touched: Vec<BindingId>,
    objects: InboundObjects,
    wrong_keys: u32,
    /// How the peer broke the protocol; the first time counts.
    breach: Option<CloseReason>,
}

struct Bound {
    queue: Arc<dyn InboundQueue>,
    origin: Arc<Origin>,
    window: Window,
    received_messages: u64,
    received_bytes: u64,
    staged: VecDeque<QueuedFrame>,
    payloads: Payloads,
    measures_age: bool,
}

#[derive(Default)]
struct Refused {
    credit: Credit,
    is_touched: bool,
}

impl Inbound {
    /// Brings messages of `link`'s peer to the actors of `node`.
    pub fn new(node: Node, link: Weak<dyn Link>) -> Self {
        Self {
            objects: InboundObjects::new(node.clone(), link.clone(), 0),
            node,
            link,
            generation: 0,
            clock: PeerClock::default(),
            bindings: HashMap::new(),
            refused: HashMap::new(),
            leaving: HashMap::new(),
            touched: Vec::new(),
            wrong_keys: 0,
            breach: None,
        }
    }

    /// A new connection of the link is up; `generation` is greater than any before.
    pub fn connected(&mut self, generation: u32) {
        debug_assert!(generation > self.generation, "generations rise");
        self.disconnected();
        self.generation = generation;
        if let Some(link) = self.link.upgrade() {
            self.clock = link.peer_clock();
        }
        self.objects = InboundObjects::new(self.node.clone(), self.link.clone(), generation);
    }

    /// The connection is gone. What it brought before is handled; it returns no credit.
    pub fn disconnected(&mut self) {
        self.flush_staged();
        for bound in self.bindings.values() {
            bound.queue.forget(bound.origin.epoch);
        }
        for (queue, epoch) in self.leaving.values() {
            if let Some(queue) = queue.upgrade() {
                queue.forget(*epoch);
            }
        }
        self.bindings.clear();
        self.refused.clear();
        self.leaving.clear();
        self.objects.lose();
        self.wrong_keys = 0;
        self.breach = None;
    }

    /// The peer binds an actor, and is told whether it may.
    pub fn bind(&mut self, binding: BindingId, bind: &Bind, message_limit_bytes: u32) {
        let Some(link) = self.link.upgrade() else {
            return;
        };
        if let Some((queue, epoch)) = self.leaving.remove(&binding)
            && queue.upgrade().is_some_and(|queue| queue.is_open(epoch))
        {
            self.breach(CloseReason::BindingInUse(binding));
        }
        if let Err(reason) = self.open(&link, binding, bind, message_limit_bytes) {
            self.refused.insert(binding, Refused::default());
            link.ended(self.inbound(binding), &reason);
        }
    }

    fn open(
        &mut self,
        link: &Arc<dyn Link>,
        binding: BindingId,
        bind: &Bind,
        message_limit_bytes: u32,
    ) -> Result<(), EndReason> {
        let exports = self.node.exports();
        if exports.is_wrong_key(bind) {
            self.wrong_keys += 1;
            if self.wrong_keys >= WRONG_KEYS {
                self.breach(CloseReason::TooManyWrongKeys);
            }
            return Err(EndReason::NoSuchActor);
        }
        let (queue, capacity_messages) = exports.open(bind, link.peer())?;
        let window = Window::full(capacity_messages, message_limit_bytes);
        let epoch = queue.bind(link, self.inbound(binding), window)?;
        let ports = self.ports();
        let bound = Bound {
            measures_age: queue.measures_age(),
            queue,
            origin: Arc::new(Origin {
                epoch,
                ports,
                fingerprint: bind.fingerprint,
            }),
            window,
            received_messages: 0,
            received_bytes: 0,
            staged: VecDeque::new(),
            payloads: Payloads::default(),
        };
        self.bindings.insert(binding, bound);
        Ok(())
    }

    /// A message arrived; it is staged until [`flush`](Self::flush), or refused there with its
    /// binding.
    pub fn message(&mut self, binding: BindingId, frame: Frame<'_>) {
        let charged_bytes = charge(frame.header().frame_bytes());
        let sequence = frame.header().sequence;
        let clock = self.clock;
        match self.touch(binding) {
            Some(bound) => {
                let beside = bound.beside(frame.extensions(), clock);
                let payload = bound.keep(frame);
                bound.stage(sequence, payload, charged_bytes, beside);
            }
            None => self.refuse(binding, charged_bytes),
        }
    }

    /// As [`message`](Self::message), for one that arrived in fragments.
    pub fn long_message(
        &mut self,
        binding: BindingId,
        sequence: u32,
        extensions: FrameExtensions,
        archive: Bytes,
    ) {
        let charged_bytes = charge(frame_bytes(extensions.size_bytes() + archive.len()));
        let clock = self.clock;
        match self.touch(binding) {
            Some(bound) => {
                let beside = bound.beside(extensions, clock);
                bound.stage(sequence, archive, charged_bytes, beside);
            }
            None => self.refuse(binding, charged_bytes),
        }
    }

    /// The binding that a message came through, noted to be flushed.
    fn touch(&mut self, binding: BindingId) -> Option<&mut Bound> {
        let bound = self.bindings.get_mut(&binding)?;
        if bound.staged.is_empty() {
            self.touched.push(binding);
        }
        Some(bound)
    }

    /// A message came through a binding that was refused.
    #[cold]
    fn refuse(&mut self, binding: BindingId, charged_bytes: u32) {
        let refused = self.refused.entry(binding).or_default();
        refused.credit.refused += 1;
        refused.credit.returned_bytes += u64::from(charged_bytes);
        if !mem::replace(&mut refused.is_touched, true) {
            self.touched.push(binding);
        }
    }

    /// What answers to asks of this node are decoded with.
    pub fn ports(&self) -> DecodePorts {
        DecodePorts {
            node: self.node.clone(),
            link: self.link.clone(),
            generation: self.generation,
        }
    }

    /// Hands all that is staged to the actors.
    ///
    /// # Errors
    ///
    /// How the peer broke the protocol since the last time: [`CloseReason::CreditExceeded`] when it
    /// sent more than a binding's window allows, [`CloseReason::BindingInUse`] or
    /// [`CloseReason::TooManyWrongKeys`]. What it sent before is handled.
    pub fn flush(&mut self) -> Result<(), CloseReason> {
        self.flush_staged();
        self.breach.take().map_or(Ok(()), Err)
    }

    /// The peer asks for an end of the actor, after the messages it sent before.
    pub fn stop(&mut self, binding: BindingId) {
        self.flush_staged();
        if self.breach.is_some() {
            // The connection is about to end for it: the peer has no more to say.
            return;
        }
        if let Some(bound) = self.bindings.get(&binding) {
            bound.queue.stop();
        }
    }

    /// The peer asks for an end of the actor, at once.
    pub fn kill(&mut self, binding: BindingId) {
        if let Some(bound) = self.bindings.get(&binding) {
            bound.queue.kill();
        }
    }

    /// Nobody waits for the answer to this message any more: it is skipped where its handling has
    /// not begun.
    pub fn cancel(&mut self, binding: BindingId, sequence: u32) {
        self.flush_staged();
        if let Some(bound) = self.bindings.get(&binding) {
            bound.queue.cancel(bound.origin.epoch, sequence);
        }
    }

    /// The peer is there: tells it of each binding what was taken and not reported yet. Costs two
    /// locks for each binding.
    pub fn report(&mut self) {
        self.flush_staged();
        for bound in self.bindings.values() {
            bound.queue.report(bound.origin.epoch);
        }
    }

    /// The peer holds no ref to the actor any more.
    pub fn unbind(&mut self, binding: BindingId) {
        self.flush_staged();
        if let Some(bound) = self.bindings.remove(&binding) {
            let epoch = bound.origin.epoch;
            if self.leaving.len() == self.leaving.capacity() {
                self.leaving.retain(|_, (queue, epoch)| {
                    queue.upgrade().is_some_and(|queue| queue.is_open(*epoch))
                });
            }
            let queue = Arc::downgrade(&bound.queue);
            self.leaving.insert(binding, (queue, epoch));
            bound.queue.unbind(epoch, bound.received_messages);
        } else if let (Some(_), Some(link)) = (self.refused.remove(&binding), self.link.upgrade()) {
            link.unbound(self.inbound(binding));
        }
    }

    /// The objects that come beside the messages.
    pub fn objects(&mut self) -> &mut InboundObjects {
        &mut self.objects
    }

    /// The actor that is registered under a name, if there is one that may be reached.
    pub fn resolve(&self, name: &str) -> Option<Resolved> {
        self.node.find_exported(name)
    }

    fn inbound(&self, binding: BindingId) -> InboundBinding {
        InboundBinding {
            generation: self.generation,
            binding,
        }
    }

    fn flush_staged(&mut self) {
        let mut touched = mem::take(&mut self.touched);
        for binding in touched.drain(..) {
            let inbound = self.inbound(binding);
            if let Some(bound) = self.bindings.get_mut(&binding) {
                let overruns = bound.overruns();
                bound.queue.push(&mut bound.staged);
                if overruns {
                    self.breach(CloseReason::CreditExceeded { binding });
                }
            } else if let (Some(refused), Some(link)) =
                (self.refused.get_mut(&binding), self.link.upgrade())
            {
                refused.is_touched = false;
                link.credit(inbound, refused.credit);
            }
        }
        // Keeps its room.
        self.touched = touched;
    }

    fn breach(&mut self, reason: CloseReason) {
        self.breach.get_or_insert(reason);
    }
}

/// What the window of a binding is charged for a frame.
fn charge(frame_bytes: usize) -> u32 {
    u32::try_from(frame_bytes).expect("a frame is shorter than 4 GiB")
}

impl Bound {
    /// A small payload is copied; a larger one stays a slice of the receive buffer.
    fn keep(&mut self, frame: Frame<'_>) -> Bytes {
        if frame.payload().len() > COPIED_PAYLOAD_BYTES {
            frame.detach()
        } else {
            self.payloads.keep(frame.payload())
        }
    }

    /// What lies beside a message that has just arrived.
    fn beside(&self, extensions: FrameExtensions, clock: PeerClock) -> Beside {
        Beside::arrived(extensions, clock, || self.measures_age.then(Stamp::now))
    }

    fn stage(&mut self, sequence: u32, payload: Bytes, charged_bytes: u32, beside: Beside) {
        self.received_messages += 1;
        self.received_bytes += u64::from(charged_bytes);
        self.staged.push_back(QueuedFrame {
            payload,
            charged_bytes,
            sequence,
            beside,
            origin: Arc::clone(&self.origin),
        });
    }

    /// Whether more is outstanding than the window admits. A peer knows of no more credit than was
    /// reported, so one that keeps to its window never seems to pass it.
    fn overruns(&self) -> bool {
        let reported = self.queue.reported(self.origin.epoch);
        let returned = reported.confirmed + reported.refused;
        let messages = self.received_messages.saturating_sub(returned);
        let bytes = self.received_bytes.saturating_sub(reported.returned_bytes);
        // A binding opens with the initial window of whatever capacity the ref was said to have.
        let most = Window::initial(u32::MAX).messages.max(self.window.messages);
        messages > u64::from(most) || (messages > 1 && bytes > u64::from(self.window.bytes))
    }
}
