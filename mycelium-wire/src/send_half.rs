//! [`SendHalf`]: what goes to the peer, from calls to bytes.

mod answers;
mod objects;
mod target;

use std::any::Any;

use rkyv::{ser::allocator::Arena, util::AlignedVec};

use crate::{
    Bind, BindingId, Check, CloseReason, Credit, CreditWindow, Encoder, FRAGMENT_BYTES,
    FrameExtensions, FrameKind, Header, Hello, Limits, Totals, Window, WireError,
    bulk::{Bulk, Sender},
    frame_bytes,
    header::HEADER_LENGTH,
    outbound::OutboundBuffer,
    outbound_binding::{EndedBinding, OutboundBinding},
};

/// Why a message was not sent; nothing of it is in the buffer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendRefused {
    /// The binding's window is full: send again after credit has come. Also where the id is not
    /// bound, which [`SendHalf::is_bound`] tells apart.
    #[error("the binding has no credit left")]
    NoCredit,
    /// The message could not be encoded.
    #[error(transparent)]
    Wire(#[from] WireError),
}

/// The sending half of a connection; lives inside the link's lock.
///
/// Callers write frames straight into the outbound buffer, the writer takes the buffer whole by
/// [`poll_transmit`](Self::poll_transmit). The buffer grows with what windows and control frames
/// admit and keeps its size: after the first rounds of traffic nothing is allocated.
///
/// # Ordering
///
/// Frames of a binding leave in the order of the calls. One that is longer than 64 KiB leaves in
/// fragments, one with each [`poll_transmit`](Self::poll_transmit), between which all else passes:
/// frames of other bindings, answers, and control.
pub struct SendHalf {
    limits: Limits,
    message_limit_bytes: u32,
    outbound: OutboundBuffer,
    bulk: Bulk,
    /// The last frame, while others have to leave before it.
    farewell: Option<AlignedVec<16>>,
    arena: Arena,
    bindings: Vec<Option<OutboundBinding>>,
    /// The counts of bindings that were unbound.
    retired: Totals,
}

impl SendHalf {
    /// Makes a half with nothing bound and nothing to send.
    pub fn new(limits: Limits, check: Check) -> Self {
        let mut half = Self {
            limits,
            message_limit_bytes: 0,
            outbound: OutboundBuffer::new(check),
            bulk: Bulk::default(),
            farewell: None,
            arena: Arena::new(),
            bindings: Vec::new(),
            retired: Totals::default(),
        };
        half.set_message_limit(limits.message_bytes);
        half
    }

    /// Limits messages and replies to the smaller of our own limit and `bytes`, the peer's.
    pub fn set_message_limit(&mut self, bytes: u32) {
        // A frame's length is a u32 and counts the header and, no longer than one, the extensions.
        const MOST: u32 = u32::MAX - 3 * HEADER_LENGTH;
        self.message_limit_bytes = bytes.min(self.limits.message_bytes).min(MOST);
    }

    /// Introduces this node: the first frame.
    ///
    /// # Errors
    ///
    /// [`WireError::TooLarge`] when the addresses do not fit into the frame.
    pub fn hello(&mut self, hello: &Hello) -> Result<(), WireError> {
        hello.write(self.outbound.begin())?;
        self.outbound.commit(Header::new(FrameKind::Hello));
        Ok(())
    }

    /// Confirms the peer's `Hello`; our own bindings may follow at once. `epoch` counts how often
    /// one of the two was declared down, as far as this side knows.
    pub fn confirm(&mut self, peer_nonce: u128, epoch: u32) {
        self.outbound.frame(Header::new(FrameKind::Confirm), |out| {
            out.extend_from_slice(&peer_nonce.to_le_bytes());
            out.extend_from_slice(&epoch.to_le_bytes());
        });
    }

    /// Shows the peer that this side is alive.
    pub fn heartbeat(&mut self) {
        self.outbound
            .frame(Header::new(FrameKind::Heartbeat), |_| {});
    }

    /// Tells the peer why the link ends: the last frame, after all that was sent but the parts of
    /// objects, which are dropped.
    pub fn close(&mut self, reason: &CloseReason) {
        self.bulk.drop_objects();
        let start = self.outbound.committed_bytes();
        self.outbound
            .frame(Header::new(FrameKind::Close), |out| reason.write(out));
        if self.bulk.bytes() > 0 {
            self.farewell = Some(self.outbound.cut(start));
        }
    }

    /// Whether messages may be sent on this id, credit provided.
    pub fn is_bound(&self, binding: BindingId) -> bool {
        self.binding(binding)
            .is_some_and(OutboundBinding::is_in_use)
    }

    /// Whether an id may be bound: it never was, or [`handle_unbound`](Self::handle_unbound) has
    /// come.
    pub fn is_free(&self, binding: BindingId) -> bool {
        self.binding(binding).is_none()
    }

