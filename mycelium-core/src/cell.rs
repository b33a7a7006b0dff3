//! [`Cell`]: one actor, in one piece of memory that its refs point to.
//!
//! The front of the cell is what senders touch: the [`Phase`], the [`Mailbox`] and the waker of
//! the owner task. Behind it, under a lock that only the runner of the current phase takes, lies
//! the actor with the future of its current handler (see [`owner`]). The actor's own type is
//! erased from there on, so a ref knows the message type alone.
//!
//! An [`Inbox`](crate::Inbox) is a front with nothing behind it: whoever holds it is the runner.

pub(crate) mod exit;
pub(crate) mod links;
pub(crate) mod lives;
pub(crate) mod owner;
pub(crate) mod phase;

use std::{
    any::type_name,
    sync::{Arc, OnceLock},
    time::Duration,
};

use mycelium_wire::ActorId;
use tokio_util::sync::CancellationToken;

use self::{
    exit::Exit,
    lives::Lives,
    phase::{Phase, Signal, Wake},
};
use crate::{
    Bounds, Message, Node, SpawnOptions, StopReason,
    mailbox::{Mailbox, entry::Entry, local::Found},
    sync::{Mutex, OwnerWaker},
};

/// An actor's cell as its refs see it: whatever is behind the front.
pub(crate) type LocalCell<M> = Cell<M, dyn Send>;

/// An actor: what senders touch in front, what the runner touches behind.
pub(crate) struct Cell<M, O: ?Sized> {
    pub(crate) front: Front<M>,
    /// Guards the actor; taken only by whoever moved the phase to running, so never contended.
    pub(crate) owner: Mutex<O>,
}

/// What an actor is, for people: its type and that of its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) actor: &'static str,
    pub(crate) message: &'static str,
}

/// The part of a cell that senders touch.
pub(crate) struct Front<M> {
    pub(crate) id: ActorId,
    /// Of the node it lives on.
    pub(crate) incarnation: u128,
    /// The actor's type, for people.
    actor_type: &'static str,
    pub(crate) phase: Phase,
    pub(crate) mailbox: Mailbox<M>,
    pub(crate) waker: OwnerWaker,
    pub(crate) exit: Exit,
    /// Of the node; short enough to cost an actor nothing.
    ask_timeout_ms: u32,
    /// Whether the actor wants to know when its messages were sent; its refs know as well.
    pub(crate) measures_age: bool,
    /// Fires when the actor is asked to end; made when somebody first asks for it.
    ending: OnceLock<CancellationToken>,
    /// Of an actor that is kept when a life of it ends.
    pub(crate) lives: Option<Box<Lives>>,
}

