//! [`Outbound`]: the sending side of a link, over all of its connections.

use std::{collections::HashMap, mem, sync::Arc};

use mycelium_core::{
    EncodePorts, LinkRefusal, LinkState, LinkStats, OutgoingTransfer, PendingAsk, Remote,
    StopReason,
};
use mycelium_wire::{Bind, BindingId, NodeId, Resolved};
use tokio::sync::oneshot;

use crate::{bypass::Bypass, connection::Connection, remotes::Remotes};

/// What senders touch, under the lock of their link.
pub(crate) struct Outbound {
    state: State,
    pub(crate) remotes: Remotes,
    last_generation: u32,
    /// Of the link's own last connection; the others were bypasses.
    own_generation: u32,
    /// What went over the connections before.
    past: LinkStats,
    pub(crate) questions: HashMap<u64, oneshot::Sender<Option<Resolved>>>,
    pub(crate) next_question: u64,
    /// Signals that wait for the next connection, or for the peer to let go of a binding; at most
    /// one of each kind for an actor.
    signals: Vec<(Arc<Remote>, Signal)>,
    pub(crate) bypass: Bypass,
    /// The asks that wait for answers, and what else messages are encoded with.
    pub(crate) ports: EncodePorts,
}

/// What may be asked of an actor.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    Stop,
    Kill,
}

/// Refs to be woken, and perhaps dropped, and asks to be failed, once no lock is held: dropping
/// the last ref to an actor takes the link's.
#[must_use]
#[derive(Default)]
pub(crate) struct Released {
    remotes: Vec<Arc<Remote>>,
    asks: Vec<PendingAsk>,
    objects: Vec<Arc<OutgoingTransfer>>,
    /// How many messages were in flight, where a connection was lost.
    pub(crate) lost: Option<u64>,
    is_final: bool,
}

impl Released {
    pub(crate) fn wake(self) {
        let settle = if self.is_final {
            PendingAsk::bury
        } else {
            PendingAsk::lose
        };
        self.asks.into_iter().for_each(settle);
        for object in self.objects {
            if self.is_final {
                object.bury();
            } else {
                object.lose();
            }
        }
        for remote in self.remotes {
            if self.is_final {
                remote.mourn(&StopReason::NodeDown);
            }
            remote.wake();
        }
    }
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

impl Outbound {
    /// The sending side of a link that has no connection yet.
    pub(crate) fn new(ports: EncodePorts) -> Self {
        Self {
            state: State::Reconnecting,
            remotes: Remotes::default(),
            last_generation: 0,
            own_generation: 0,
            past: LinkStats::default(),
            questions: HashMap::new(),
            next_question: 0,
            signals: Vec::new(),
            bypass: Bypass::default(),
            ports,
        }
    }

    /// A connection is up. The one before it, if there still is one, ends.
    pub(crate) fn connect(
        &mut self,
        peer: &NodeId,
        make: impl FnOnce(u32) -> Connection,
    ) -> (u32, Released) {
        debug_assert!(
            !matches!(self.state, State::Down(_)),
            "the end of a link is final"
        );
        self.own_generation = self.next_generation();
        let mut connection = Box::new(make(self.own_generation));
        let mut remotes = self.remotes.living();
        for remote in remotes.iter().filter(|remote| is_awaited(remote)) {
            connection.bind(remote);
        }
        for (remote, signal) in self.signals.drain(..) {
            connection.signal(&remote, signal);
            remotes.push(remote);
        }
        let released = Released {
            remotes,
            ..self.replace(peer, State::Up(connection))
        };
        (self.own_generation, released)
    }

    /// The connection of this generation is gone; `None` where it was not up any more.
    pub(crate) fn disconnect(&mut self, peer: &NodeId, generation: u32) -> Option<Released> {
        self.up().filter(|up| up.generation == generation)?;
        Some(self.replace(peer, State::Reconnecting))
    }

