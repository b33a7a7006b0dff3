//! [`Inbound`]: the port through which a transport brings a peer's messages in.

use std::{
    collections::{HashMap, VecDeque},
    mem,
    sync::{Arc, Weak},
};

use bytes::{Bytes, BytesMut};
use mycelium_wire::{
    ActorId, Bind, BindingId, CloseReason, Credit, EndReason, Frame, Resolved, Window, frame_bytes,
};

use crate::{
    Node,
    link::{DecodePorts, InboundBinding, Link},
    mailbox::{
        frames::{Origin, QueuedFrame},
        ledger::Epoch,
    },
};

/// Payloads up to this size are copied out of the receive buffer when they are queued, so that a
/// small message never keeps a large buffer alive.
const COPIED_PAYLOAD_BYTES: usize = 4 * 1024;

/// The size of the chunks that small payloads are copied into, once a binding is busy. A binding
/// has two: one is filled while the payloads in the other are handled.
const CHUNK_BYTES: usize = 16 * 1024;

/// The size of a binding's first chunk; each later one is twice as large.
const FIRST_CHUNK_BYTES: usize = 512;

/// So many wrong keys close the connection.
const WRONG_KEYS: u32 = 16;

/// How often the table of queues is swept, in bindings made.
const SWEEP_BINDINGS: usize = 256;

/// The frame queue of a binding, without its message type.
pub(crate) trait InboundQueue: Send + Sync {
    /// The peer bound (again), and is told the window; frames of this binding carry the epoch.
    fn bind(&self, inbound: InboundBinding, window: Window) -> Result<Epoch, EndReason>;

    /// The peer gave a binding up, after so many messages.
    fn unbind(&self, epoch: Epoch, received_messages: u64);

    /// The connection of a binding is gone.
    fn forget(&self, epoch: Epoch);

    /// Puts frames in, and leaves `staged` empty.
    fn push(&self, staged: &mut VecDeque<QueuedFrame>);

    /// What of a binding's credit the peer has been given back.
    fn reported(&self, epoch: Epoch) -> Credit;

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
    bindings: HashMap<BindingId, Bound>,
    /// Bindings that were refused, with the credit for what was sent before our answer arrived.
    refused: HashMap<BindingId, Credit>,
    /// The bindings with staged frames, or with credit for refused ones.
    touched: Vec<BindingId>,
    /// Every queue that still holds frames or is bound, to be found again after a reconnect.
    queues: HashMap<ActorId, Weak<dyn InboundQueue>>,
    bindings_since_sweep: usize,
    /// Keys of this connection that opened no actor.
    wrong_keys: u32,
}

struct Bound {
    queue: Arc<dyn InboundQueue>,
    origin: Arc<Origin>,
    window: Window,
    received: u64,
    received_bytes: u64,
    /// The size of the next chunk.
    chunk_bytes: usize,
    staged: VecDeque<QueuedFrame>,
    chunk: BytesMut,
    /// The chunk that was filled before.
    filled: BytesMut,
}

impl Inbound {
    /// Brings messages of `link`'s peer to the actors of `node`.
    pub fn new(node: Node, link: Weak<dyn Link>) -> Self {
        Self {
            node,
            link,
            generation: 0,
            bindings: HashMap::new(),
            refused: HashMap::new(),
            touched: Vec::new(),
            queues: HashMap::new(),
            bindings_since_sweep: 0,
            wrong_keys: 0,
        }
    }

    /// A new connection of the link is up; `generation` is greater than any before.
    pub fn connected(&mut self, generation: u32) {
        debug_assert!(generation > self.generation, "generations rise");
        self.disconnected();
        self.generation = generation;
    }

    /// The connection is gone. What it brought before is handled; it returns no credit.
    pub fn disconnected(&mut self) {
        // What was too much is handled all the same; there is no link to close any more.
        let _ = self.flush();
        self.wrong_keys = 0;
        for bound in self.bindings.values() {
            bound.queue.forget(bound.origin.epoch);
        }
        self.bindings.clear();
        self.refused.clear();
    }

    /// The peer binds an actor, and is told whether it may.
    ///
    /// # Errors
    ///
    /// [`CloseReason::TooManyWrongKeys`] when it guesses.
    pub fn bind(
        &mut self,
        binding: BindingId,
        bind: &Bind,
        message_limit_bytes: u32,
    ) -> Result<(), CloseReason> {
        if let Err(reason) = self.open(binding, bind, message_limit_bytes) {
            self.refused.insert(binding, Credit::default());
            if let Some(link) = self.link.upgrade() {
                link.ended(self.inbound(binding), &reason);
            }
            self.wrong_keys += u32::from(self.node.exports().is_wrong_key(bind));
        }
        if self.wrong_keys < WRONG_KEYS {
            Ok(())
        } else {
            Err(CloseReason::TooManyWrongKeys)
        }
    }

    fn open(
        &mut self,
        binding: BindingId,
        bind: &Bind,
        message_limit_bytes: u32,
    ) -> Result<(), EndReason> {
        let exports = self.node.exports();
        let window = Window::full(exports.capacity_messages(bind)?, message_limit_bytes);
        let queue = match self.queues.get(&bind.actor).and_then(Weak::upgrade) {
            Some(queue) => queue,
            None => exports.open(bind, self.link.clone())?,
        };
        let epoch = queue.bind(self.inbound(binding), window)?;
        self.remember(bind.actor, &queue);
        let ports = self.ports();
        let bound = Bound {
            queue,
            origin: Arc::new(Origin { epoch, ports }),
            window,
            received: 0,
            received_bytes: 0,
            chunk_bytes: FIRST_CHUNK_BYTES,
            staged: VecDeque::new(),
            chunk: BytesMut::new(),
            filled: BytesMut::new(),
        };
        self.bindings.insert(binding, bound);
        Ok(())
    }