    /// Binds an id to an actor of the peer and opens the initial window; messages may follow at
    /// once.
    ///
    /// The caller owns the ids. An id is free again after [`handle_unbound`](Self::handle_unbound).
    ///
    /// # Panics
    ///
    /// When the id is not free, or not below the limit of bindings.
    pub fn bind(&mut self, binding: BindingId, bind: &Bind, capacity_messages: u32) {
        assert!(
            binding.as_u32() < self.limits.bindings,
            "binding ids are below the limit"
        );
        if self.bindings.len() <= binding.index() {
            self.bindings.resize_with(binding.index() + 1, || None);
        }
        let free = &mut self.bindings[binding.index()];
        assert!(free.is_none(), "an id is bound once at a time");
        let window = Window::initial(capacity_messages);
        *free = Some(OutboundBinding::new(binding, window));
        self.outbound
            .frame(binding_header(FrameKind::Bind, binding), |out| {
                bind.write(out);
            });
    }

    /// Gives a binding up, after the messages sent on it; does nothing where the id is not bound.
    pub fn unbind(&mut self, binding: BindingId) {
        if !self.is_bound(binding) {
            return;
        }
        self.after_last_message(FrameKind::Unbind, binding);
        if let Ok(bound) = self.known(binding) {
            bound.unbind();
        }
    }

