//! [`Cell`]: one actor, in one piece of memory that its refs point to.
//!
//! The front of the cell is what senders touch: the [`Phase`], the [`Mailbox`] and the waker of
//! the owner task. Behind it, under a lock that only the runner of the current phase takes, lies
//! the actor with the future of its current handler (see [`owner`]). The actor's own type is
//! erased from there on, so a ref knows the message type alone.
//!
//! An [`Inbox`](crate::Inbox) is a front with nothing behind it: whoever holds it is the runner.

pub(crate) mod owner;
pub(crate) mod phase;

use std::{
    any::type_name,
    mem,
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use mycelium_wire::ActorId;
use tokio_util::sync::CancellationToken;

use self::{
    owner::contain,
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
}

impl<M> Front<M> {
    pub(crate) fn new(
        id: ActorId,
        incarnation: u128,
        actor_type: &'static str,
        options: &SpawnOptions,
        ask_timeout: Duration,
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

    /// Fires when the actor is asked to end, or has ended.
    pub(crate) fn ending(&self) -> CancellationToken {
        let ending = self.ending.get_or_init(CancellationToken::new).clone();
        // Whoever ended the actor before the token was there could not fire it.
        if self.mailbox.local.is_closed() {
            ending.cancel();
        }
        ending
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
    /// Refuses later messages; the actor ends once it has handled those it accepted.
    fn stop(&self);
    /// Ends the actor at its next await, without handling what it accepted.
    fn kill(&self);
    /// How much of its own process may wait in its mailbox.
    fn bounds(&self) -> Bounds;
    /// What the actor is.
    fn kind(&self) -> Kind;
}

impl<M: Send, O: Send + ?Sized> Control for Cell<M, O> {
    fn stop(&self) {
        self.front.close();
        self.front.pay(self.front.phase.signal(Signal::Stop));
    }

    fn kill(&self) {
        self.end_now(StopReason::Killed);
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
    /// Ends the actor as [`kill`](Control::kill) does, for this reason.
    pub(crate) fn end_now(&self, reason: StopReason) {
        // The flag first: an owner that finds the reason settled must find the kill as well, or it
        // would run `stopped` with it. The reason before the queue: a refused sender reads it.
        let owed = self.front.phase.signal(Signal::Kill);
        self.front.exit.decide(reason);
        self.front.close();
        self.front.pay(owed);
    }
}

/// Why an actor is gone, and who wants to know.
#[derive(Default)]
pub(crate) struct Exit {
    reason: OnceLock<StopReason>,
    hooks: Mutex<Hooks>,
}

/// Called once, when the actor is gone for good.
type Hook = Box<dyn FnOnce(&StopReason) + Send>;

/// What is told, once, when an actor is gone for good, unless it is gone before.
pub(crate) trait Mourner: Send + Sync {
    fn actor_ended(&self, reason: &StopReason);
}

#[derive(Default)]
struct Hooks {
    waiting: Vec<Hook>,
    /// Swept of those that are gone whenever it would grow.
    mourners: Vec<Weak<dyn Mourner>>,
    is_done: bool,
}

impl Exit {
    /// Settles the reason, once: the first that ends the actor counts.
    pub(crate) fn decide(&self, reason: StopReason) -> &StopReason {
        self.reason.get_or_init(|| reason)
    }

    /// The reason, for senders who find the mailbox closed: a stop is only decided at its end.
    pub(crate) fn reason(&self) -> StopReason {
        self.reason.get().cloned().unwrap_or(StopReason::Stopped)
    }

    /// Calls `hook` when the actor is gone; at once if it is.
    pub(crate) fn on_end(&self, hook: impl FnOnce(&StopReason) + Send + 'static) {
        let mut hooks = self.hooks.lock();
        if hooks.is_done {
            drop(hooks);
            hook(&self.reason());
        } else {
            hooks.waiting.push(Box::new(hook));
        }
    }

    /// Tells `mourner` when the actor is gone; at once if it is. Keeps nothing of a mourner that
    /// is gone before, for long.
    pub(crate) fn tell(&self, mourner: Weak<dyn Mourner>) {
        let mut hooks = self.hooks.lock();
        if !hooks.is_done {
            if hooks.mourners.len() == hooks.mourners.capacity() {
                hooks.mourners.retain(|other| other.strong_count() > 0);
            }
            hooks.mourners.push(mourner);
            return;
        }
        drop(hooks);
        if let Some(mourner) = mourner.upgrade() {
            mourner.actor_ended(&self.reason());
        }
    }

    /// The actor is gone.
    pub(crate) fn end(&self) {
        let mut hooks = self.hooks.lock();
        hooks.is_done = true;
        let waiting = mem::take(&mut hooks.waiting);
        let mourners = mem::take(&mut hooks.mourners);
        drop(hooks);
        let reason = self.reason();
        for mourner in mourners.iter().filter_map(Weak::upgrade) {
            contain(|| mourner.actor_ended(&reason));
        }
        for hook in waiting {
            contain(|| hook(&reason));
        }
    }
}

/// Gives a typed cell its erased form.
pub(crate) fn erase<M: Send + 'static, O: Send + 'static>(
    cell: Arc<Cell<M, O>>,
) -> Arc<LocalCell<M>> {
    cell
}