    /// A message arrived; it is staged until [`flush`](Self::flush), or refused there with its
    /// binding.
    pub fn message(&mut self, binding: BindingId, frame: Frame<'_>) {
        let charged = frame_bytes(frame.payload().len());
        let charged_bytes = u32::try_from(charged).expect("a frame is shorter than 4 GiB");
        let Some(bound) = self.bindings.get_mut(&binding) else {
            let credit = self.refused.entry(binding).or_default();
            credit.refused += 1;
            credit.returned_bytes += u64::from(charged_bytes);
            self.touched.push(binding);
            return;
        };
        if bound.staged.is_empty() {
            self.touched.push(binding);
        }
        let payload = bound.keep(frame);
        bound.received += 1;
        bound.received_bytes += u64::from(charged_bytes);
        bound.staged.push_back(QueuedFrame {
            payload,
            charged_bytes,
            origin: Arc::clone(&bound.origin),
        });
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
    /// [`CloseReason::CreditExceeded`] when the peer sent more than a binding's window allows.
    pub fn flush(&mut self) -> Result<(), CloseReason> {
        let is_over =
            |binding: &&BindingId| self.bindings.get(*binding).is_some_and(Bound::overran);
        let overrun = self.touched.iter().find(is_over).copied();
        self.hand_over();
        match overrun {
            Some(binding) => Err(CloseReason::CreditExceeded { binding }),
            None => Ok(()),
        }
    }

    /// The peer asks for an end of the actor, after the messages it sent before.
    ///
    /// # Errors
    ///
    /// As [`flush`](Self::flush).
    pub fn stop(&mut self, binding: BindingId) -> Result<(), CloseReason> {
        self.flush()?;
        if let Some(bound) = self.bindings.get(&binding) {
            bound.queue.stop();
        }
        Ok(())
    }

    /// The peer asks for an end of the actor, at once.
    pub fn kill(&mut self, binding: BindingId) {
        if let Some(bound) = self.bindings.get(&binding) {
            bound.queue.kill();
        }
    }

    /// The peer holds no ref to the actor any more.
    ///
    /// # Errors
    ///
    /// As [`flush`](Self::flush).
    pub fn unbind(&mut self, binding: BindingId) -> Result<(), CloseReason> {
        self.flush()?;
        if let Some(bound) = self.bindings.remove(&binding) {
            bound.queue.unbind(bound.origin.epoch, bound.received);
        } else if let (Some(_), Some(link)) = (self.refused.remove(&binding), self.link.upgrade()) {
            link.unbound(self.inbound(binding));
        }
        Ok(())
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

    fn hand_over(&mut self) {
        for binding in self.touched.drain(..) {
            if let Some(bound) = self.bindings.get_mut(&binding) {
                bound.queue.push(&mut bound.staged);
            } else if let (Some(credit), Some(link)) =
                (self.refused.get(&binding), self.link.upgrade())
            {
                let inbound = InboundBinding {
                    generation: self.generation,
                    binding,
                };
                link.credit(inbound, *credit);
            }
        }
    }

    fn remember(&mut self, actor: ActorId, queue: &Arc<dyn InboundQueue>) {
        self.queues.insert(actor, Arc::downgrade(queue));
        self.bindings_since_sweep += 1;
        if self.bindings_since_sweep >= SWEEP_BINDINGS.max(self.queues.len() / 2) {
            self.bindings_since_sweep = 0;
            self.queues.retain(|_, queue| queue.strong_count() > 0);
        }
    }
}

impl Bound {
    /// Whether the peer has more outstanding than the window admits: what it was told of its
    /// credit is less than what it may know of.
    fn overran(&self) -> bool {
        let reported = self.queue.reported(self.origin.epoch);
        let messages = self
            .received
            .saturating_sub(reported.confirmed + reported.refused);
        let bytes = self.received_bytes.saturating_sub(reported.returned_bytes);
        // A binding opens with the initial window, whatever the ref said of the capacity.
        let most = Window::initial(u32::MAX).messages.max(self.window.messages);
        messages > u64::from(most) || (messages > 1 && bytes > u64::from(self.window.bytes))
    }

    /// The payload as it is queued: a small one copied, a large one as a slice of the receive
    /// buffer.
    fn keep(&mut self, frame: Frame<'_>) -> Bytes {
        let payload = frame.payload();
        if payload.len() > COPIED_PAYLOAD_BYTES {
            return frame.detach();
        }
        let padded_bytes = payload.len().next_multiple_of(16);
        if self.chunk.capacity() < padded_bytes {
            mem::swap(&mut self.chunk, &mut self.filled);
            // Allocates only where payloads of that chunk are still to be handled.
            self.chunk.reserve(self.chunk_bytes.max(padded_bytes));
            self.chunk_bytes = (2 * self.chunk_bytes).min(CHUNK_BYTES);
        }
        let padding = [0; 16];
        self.chunk.extend_from_slice(payload);
        self.chunk
            .extend_from_slice(&padding[..padded_bytes - payload.len()]);
        let mut kept = self.chunk.split_to(padded_bytes);
        kept.truncate(payload.len());
        kept.freeze()
    }
}
