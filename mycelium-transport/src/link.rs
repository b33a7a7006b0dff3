//! [`PeerLink`]: the link to one peer, from the first connection to the peer's end.
//!
//! A send comes in at [`try_send`](Link::try_send): under the link's lock it is encoded straight
//! into the outbound buffer ([`SendHalf`]), then [`flush`](PeerLink::flush) decides who writes:
//! the sender's own thread when the link has been quiet, else the writer task (`driver.rs`), which
//! takes all that gathered in one write.

use std::{
    collections::HashMap,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use mycelium_core::{
    Encode, EncodePorts, Inbound, InboundBinding, Link, LinkFuture, LinkKind, LinkRefusal, Node,
    PendingAsk, Remote,
};
use mycelium_wire::{
    Bind, BindingId, CloseReason, Credit, EndReason, EndedBinding, Limits, NodeId, ReplyFailure,
    Resolved, SendHalf, SendRefused, Window,
};
use tokio::sync::{Mutex as AsyncMutex, oneshot};
use tokio_util::sync::CancellationToken;

use crate::{
    connection::{Connection, Errand, OPEN_QUESTIONS},
    remotes::Remotes,
    socket::Socket,
};

/// What may wait to be read by a peer that asks on; answers need no credit of it.
const UNREAD_REPLY_BYTES: usize = 16 << 20;

/// The link to one life of one peer.
pub(crate) struct PeerLink {
    peer: NodeId,
    limits: Limits,
    /// What the last connection was made of. Beside the lock: refs are encoded under it.
    is_tcp: AtomicBool,
    /// Everything that senders touch. Never held across an await or a write.
    outbound: Mutex<Outbound>,
    /// What the reader brings in; it goes from one connection's reader to the next one's.
    pub(crate) inbound: AsyncMutex<Inbound>,
}

struct Outbound {
    state: State,
    remotes: Remotes,
    last_generation: u32,
    questions: HashMap<u64, oneshot::Sender<Option<Resolved>>>,
    next_question: u64,
    /// The asks that wait for answers, and what else messages are encoded with.
    ports: EncodePorts,
}

enum State {
    Up(Box<Connection>),
    Reconnecting,
    Down(Down),
}

/// Why a peer is not coming back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Down {
    /// It exited, or was silent for too long.
    Dead,
    /// Another life of the node has taken its place.
    Replaced,
}

impl PeerLink {
    pub(crate) fn new(node: &Node, peer: NodeId, kind: LinkKind, limits: Limits) -> Arc<Self> {
        Arc::new_cyclic(|me: &Weak<Self>| {
            let link = me.clone() as Weak<dyn Link>;
            let outbound = Outbound {
                state: State::Reconnecting,
                remotes: Remotes::default(),
                last_generation: 0,
                questions: HashMap::new(),
                next_question: 0,
                ports: EncodePorts::new(node.clone(), link.clone()),
            };
            Self {
                peer,
                limits,
                is_tcp: AtomicBool::new(kind == LinkKind::Tcp),
                outbound: Mutex::new(outbound),
                inbound: AsyncMutex::new(Inbound::new(node.clone(), link)),
            }
        })
    }

    /// A connection is up. The one before it, if there still is one, ends.
    pub(crate) fn connect(&self, send: SendHalf, socket: Arc<Socket>) -> u32 {
        let mut outbound = self.lock();
        outbound.last_generation += 1;
        let generation = outbound.last_generation;
        // Relaxed: whoever makes a ref meanwhile gets the kind of one connection or the other.
        self.is_tcp
            .store(socket.kind() == LinkKind::Tcp, Ordering::Relaxed);
        let connection = Box::new(Connection::new(generation, send, socket));
        let before = mem::replace(&mut outbound.state, State::Up(connection));
        let asks = match &before {
            State::Up(before) => {
                before.failed.cancel();
                outbound.lose(&self.peer, before)
            }
            State::Reconnecting | State::Down(_) => Vec::new(),
        };
        let remotes = outbound.remotes.living();
        drop(outbound);
        asks.into_iter().for_each(PendingAsk::lose);
        for remote in remotes {
            remote.wake();
        }
        generation
    }

