//! [`PeerLink`]: the link to one peer, from the first connection to the peer's end.
//!
//! A send comes in at [`try_send`](Link::try_send) (`link/port.rs`): under the link's lock it is encoded straight
//! into the outbound buffer ([`SendHalf`]), then [`flush`](PeerLink::flush) decides who writes:
//! the sender's own thread when the link has been quiet, else the writer task (`driver.rs`), which
//! takes all that gathered in one write.

mod life;
mod objects;
mod port;

use std::{
    fmt,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use mycelium_core::{
    EncodePorts, Inbound, Link, LinkEvent, LinkKind, LinkRefusal, Node, PeerClock, PendingAsk,
    Remote,
};
use mycelium_wire::{
    BindingId, CloseReason, Credit, EndReason, EndedBinding, Limits, NodeId, Resolved, SendHalf,
    Window,
};
use tokio::sync::{Mutex as AsyncMutex, Notify, oneshot};

use crate::{
    connection::{Connection, Errand, OPEN_QUESTIONS},
    handshake::Origin,
    outbound::{Down, Outbound, Released, Signal},
    socket::Socket,
};

/// The link to one life of one peer.
pub(crate) struct PeerLink {
    node: Node,
    peer: NodeId,
    /// Whether the last connection was over TCP: a pair may find a better way when it links again.
    is_tcp: AtomicBool,
    /// How often one of the two nodes was declared down before.
    epoch: u32,
    clock: PeerClock,
    limits: Limits,
    /// Whether the peer was heard since the liveness thread looked last.
    was_heard: AtomicBool,
    /// As `was_heard`, over the bypass: what comes there says nothing of the link's own connection.
    was_bypass_heard: AtomicBool,
    /// Everything that senders touch. Never held across an await or a write.
    outbound: Mutex<Outbound>,
    /// What the reader brings in; it goes from one connection's reader to the next one's.
    pub(crate) inbound: AsyncMutex<Inbound>,
    /// Notifies all who wait for it when a connection is gone.
    lost: Notify,
    /// Notifies all who wait for it when there is a bypass, or will be none.
    widening: Notify,
}

impl PeerLink {
    pub(crate) fn new(
        node: &Node,
        peer: NodeId,
        epoch: u32,
        kind: LinkKind,
        clock: PeerClock,
        limits: Limits,
    ) -> Arc<Self> {
        Arc::new_cyclic(|me: &Weak<Self>| {
            let link = me.clone() as Weak<dyn Link>;
            let ports = EncodePorts::new(node.clone(), link.clone());
            Self {
                node: node.clone(),
                peer,
                is_tcp: AtomicBool::new(kind == LinkKind::Tcp),
                epoch,
                clock,
                limits,
                was_heard: AtomicBool::new(true),
                was_bypass_heard: AtomicBool::new(true),
                outbound: Mutex::new(Outbound::new(ports)),
                inbound: AsyncMutex::new(Inbound::new(node.clone(), link)),
                lost: Notify::new(),
                widening: Notify::new(),
            }
        })
    }

    /// A connection is up. The one before it, if there still is one, ends. The link must not have
    /// ended.
    pub(crate) fn connect(
        &self,
        origin: Origin,
        send: SendHalf,
        socket: Arc<Socket>,
    ) -> (u32, Released) {
        // Relaxed: whoever makes a ref meanwhile gets the kind of one connection or the other.
        self.is_tcp
            .store(socket.kind() == LinkKind::Tcp, Ordering::Relaxed);
        let make = |generation| Connection::new(generation, origin, send, socket);
        let connected = self.lock().connect(&self.peer, make);
        self.report_loss(&connected.1);
        self.widening.notify_waiters();
        let peer = self.peer.clone();
        self.node.report_link(LinkEvent::Up { peer });
        connected
    }

    /// Tells of a connection that was lost on the way.
    fn report_loss(&self, released: &Released) {
        if let Some(unknown) = released.lost {
            let peer = self.peer.clone();
            self.node.report_link(LinkEvent::Lost { peer, unknown });
        }
    }

    /// A connection is gone; the peer may come back.
    pub(crate) fn disconnect(&self, generation: u32) {
        let released = self.lock().disconnect(&self.peer, generation);
        if let Some(released) = released {
            self.report_loss(&released);
            self.lost.notify_waiters();
            self.widening.notify_waiters();
            released.wake();
        }
    }

    /// The longest message that both nodes take.
    pub(crate) fn message_limit_bytes(&self) -> u32 {
        self.limits.message_bytes
    }

    /// The peer is gone for good: whoever waits is to be told.
    pub(crate) fn end(&self, down: Down) -> Released {
        let released = self.lock().end(&self.peer, down);
        self.report_loss(&released);
        self.lost.notify_waiters();
        self.widening.notify_waiters();
        released
    }

    /// Which of the pair's links this is.
    pub(crate) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Whether the peer was declared down.
    pub(crate) fn is_dead(&self) -> bool {
        self.lock().down() == Some(Down::Dead)
    }

    pub(crate) fn is_up(&self) -> bool {
        self.lock().up().is_some()
    }

    /// Waits until the link has no connection.
    pub(crate) async fn wait_for_loss(&self) {
        loop {
            let mut lost = pin!(self.lost.notified());
            lost.as_mut().enable();
            if !self.is_up() {
                return;
            }
            lost.await;
        }
    }

    /// Whether the peer is still awaited, after the connection of this generation was lost.
    pub(crate) fn is_reconnecting_since(&self, generation: u32) -> bool {
        self.lock().is_reconnecting_since(generation)
    }

    /// Runs `act` on the connection of this generation, if it is still up.
    pub(crate) fn with_connection<T>(
        &self,
        generation: u32,
        act: impl FnOnce(&mut Connection) -> T,
    ) -> Option<T> {
        self.lock().connection(generation).map(act)
    }

    /// Sees to it that what was appended is written.
    pub(crate) fn flush(&self) {
        self.write(self.lock());
    }

    /// As [`flush`](Self::flush), for the connection of this generation.
    pub(crate) fn flush_to(&self, generation: u32) {
        self.write_to(self.lock(), generation);
    }

    /// Our binding has more room from now on; no more than this node is willing to keep for a peer
    /// that does not read.
    pub(crate) fn bound(
        &self,
        generation: u32,
        binding: BindingId,
        window: Window,
    ) -> Result<(), CloseReason> {
        let most = Window::full(u32::MAX, self.limits.message_bytes);
        let window = Window {
            messages: window.messages.min(most.messages),
            bytes: window.bytes.min(most.bytes),
        };
        self.relay(generation, binding, |send| {
            send.handle_bound(binding, window)
        })
    }

    /// Messages of our binding were taken.
    pub(crate) fn credited(
        &self,
        generation: u32,
        binding: BindingId,
        credit: Credit,
    ) -> Result<(), CloseReason> {
        self.relay(generation, binding, |send| {
            send.handle_credit(binding, credit)
        })
    }

    /// The actor of our binding is gone.
    pub(crate) fn actor_ended(
        &self,
        generation: u32,
        binding: BindingId,
        reason: EndReason,
    ) -> Result<(), CloseReason> {
        let mut outbound = self.lock();
        let Some(up) = outbound.connection(generation) else {
            return Ok(());
        };
        let ended = up.send.handle_ended(binding)?;
        // From here on nothing is sent to it: no ask joins those that are taken out.
        let remote = outbound.remotes.get(binding);
        if let Some(remote) = &remote {
            remote.end(reason.clone());
        }
        let asks = match ended {
            EndedBinding::Refused => outbound.ports.pending().take_of(binding),
            EndedBinding::Lived => Vec::new(),
        };
        drop(outbound);
        for ask in asks {
            ask.end(&reason);
        }
        if let Some(remote) = remote {
            remote.mourn(&(&reason).into());
            remote.wake();
        }
        Ok(())
    }

    /// The peer has let go of a binding that we gave up.
    pub(crate) fn unbound_by_peer(
        &self,
        generation: u32,
        binding: BindingId,
    ) -> Result<(), CloseReason> {
        let mut outbound = self.lock();
        let Some(up) = outbound.connection(generation) else {
            return Ok(());
        };
        up.send.handle_unbound(binding)?;
        let released = outbound.unbound(binding);
        drop(outbound);
        released.wake();
        Ok(())
    }

    /// Answers a question of the peer's; the reader flushes.
    ///
    /// # Errors
    ///
    /// The peer asks on and on without reading the answers.
    pub(crate) fn answer(
        &self,
        generation: u32,
        question: u64,
        resolved: Option<&Resolved>,
    ) -> Result<(), CloseReason> {
        let answer = |up: &mut Connection| up.answer(question, resolved);
        self.with_connection(generation, answer).unwrap_or(Ok(()))
    }

    /// An ask of ours whose answer has come, to be settled outside the lock. One that comes late is
    /// counted.
    pub(crate) fn take_answered(&self, request: u64) -> Option<PendingAsk> {
        let mut outbound = self.lock();
        let ask = outbound.ports.pending().take(request);
        if ask.is_none() {
            outbound.count_late_reply();
        }
        ask
    }

    /// Takes out an ask whose asker has left, and tells the peer that its message need not be handled.
    fn cancel(&self, request: u64) -> Option<PendingAsk> {
        let mut outbound = self.lock();
        let message = outbound.ports.pending().message_of(request);
        let ask = outbound.ports.pending().take(request)?;
        if let Some((binding, sequence)) = message
            && let Ok(up) = outbound.take_up()
        {
            up.send.cancel(binding, sequence);
            self.write(outbound);
        }
        Some(ask)
    }

    /// The answer to a question of ours; one that nobody asked for, or waits for, is dropped.
    pub(crate) fn answered(&self, question: u64, resolved: Option<Resolved>) {
        let asker = self.lock().questions.remove(&question);
        if let Some(asker) = asker {
            // Whoever asked may have left.
            let _ = asker.send(resolved);
        }
    }

    /// Lets the connection's halves agree, then the line of those who wait for the binding move.
    ///
    /// What a connection still brings after another took its place says nothing about the
    /// bindings of the new one.
    fn relay(
        &self,
        generation: u32,
        binding: BindingId,
        handle: impl FnOnce(&mut SendHalf) -> Result<(), CloseReason>,
    ) -> Result<(), CloseReason> {
        let mut outbound = self.lock();
        let Some(up) = outbound.connection(generation) else {
            return Ok(());
        };
        let handled = handle(&mut up.send);
        let remote = outbound.remotes.get(binding);
        drop(outbound);
        if let Some(remote) = remote {
            remote.wake();
        }
        handled
    }

    /// Appends to a connection what it called forth, if it is still up, and writes.
    fn tell(&self, generation: u32, append: impl FnOnce(&mut SendHalf)) {
        let mut outbound = self.lock();
        if let Some(connection) = outbound.connection(generation) {
            connection.reply(append);
            self.write_to(outbound, generation);
        }
    }

    fn signal(&self, remote: &Remote, signal: Signal) {
        let mut outbound = self.lock();
        outbound.signal(remote, signal, self.limits.bindings);
        self.write(outbound);
    }

    /// Sees to it that what was appended to the link's own connection is written.
    fn write(&self, mut outbound: MutexGuard<'_, Outbound>) {
        if let Some(generation) = outbound.up().map(|up| up.generation) {
            self.write_to(outbound, generation);
        }
    }

    /// As [`write`](Self::write), for the connection of this generation.
    fn write_to(&self, mut outbound: MutexGuard<'_, Outbound>, generation: u32) {
        let up = outbound.connection(generation);
        if let Some(errand) = up.and_then(Connection::appoint_writer) {
            drop(outbound);
            self.write_now(generation, errand);
        }
    }

    /// Writes on the caller's thread what the kernel takes; the writer task does the rest.
    fn write_now(&self, generation: u32, errand: Errand) {
        let Errand { mut batch, socket } = errand;
        // An error shows again, and for good, in the writer task.
        let written_bytes = socket.try_write(batch.rest()).unwrap_or(0);
        batch.advance(written_bytes);
        self.with_connection(generation, |up| up.written_by_caller(batch));
    }

    fn ask(&self, name: &str) -> Result<oneshot::Receiver<Option<Resolved>>, LinkRefusal> {
        let mut outbound = self.lock();
        outbound.questions.retain(|_, asker| !asker.is_closed());
        if outbound.questions.len() >= OPEN_QUESTIONS {
            return Err(LinkRefusal::NoCredit);
        }
        let question = outbound.next_question;
        outbound.take_up()?.send.resolve(question, name)?;
        outbound.next_question += 1;
        let (asker, answer) = oneshot::channel();
        outbound.questions.insert(question, asker);
        self.write(outbound);
        Ok(answer)
    }

    /// A peer that went down may have been met since, in another life or a later epoch. Takes the lock
    /// of the node's links: not under that of the link.
    fn as_of_now(&self, refusal: LinkRefusal) -> LinkRefusal {
        let is_met = || self.node.is_linked_to(self.peer.name());
        match refusal {
            LinkRefusal::NodeDown if is_met() => LinkRefusal::Stale,
            refusal => refusal,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Outbound> {
        self.outbound.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for PeerLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerLink({})", self.peer)
    }
}