impl<M> Front<M> {
    pub(crate) fn new(
        id: ActorId,
        incarnation: u128,
        actor_type: &'static str,
        options: &SpawnOptions,
        ask_timeout: Duration,
        lives: Option<Box<Lives>>,
    ) -> Self {
        Self {
            id,
            incarnation,
            actor_type,
            phase: Phase::new(),
            mailbox: Mailbox::new(options.capacity_messages()),
            waker: OwnerWaker::default(),
            exit: Exit::default(),
            ask_timeout_ms: u32::try_from(ask_timeout.as_millis()).unwrap_or(u32::MAX),
            measures_age: options.measures_age(),
            ending: OnceLock::new(),
            lives,
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        Kind {
            actor: self.actor_type,
            message: type_name::<M>(),
        }
    }

    /// How long an ask of the actor may take whose asker names no time.
    pub(crate) fn ask_timeout(&self) -> Duration {
        Duration::from_millis(self.ask_timeout_ms.into())
    }

    /// A message was stored.
    pub(crate) fn stored(&self, found: Found) {
        match found {
            Found::Empty => self.notify(),
            Found::Filled => {}
            Found::Backlogged => self.tell_backlog(),
        }
    }

    /// The actor lags behind its senders: warns once, until the backlog has gone.
    #[cold]
    pub(crate) fn tell_backlog(&self) {
        tracing::warn!(
            actor = %self.id,
            message_type = type_name::<M>(),
            waiting_messages = self.mailbox.len(),
            capacity_messages = self.mailbox.local.capacity_messages(),
            "an actor lags: its mailbox is filling up"
        );
    }

    /// The number of the actor's life; 0 where it has only one.
    pub(crate) fn life(&self) -> u32 {
        self.lives.as_ref().map_or(0, |lives| lives.number())
    }

    /// The life that whoever links to the actor means: the one there is, or the next.
    pub(crate) fn life_to_link(&self) -> u32 {
        self.lives.as_ref().map_or(0, |lives| lives.to_link())
    }

    /// Whether there is an actor that handles messages now.
    pub(crate) fn is_alive(&self) -> bool {
        let lives = self.lives.as_ref();
        !self.phase.is_ended() && lives.is_none_or(|lives| lives.is_alive())
    }

    /// Whether the actor ends, or its life does, as by a kill.
    pub(crate) fn is_killed(&self) -> bool {
        let lives = self.lives.as_ref();
        self.exit.reason() == StopReason::Killed || lives.is_some_and(|lives| lives.is_killed())
    }

    /// Settles why the actor ends, or its life does: the first reason counts.
    fn decide(&self, reason: StopReason) -> StopReason {
        match &self.lives {
            Some(lives) => lives.decide(reason),
            None => self.exit.decide(reason).clone(),
        }
    }

    /// Fires when the actor is asked to end, or its life is, or has ended.
    pub(crate) fn ending(&self) -> CancellationToken {
        if let Some(lives) = &self.lives {
            return lives.ending();
        }
        let ending = self.ending.get_or_init(CancellationToken::new).clone();
        // Whoever ended the actor before the token was there could not fire it.
        if self.mailbox.local.is_closed() {
            ending.cancel();
        }
        ending
    }

    /// A life of a kept actor is over: whoever follows it is told, its keeper last.
    fn outlive(&self, lives: &Lives, reason: &StopReason) {
        if let Some(life) = lives.end(&self.phase) {
            self.exit.end_life(life, reason);
            lives.tell_ended(life, reason);
        }
    }

    /// A life of a kept actor has started.
    fn started(&self) {
        if let Some(lives) = &self.lives {
            let life = lives.started();
            self.exit.begin_life(life);
        }
    }

    /// Refuses every later message, and tells those who wait for the end.
    pub(crate) fn close(&self) {
        self.mailbox.close();
        if let Some(ending) = self.ending.get() {
            ending.cancel();
        }
    }

    /// The mailbox is no longer empty.
    pub(crate) fn notify(&self) {
        self.pay(self.phase.notify());
    }

    fn pay(&self, owed: Wake) {
        if owed == Wake::Owner {
            self.waker.wake();
        }
    }
}

impl<M: Message> Front<M> {
    /// Ends the actor: senders are refused, what is left is counted, whoever waits is told.
    ///
    /// For the runner alone; `discard` drops what was not handled and says how much that was.
    pub(crate) fn tear_down(
        &self,
        node: &Node,
        reason: StopReason,
        discard: impl FnOnce(&Self) -> usize,
    ) {
        let reason = self.exit.decide(reason).clone();
        self.close();
        let left = discard(self);
        self.phase.end();
        if let Some(lives) = &self.lives {
            self.outlive(lives, &reason);
        }
        node.forget::<M>(self.id, &reason, left);
        self.exit.end();
    }
}

impl<M, O: ?Sized> Cell<M, O> {
    pub(crate) fn mailbox(&self) -> &Mailbox<M> {
        &self.front.mailbox
    }
}

/// What may be asked of an actor whatever its message type.
pub(crate) trait Control: Send + Sync {
    /// Refuses later messages; the actor ends once it has handled those it accepted. Of an actor that
    /// is kept only the life ends, and nothing is refused.
    fn stop(&self);
    /// Ends the actor, or its life where it is kept, at its next await, without handling what it
    /// accepted.
    fn kill(&self);
    /// Ends the actor for good, as a kill of one that is not kept.
    fn end(&self, reason: StopReason);
    /// Whether somebody keeps it: it is theirs to end.
    fn is_kept(&self) -> bool;
    /// How much of its own process may wait in its mailbox.
    fn bounds(&self) -> Bounds;
    /// What the actor is.
    fn kind(&self) -> Kind;
}

impl<M: Send, O: Send + ?Sized> Control for Cell<M, O> {
    fn stop(&self) {
        if let Some(lives) = &self.front.lives {
            return self.ask_life(lives, Signal::Retire, None);
        }
        self.front.close();
        self.front.pay(self.front.phase.signal(Signal::Stop));
    }

    fn kill(&self) {
        match &self.front.lives {
            Some(lives) => self.ask_life(lives, Signal::Abort, Some(StopReason::Killed)),
            None => self.end_now(StopReason::Killed),
        }
    }

    fn end(&self, reason: StopReason) {
        self.end_now(reason);
    }

    fn is_kept(&self) -> bool {
        self.front.lives.is_some()
    }

    fn bounds(&self) -> Bounds {
        let local_messages = self.mailbox().local.capacity_messages() as u64;
        Bounds {
            local_messages,
            local_bytes: local_messages.saturating_mul(size_of::<Entry<M>>() as u64),
            ..Bounds::default()
        }
    }

    fn kind(&self) -> Kind {
        self.front.kind()
    }
}

impl<M, O: ?Sized> Cell<M, O> {
    /// Ends the actor for good at its next await, for this reason.
    pub(crate) fn end_now(&self, reason: StopReason) {
        // The flag first: an owner that finds the reason settled must find the kill as well, or it
        // would run `stopped` with it. The reason before the queue: a refused sender reads it.
        let owed = self.front.phase.signal(Signal::Kill);
        self.front.exit.decide(reason);
        self.front.close();
        self.front.pay(owed);
    }
}

/// Gives a typed cell its erased form.
pub(crate) fn erase<M: Send + 'static, O: Send + 'static>(
    cell: Arc<Cell<M, O>>,
) -> Arc<LocalCell<M>> {
    cell
}