    /// A connection is gone; the peer may come back.
    pub(crate) fn disconnect(&self, generation: u32) {
        let mut outbound = self.lock();
        if outbound.connection(generation).is_none() {
            return;
        }
        if let State::Up(lost) = mem::replace(&mut outbound.state, State::Reconnecting) {
            let asks = outbound.lose(&self.peer, &lost);
            drop(outbound);
            asks.into_iter().for_each(PendingAsk::lose);
        }
    }

    /// The longest message that both nodes take.
    pub(crate) fn message_limit_bytes(&self) -> u32 {
        self.limits.message_bytes
    }

    /// The peer is gone for good: whoever waits is told.
    pub(crate) fn end(&self, down: Down) {
        let mut outbound = self.lock();
        let before = mem::replace(&mut outbound.state, State::Down(down));
        let asks = match &before {
            State::Up(before) => {
                before.failed.cancel();
                outbound.lose(&self.peer, before)
            }
            State::Reconnecting | State::Down(_) => Vec::new(),
        };
        let remotes = outbound.remotes.living();
        drop(outbound);
        asks.into_iter().for_each(PendingAsk::bury);
        for remote in remotes {
            remote.wake();
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        matches!(self.lock().state, State::Up(_))
    }

    /// Fires when the connection that is up now is lost; there may be none.
    pub(crate) fn lost(&self) -> Option<CancellationToken> {
        self.lock().up().map(|up| up.lost())
    }

    /// Whether the peer is still awaited, after the connection of this generation was lost.
    pub(crate) fn is_reconnecting_since(&self, generation: u32) -> bool {
        let outbound = self.lock();
        matches!(outbound.state, State::Reconnecting) && outbound.last_generation == generation
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

    /// Our binding has more room from now on.
    pub(crate) fn bound(&self, binding: BindingId, window: Window) -> Result<(), CloseReason> {
        self.relay(binding, |send| send.handle_bound(binding, window))
    }

    /// Messages of our binding were taken.
    pub(crate) fn credited(&self, binding: BindingId, credit: Credit) -> Result<(), CloseReason> {
        self.relay(binding, |send| send.handle_credit(binding, credit))
    }

    /// The actor of our binding is gone.
    pub(crate) fn actor_ended(
        &self,
        binding: BindingId,
        reason: EndReason,
    ) -> Result<(), CloseReason> {
        let mut outbound = self.lock();
        let ended = outbound
            .up()
            .map(|up| up.send.handle_ended(binding))
            .transpose()?;
        let remote = outbound.remotes.get(binding);
        let asks = match ended {
            Some(EndedBinding::Refused) => outbound.ports.pending().take_of(binding),
            Some(EndedBinding::Lived) | None => Vec::new(),
        };
        drop(outbound);
        for ask in asks {
            ask.end(&reason);
        }
        if let Some(remote) = remote {
            remote.end(reason);
        }
        Ok(())
    }

    /// The id of a binding that we gave up is free.
    pub(crate) fn unbound_by_peer(&self, binding: BindingId) -> Result<(), CloseReason> {
        let mut outbound = self.lock();
        outbound
            .up()
            .map_or(Ok(()), |up| up.send.handle_unbound(binding))?;
        outbound.remotes.release(binding);
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

    /// An ask of ours that waits for an answer, to be settled outside the lock.
    pub(crate) fn take_ask(&self, request: u64) -> Option<PendingAsk> {
        self.lock().ports.pending().take(request)
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
    fn relay(
        &self,
        binding: BindingId,
        handle: impl FnOnce(&mut SendHalf) -> Result<(), CloseReason>,
    ) -> Result<(), CloseReason> {
        let mut outbound = self.lock();
        let handled = outbound.up().map_or(Ok(()), |up| handle(&mut up.send));
        let remote = outbound.remotes.get(binding);
        drop(outbound);
        if let Some(remote) = remote {
            remote.wake();
        }
        handled
    }

    /// Appends to the connection of an inbound binding, if it is still up, and writes.
    fn tell(&self, inbound: InboundBinding, append: impl FnOnce(&mut SendHalf)) {
        let mut outbound = self.lock();
        if let Some(connection) = outbound.connection(inbound.generation) {
            append(&mut connection.send);
            self.write(outbound);
        }
    }

    /// Appends to a bound remote's connection, and writes.
    fn signal(&self, remote: &Remote, append: impl FnOnce(&mut SendHalf, BindingId)) {
        let mut outbound = self.lock();
        if let Some(up) = outbound.up() {
            up.bind(remote);
            append(&mut up.send, remote.binding());
            self.write(outbound);
        }
    }

    fn write(&self, mut outbound: MutexGuard<'_, Outbound>) {
        let Some(up) = outbound.up() else { return };
        let generation = up.generation;
        if let Some(errand) = up.appoint_writer() {
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

    fn lock(&self) -> MutexGuard<'_, Outbound> {
        self.outbound.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link for PeerLink {
    fn peer(&self) -> &NodeId {
        &self.peer
    }

    fn kind(&self) -> LinkKind {
        if self.is_tcp.load(Ordering::Relaxed) {
            LinkKind::Tcp
        } else {
            LinkKind::Unix
        }
    }

    fn attach(self: Arc<Self>, actor: Resolved) -> Result<Arc<Remote>, LinkRefusal> {
        let mut outbound = self.lock();
        if let State::Down(down) = outbound.state {
            return Err(down.into());
        }
        if let Some(remote) = outbound.remotes.find(actor.actor) {
            return Ok(remote);
        }
        let binding = outbound.remotes.reserve(self.limits.bindings);
        let binding = binding.ok_or(LinkRefusal::TooManyBindings)?;
        let id = actor.actor;
        let remote = Arc::new(Remote::new(
            Arc::clone(&self) as Arc<dyn Link>,
            actor,
            binding,
        ));
        outbound.remotes.insert(binding, id, &remote);
        Ok(remote)
    }

    fn try_send(&self, remote: &Remote, encode: Encode<'_>) -> Result<(), LinkRefusal> {
        let mut outbound = self.lock();
        let (up, ports) = outbound.take_up_with_ports()?;
        up.bind(remote);
        ports.begin(Some(remote.binding()));
        let sent = up.send.send(remote.binding(), ports, encode);
        ports.conclude(&sent);
        match sent {
            Ok(()) => {
                self.write(outbound);
                Ok(())
            }
            Err(SendRefused::Wire(error)) => Err(error.into()),
            Err(_) => Err(LinkRefusal::NoCredit),
        }
    }

    fn stop(&self, remote: &Remote) {
        self.signal(remote, SendHalf::stop);
    }

    fn kill(&self, remote: &Remote) {
        self.signal(remote, SendHalf::kill);
    }

    fn detach(&self, binding: BindingId) {
        let mut outbound = self.lock();
        outbound.remotes.leave(binding);
        match outbound.up() {
            Some(up) if up.send.is_bound(binding) => {
                up.send.unbind(binding);
                self.write(outbound);
            }
            _ => outbound.remotes.release(binding),
        }
    }

    fn bound(&self, inbound: InboundBinding, window: Window) {
        self.tell(inbound, |send| send.bound(inbound.binding, window));
    }

    fn credit(&self, inbound: InboundBinding, credit: Credit) {
        self.tell(inbound, |send| send.credit(inbound.binding, credit));
    }

    fn unbound(&self, inbound: InboundBinding) {
        self.tell(inbound, |send| send.unbound(inbound.binding));
    }

    fn ended(&self, inbound: InboundBinding, reason: &EndReason) {
        self.tell(inbound, |send| send.ended(inbound.binding, reason));
    }

    fn reply(&self, generation: u32, request: u64, encode: Encode<'_>) -> Result<(), LinkRefusal> {
        let mut outbound = self.lock();
        let (up, ports) = outbound.take_up_with_ports()?;
        if up.generation != generation {
            return Err(LinkRefusal::Reconnecting);
        }
        if up.send.pending_bytes() >= UNREAD_REPLY_BYTES {
            up.fail(CloseReason::TooManyQuestions {
                limit: UNREAD_REPLY_BYTES,
            });
            return Err(LinkRefusal::Reconnecting);
        }
        ports.begin(None);
        let sent = up.send.reply(request, ports, encode);
        ports.conclude(&sent);
        sent?;
        self.write(outbound);
        Ok(())
    }

    fn reply_failed(&self, generation: u32, request: u64, failure: &ReplyFailure) {
        let mut outbound = self.lock();
        if let Some(up) = outbound.connection(generation) {
            up.send.reply_failed(request, failure);
            self.write(outbound);
        }
    }

    fn forget(&self, request: u64) {
        let ask = self.take_ask(request);
        if let Some(ask) = ask {
            ask.lose();
        }
    }

    fn pending_asks(&self) -> usize {
        self.lock().ports.pending().len()
    }

    fn bindings(&self) -> usize {
        self.lock().remotes.len()
    }

    fn fail(&self, generation: u32, reason: CloseReason) {
        self.with_connection(generation, |up| up.fail(reason));
    }

    fn resolve<'a>(
        &'a self,
        name: &'a str,
    ) -> LinkFuture<'a, Result<Option<Resolved>, LinkRefusal>> {
        Box::pin(async move {
            let answer = self.ask(name)?;
            // The sender is dropped when the connection is lost.
            answer.await.map_err(|_| LinkRefusal::Reconnecting)
        })
    }
}

impl Connection {
    /// Binds the remote's id on this connection, where it is not yet.
    fn bind(&mut self, remote: &Remote) {
        if self.send.is_bound(remote.binding()) {
            return;
        }
        let actor = remote.described();
        let bind = Bind {
            actor: actor.actor,
            key: actor.key,
            fingerprint: actor.fingerprint,
            type_name: actor.type_name.clone(),
        };
        self.send
            .bind(remote.binding(), &bind, actor.capacity_messages);
    }
}

impl Outbound {
    fn up(&mut self) -> Option<&mut Connection> {
        match &mut self.state {
            State::Up(connection) => Some(connection),
            State::Reconnecting | State::Down(_) => None,
        }
    }

    /// The connection, or why there is none.
    fn take_up(&mut self) -> Result<&mut Connection, LinkRefusal> {
        Ok(self.take_up_with_ports()?.0)
    }

    fn take_up_with_ports(&mut self) -> Result<(&mut Connection, &mut EncodePorts), LinkRefusal> {
        match &mut self.state {
            State::Up(connection) => Ok((connection, &mut self.ports)),
            State::Reconnecting => Err(LinkRefusal::Reconnecting),
            State::Down(down) => Err((*down).into()),
        }
    }

    fn connection(&mut self, generation: u32) -> Option<&mut Connection> {
        self.up().filter(|up| up.generation == generation)
    }

    /// Reports what was in flight on a connection that is gone, and forgets its questions. The
    /// asks are to be failed outside the lock.
    fn lose(&mut self, peer: &NodeId, lost: &Connection) -> Vec<PendingAsk> {
        let unknown = lost.send.totals().in_flight;
        self.questions.clear();
        self.remotes.release_all();
        if unknown > 0 {
            tracing::warn!(%peer, unknown, "a connection was lost with messages in flight");
        }
        self.ports.pending().take_all()
    }
}

impl From<Down> for LinkRefusal {
    fn from(down: Down) -> Self {
        match down {
            Down::Dead => Self::NodeDown,
            Down::Replaced => Self::Stale,
        }
    }
}