    /// Encodes a message into the outbound buffer, if the binding has credit for it.
    ///
    /// `encode` gets the encoder with `ports` behind it. It runs only when there is credit for a
    /// message, but its result is discarded when the message passes the byte window. Writes
    /// the archive once, in place, and allocates nothing once the buffer has grown.
    ///
    /// # Errors
    ///
    /// [`SendRefused`]; the buffer is then as it was.
    pub fn send(
        &mut self,
        binding: BindingId,
        ports: &mut dyn Any,
        encode: &mut dyn FnMut(&mut Encoder<'_>) -> Result<(), WireError>,
    ) -> Result<(), SendRefused> {
        self.send_with(binding, FrameExtensions::default(), ports, encode)
    }

    /// As [`send`](Self::send), with extensions before the payload; the window is charged for them.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send).
    pub fn send_with(
        &mut self,
        binding: BindingId,
        extensions: FrameExtensions,
        ports: &mut dyn Any,
        encode: &mut dyn FnMut(&mut Encoder<'_>) -> Result<(), WireError>,
    ) -> Result<(), SendRefused> {
        let bound = self
            .bindings
            .get_mut(binding.index())
            .and_then(Option::as_mut)
            .filter(|bound| bound.is_in_use() && bound.window.has_room(frame_bytes(0)))
            .ok_or(SendRefused::NoCredit)?;
        let limit_bytes = self.message_limit_bytes as usize;
        let buffer = self.outbound.begin();
        extensions.write(buffer);
        encode(&mut Encoder::new(
            buffer,
            &mut self.arena,
            ports,
            limit_bytes,
        ))?;
        let charge = frame_bytes(self.outbound.body_bytes());
        if !bound.window.has_room(charge) {
            return Err(SendRefused::NoCredit);
        }
        bound.window.charge(charge);
        let header = Header {
            binding,
            sequence: bound.window.last_sequence(),
            flags: extensions.flags(),
            ..Header::new(FrameKind::Message)
        };
        self.commit(Sender::Binding(binding), header);
        Ok(())
    }

    /// Asks the binding's actor to stop after the messages sent so far; does nothing where the id
    /// is not bound.
    pub fn stop(&mut self, binding: BindingId) {
        if self.is_bound(binding) {
            self.after_last_message(FrameKind::Stop, binding);
        }
    }

    /// Ends the binding's actor at once; does nothing where the id is not bound.
    pub fn kill(&mut self, binding: BindingId) {
        if self.is_bound(binding) {
            self.outbound
                .frame(binding_header(FrameKind::Kill, binding), |_| {});
        }
    }

    /// Says that nobody waits for the answer to a message any more; does nothing where the id is
    /// not bound.
    pub fn cancel(&mut self, binding: BindingId, sequence: u32) {
        if self.is_bound(binding) {
            let header = Header {
                sequence,
                ..binding_header(FrameKind::Cancel, binding)
            };
            self.in_order(header);
        }
    }

    /// Takes the target's acceptance of a binding.
    ///
    /// # Errors
    ///
    /// [`CloseReason::UnknownBinding`], and [`CloseReason::Malformed`] when the target has
    /// answered before.
    pub fn handle_bound(&mut self, binding: BindingId, window: Window) -> Result<(), CloseReason> {
        self.known(binding)?.handle_bound(window)
    }

    /// Takes what became of the messages of a binding.
    ///
    /// # Errors
    ///
    /// [`CloseReason::UnknownBinding`] and [`CloseReason::CreditForged`].
    pub fn handle_credit(&mut self, binding: BindingId, credit: Credit) -> Result<(), CloseReason> {
        self.known(binding)?.window.handle_credit(credit)
    }

    /// Takes the end of a binding's actor. The binding stays until it is unbound.
    ///
    /// # Errors
    ///
    /// [`CloseReason::UnknownBinding`], and [`CloseReason::Malformed`] when the actor has ended
    /// before.
    pub fn handle_ended(&mut self, binding: BindingId) -> Result<EndedBinding, CloseReason> {
        self.known(binding)?.handle_ended()
    }

    /// Takes the answer to [`unbind`](Self::unbind): the id is free.
    ///
    /// # Errors
    ///
    /// [`CloseReason::UnknownBinding`], and [`CloseReason::Malformed`] when the binding is in use
    /// or the target has not said what became of all its messages.
    pub fn handle_unbound(&mut self, binding: BindingId) -> Result<(), CloseReason> {
        let bound = self.known(binding)?;
        bound.handle_unbound()?;
        let window = bound.window.clone();
        self.retired.add(&window);
        self.bindings[binding.index()] = None;
        Ok(())
    }

    /// What is under way on a binding, until it is unbound.
    pub fn credit_window(&self, binding: BindingId) -> Option<&CreditWindow> {
        self.binding(binding).map(|bound| &bound.window)
    }

    /// The counts of all bindings, those that were unbound included.
    pub fn totals(&self) -> Totals {
        let mut totals = self.retired;
        for bound in self.bindings.iter().flatten() {
            totals.add(&bound.window);
        }
        totals
    }

    /// Bytes that the windows of all bindings admit together.
    pub fn window_bytes(&self) -> u64 {
        let bound = self.bindings.iter().flatten();
        bound
            .map(|bound| u64::from(bound.window.window().bytes))
            .sum()
    }

    /// Bytes that wait to be taken. A driver that lets a peer ask questions watches it: each
    /// answer and each reply waits here until the peer reads.
    pub fn pending_bytes(&self) -> usize {
        let farewell = self.farewell.as_ref().map_or(0, AlignedVec::len);
        self.outbound.committed_bytes() + self.bulk.bytes() + farewell
    }

    /// Bytes of long answers that wait, of those that [`pending_bytes`](Self::pending_bytes) counts:
    /// [`poll_transmit`](Self::poll_transmit) leaves most of them.
    pub fn long_answer_bytes(&self) -> usize {
        match self.bulk.bytes() {
            0 => 0,
            _ => self.bulk.bytes_of(Sender::Answers),
        }
    }

    /// Swaps what waits with the empty `spare`, but of long frames one fragment only; or says that
    /// nothing waits.
    pub fn poll_transmit(&mut self, spare: &mut AlignedVec<16>) -> bool {
        if self.bulk.bytes() > 0 {
            self.bulk.pop(&mut self.outbound);
        }
        if self.bulk.bytes() == 0
            && let Some(farewell) = self.farewell.take()
        {
            self.outbound.append(&farewell);
        }
        self.outbound.take(spare)
    }

    fn binding(&self, binding: BindingId) -> Option<&OutboundBinding> {
        self.bindings.get(binding.index())?.as_ref()
    }

    fn known(&mut self, binding: BindingId) -> Result<&mut OutboundBinding, CloseReason> {
        self.bindings
            .get_mut(binding.index())
            .and_then(Option::as_mut)
            .ok_or(CloseReason::UnknownBinding(binding))
    }

    fn after_last_message(&mut self, kind: FrameKind, binding: BindingId) {
        let window = self.credit_window(binding);
        let header = Header {
            binding,
            sequence: window.map_or(0, CreditWindow::last_sequence),
            ..Header::new(kind)
        };
        self.in_order(header);
    }

    /// Writes a frame without a payload, behind all that was sent through its binding.
    fn in_order(&mut self, header: Header) {
        self.outbound.begin();
        self.commit(Sender::Binding(header.binding), header);
    }

    /// Finishes a frame that must not pass those before it of its sender.
    fn commit(&mut self, of: Sender, header: Header) {
        if frame_bytes(self.outbound.body_bytes()) > FRAGMENT_BYTES {
            let frame = self.outbound.cut_long(header);
            return self.bulk.push_long(of, frame);
        }
        let start = self.outbound.committed_bytes();
        self.outbound.commit(header);
        if self.bulk.bytes() > 0 && self.bulk.holds(of) {
            let frame = self.outbound.cut(start);
            self.bulk.push_short(of, frame);
        }
    }
}

fn binding_header(kind: FrameKind, binding: BindingId) -> Header {
    Header {
        binding,
        ..Header::new(kind)
    }
}

fn request_header(kind: FrameKind, request: u64) -> Header {
    Header {
        request,
        ..Header::new(kind)
    }
}