    /// The peer is gone for good.
    pub(crate) fn end(&mut self, peer: &NodeId, down: Down) -> Released {
        let replaced = self.replace(peer, State::Down(down));
        self.questions.clear();
        let mut remotes = self.remotes.living();
        remotes.extend(self.signals.drain(..).map(|(remote, _)| remote));
        Released {
            remotes,
            is_final: true,
            ..replaced
        }
    }

    /// Whether the peer is still awaited, after the connection of this generation was lost.
    pub(crate) fn is_reconnecting_since(&self, generation: u32) -> bool {
        matches!(self.state, State::Reconnecting) && self.own_generation == generation
    }

    /// The connection, also one that takes no more messages.
    pub(crate) fn up(&mut self) -> Option<&mut Connection> {
        match &mut self.state {
            State::Up(connection) => Some(connection),
            State::Reconnecting | State::Down(_) => None,
        }
    }

    /// What became of the messages that were sent.
    pub(crate) fn stats(&self) -> LinkStats {
        let mut stats = self.past;
        if let State::Up(up) = &self.state {
            stats += up.send.totals().into();
        }
        stats
    }

    /// An answer came that nobody waited for any more.
    pub(crate) fn count_late_reply(&mut self) {
        self.past.late_replies += 1;
    }

    /// How the link is.
    pub(crate) fn state(&self) -> LinkState {
        match &self.state {
            State::Up(up) if up.life.is_suspected() => LinkState::Suspected,
            State::Up(_) => LinkState::Up,
            State::Reconnecting => LinkState::Reconnecting,
            State::Down(_) => LinkState::Down,
        }
    }

    /// The connection, or why nothing can be sent.
    pub(crate) fn take_up(&mut self) -> Result<&mut Connection, LinkRefusal> {
        Ok(self.take_up_with_ports()?.0)
    }

    /// The connection with what messages are encoded with, or why nothing can be sent.
    pub(crate) fn take_up_with_ports(
        &mut self,
    ) -> Result<(&mut Connection, &mut EncodePorts), LinkRefusal> {
        match &mut self.state {
            State::Up(connection) if connection.is_open() => Ok((connection, &mut self.ports)),
            State::Up(_) | State::Reconnecting => Err(LinkRefusal::Reconnecting),
            State::Down(down) => Err((*down).into()),
        }
    }

    /// Why the peer is not coming back, if it is not.
    pub(crate) fn down(&self) -> Option<Down> {
        match self.state {
            State::Down(down) => Some(down),
            State::Up(_) | State::Reconnecting => None,
        }
    }

    /// Asks something of an actor, at once or as soon as it can be.
    ///
    /// A stop comes after what was sent before: it waits until the peer has taken that, where the
    /// binding is being given up. A kill waits for nothing, and takes a binding of its own then.
    pub(crate) fn signal(&mut self, remote: &Remote, signal: Signal, most_bindings: u32) {
        match self.take_up() {
            Ok(up) => {
                if !up.signal(remote, signal) && !self.kill_beside(remote, signal, most_bindings) {
                    self.keep(remote.binding(), signal);
                }
            }
            Err(LinkRefusal::Reconnecting) => self.keep(remote.binding(), signal),
            Err(_) => {}
        }
    }

    fn kill_beside(&mut self, remote: &Remote, signal: Signal, most_bindings: u32) -> bool {
        let State::Up(up) = &mut self.state else {
            return false;
        };
        if signal != Signal::Kill {
            return false;
        }
        if self.remotes.is_passed_for(remote.binding()) {
            return true;
        }
        let Some(binding) = self.remotes.reserve(most_bindings) else {
            return false;
        };
        self.remotes.pass(binding, remote.binding());
        up.bind_as(binding, remote);
        up.send.kill(binding);
        up.send.unbind(binding);
        true
    }

    /// The peer has taken all that was sent through a binding that was given up: a ref that took it
    /// over may send.
    pub(crate) fn unbound(&mut self, binding: BindingId) -> Released {
        self.ports.pending().settle_binding(binding);
        self.remotes.release(binding);
        let mut remotes: Vec<_> = self.remotes.get(binding).into_iter().collect();
        if let State::Up(up) = &mut self.state
            && up.is_open()
        {
            let of_binding = |(remote, _): &mut (Arc<Remote>, Signal)| remote.binding() == binding;
            for remote in remotes.iter().filter(|remote| is_awaited(remote)) {
                up.bind(remote);
            }
            for (remote, signal) in self.signals.extract_if(.., of_binding) {
                up.signal(&remote, signal);
                remotes.push(remote);
            }
        }
        Released {
            remotes,
            ..Released::default()
        }
    }

    /// Keeps a signal, and with it the ref, until it can be sent.
    fn keep(&mut self, binding: BindingId, signal: Signal) {
        let is_kept =
            |(other, same): &(Arc<Remote>, Signal)| other.binding() == binding && *same == signal;
        if !self.signals.iter().any(is_kept)
            && let Some(remote) = self.remotes.get(binding)
        {
            self.signals.push((remote, signal));
        }
    }

    /// The connection of this generation, if it is up: the link's own, or its bypass.
    pub(crate) fn connection(&mut self, generation: u32) -> Option<&mut Connection> {
        let own = match &mut self.state {
            State::Up(connection) => Some(&mut **connection),
            State::Reconnecting | State::Down(_) => None,
        };
        let both = own.into_iter().chain(self.bypass.up());
        both.into_iter().find(|up| up.generation == generation)
    }

    /// Numbers a connection.
    pub(crate) fn next_generation(&mut self) -> u32 {
        self.last_generation += 1;
        self.last_generation
    }

    /// What objects go over, or why nothing can be sent.
    pub(crate) fn take_up_for_objects(&mut self) -> Result<&mut Connection, LinkRefusal> {
        if self.bypass.up().is_some_and(|up| up.is_open()) {
            return self.bypass.up().ok_or(LinkRefusal::Reconnecting);
        }
        self.take_up()
    }

    /// Leaves the state before. A connection that was up ends: what was in flight on it is reported
    /// as unknown, its questions are forgotten, and its asks are to be failed.
    fn replace(&mut self, peer: &NodeId, state: State) -> Released {
        let State::Up(lost) = mem::replace(&mut self.state, state) else {
            return Released::default();
        };
        lost.failed.cancel();
        self.questions.clear();
        self.remotes.release_all();
        let totals = lost.send.totals();
        let unknown = totals.in_flight;
        self.past += totals.into();
        // Nobody will hear of these.
        self.past.unknown += mem::take(&mut self.past.in_flight);
        if unknown > 0 {
            tracing::warn!(%peer, unknown, "a connection was lost with messages in flight");
        }
        Released {
            asks: self.ports.pending().take_all(),
            objects: self.bypass.end_all(),
            lost: Some(unknown),
            ..Released::default()
        }
    }
}

impl Connection {
    /// Binds the remote's id on this connection, where it is free: one that the peer has yet to let
    /// go of is not, and gives no credit until then.
    pub(crate) fn bind(&mut self, remote: &Remote) {
        if self.send.is_free(remote.binding()) {
            self.bind_as(remote.binding(), remote);
        }
    }

    fn bind_as(&mut self, binding: BindingId, remote: &Remote) {
        let actor = remote.described();
        let bind = Bind {
            actor: actor.actor,
            key: actor.key,
            fingerprint: actor.fingerprint,
            type_name: actor.type_name.clone(),
        };
        self.send.bind(binding, &bind, actor.capacity_messages);
    }

    /// Asks something of the remote's actor; `false` where its binding is being given up.
    fn signal(&mut self, remote: &Remote, signal: Signal) -> bool {
        self.bind(remote);
        match signal {
            Signal::Stop => self.send.stop(remote.binding()),
            Signal::Kill => self.send.kill(remote.binding()),
        }
        self.send.is_bound(remote.binding())
    }
}

/// Whether the end of a living actor is to be heard of: it has to be bound.
fn is_awaited(remote: &Remote) -> bool {
    remote.is_watched() && remote.end_reason().is_none()
}

impl From<Down> for LinkRefusal {
    fn from(down: Down) -> Self {
        match down {
            Down::Dead => Self::NodeDown,
            Down::Replaced => Self::Stale,
        }
    }
}
