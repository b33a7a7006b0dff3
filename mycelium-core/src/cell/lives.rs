//! [`Lives`]: the lives of a kept actor, one after the other in one cell.
//!
//! An actor that is kept outlives its own failures: its state goes with a life, while its mailbox, its
//! refs, its names and its watchers stay with the cell. What a [`stop`](crate::ActorRef::stop) or a
//! [`kill`](crate::ActorRef::kill) ends is a life. Whoever keeps the actor, a [`Keeper`], is told of
//! each life that has started and that is over, and decides through a [`Kept`] whether there is
//! another.
//!
//! What is asked of a life is raised in the [`Phase`] under the lock of the current life, and taken
//! back there when it is over: nothing that was meant for one life reaches the next.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{
    Cell, Control,
    owner::contain,
    phase::{Phase, Signal, Wake},
};
use crate::{Message, StopReason, sync::Mutex};

/// Who keeps an actor across its lives.
///
/// Called on the task that runs the actor, and on no other: these must not block. The actor is at
/// rest meanwhile, so what they ask of it through a [`Kept`] happens after they return.
pub trait Keeper: Send + Sync + 'static {
    /// A life has begun: its `started` has returned.
    fn started(&self, life: u32);

    /// A life is over; the mailbox and the refs stay. Of a life that [`started`](Self::started) was not
    /// called for, `started` has failed, or was ended.
    fn ended(&self, life: u32, reason: &StopReason);
}

/// The lives of an actor, as its cell knows them.
pub(crate) struct Lives {
    keeper: Arc<dyn Keeper>,
    current: Mutex<Current>,
}

/// The life there is, or the one there was last.
struct Current {
    /// Lives are numbered from 1.
    number: u32,
    is_alive: bool,
    /// Why it is over, or about to be.
    reason: Option<StopReason>,
    /// Fires when the life is asked to end, or is over.
    ending: CancellationToken,
}

impl Lives {
    pub(crate) fn new(keeper: Arc<dyn Keeper>) -> Self {
        let ending = CancellationToken::new();
        ending.cancel();
        Self {
            keeper,
            current: Mutex::new(Current {
                number: 0,
                is_alive: false,
                reason: None,
                ending,
            }),
        }
    }

    /// Begins the next life.
    pub(super) fn begin(&self) {
        let mut current = self.current.lock();
        current.number = current.number.wrapping_add(1);
        current.is_alive = true;
        current.reason = None;
        current.ending = CancellationToken::new();
    }

    /// The life's `started` has returned.
    pub(super) fn started(&self) -> u32 {
        let life = self.number();
        contain(|| self.keeper.started(life));
        life
    }

    /// The life is over: what was asked of it is taken back. Gives its number, the first time.
    pub(super) fn end(&self, phase: &Phase) -> Option<u32> {
        let mut current = self.current.lock();
        if !current.is_alive {
            return None;
        }
        current.is_alive = false;
        current.ending.cancel();
        phase.outlive();
        Some(current.number)
    }

    /// Tells the keeper that a life is over.
    pub(super) fn tell_ended(&self, life: u32, reason: &StopReason) {
        contain(|| self.keeper.ended(life, reason));
    }

    /// Settles why the life ends: the first reason counts.
    pub(super) fn decide(&self, reason: StopReason) -> StopReason {
        let mut current = self.current.lock();
        current.reason.get_or_insert(reason).clone()
    }

    /// Asks the life, or only the one of this number, to end like this, for this reason where it is
    /// settled by that.
    fn ask(
        &self,
        phase: &Phase,
        life: Option<u32>,
        signal: Signal,
        reason: Option<StopReason>,
    ) -> Wake {
        let mut current = self.current.lock();
        if !current.is_alive || life.is_some_and(|life| life != current.number) {
            return Wake::Nobody;
        }
        if let Some(reason) = reason {
            current.reason.get_or_insert(reason);
        }
        current.ending.cancel();
        phase.signal(signal)
    }

    pub(crate) fn number(&self) -> u32 {
        self.current.lock().number
    }

    /// The life there is, or the next.
    pub(crate) fn to_link(&self) -> u32 {
        let current = self.current.lock();
        current.number.wrapping_add(u32::from(!current.is_alive))
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.current.lock().is_alive
    }

    pub(crate) fn ending(&self) -> CancellationToken {
        self.current.lock().ending.clone()
    }

    /// Whether the life ends as by a kill.
    pub(crate) fn is_killed(&self) -> bool {
        self.current.lock().reason == Some(StopReason::Killed)
    }
}

impl<M, O: ?Sized> Cell<M, O> {
    /// Asks the current life of an actor that is kept to end.
    pub(super) fn ask_life(&self, lives: &Lives, signal: Signal, reason: Option<StopReason>) {
        let owed = lives.ask(&self.front.phase, None, signal, reason);
        self.front.pay(owed);
    }

    /// Ends this life of the actor at its next await; an actor that is not kept ends with it.
    pub(crate) fn end_life(&self, life: u32, reason: StopReason) {
        let Some(lives) = &self.front.lives else {
            return self.end_now(reason);
        };
        let phase = &self.front.phase;
        let owed = lives.ask(phase, Some(life), Signal::Abort, Some(reason));
        self.front.pay(owed);
    }
}

/// What a keeper does with its actor, whatever the type of its messages.
trait Steered: Control {
    fn revive(&self);
    fn end_life_by(&self, signal: Signal, reason: Option<StopReason>);
    fn dismiss(&self, reason: StopReason);
    fn is_alive(&self) -> bool;
    fn mailbox_len(&self) -> usize;
}

impl<M: Send, O: Send + ?Sized> Steered for Cell<M, O> {
    fn revive(&self) {
        self.front.pay(self.front.phase.signal(Signal::Revive));
    }

    fn end_life_by(&self, signal: Signal, reason: Option<StopReason>) {
        if let Some(lives) = &self.front.lives {
            self.ask_life(lives, signal, reason);
        }
    }

    fn dismiss(&self, reason: StopReason) {
        self.end_now(reason);
    }

    fn is_alive(&self) -> bool {
        self.front.is_alive()
    }

    fn mailbox_len(&self) -> usize {
        self.front.mailbox.len()
    }
}

/// The keeper's end of an actor that lives again and again, in the same mailbox and behind the same refs.
///
/// Made by [`Node::keep`](crate::Node::keep). Dropping it ends the actor for good.
pub struct Kept(Arc<dyn Steered>);

impl Kept {
    pub(crate) fn new<M: Message, O: Send + 'static>(cell: Arc<Cell<M, O>>) -> Self {
        Self(cell)
    }

    /// Begins a life, where there is none.
    ///
    /// The keeper is told by [`Keeper::started`], or by [`Keeper::ended`] where it does not come to
    /// that. Messages that came meanwhile wait in the mailbox.
    pub fn revive(&self) {
        self.0.revive();
    }

    /// Ends the life once it has handled what its mailbox holds when the actor sees this; what comes later
    /// stays there.
    pub fn retire(&self) {
        self.0.end_life_by(Signal::Retire, None);
    }

    /// Ends the life once it has handled the message at hand; the others stay in its mailbox.
    pub fn recall(&self) {
        self.0.end_life_by(Signal::Recall, None);
    }

    /// Ends the life at its next await; its mailbox stays. A handler that blocks its thread comes to
    /// none.
    pub fn abort(&self) {
        let killed = Some(StopReason::Killed);
        self.0.end_life_by(Signal::Abort, killed);
    }

    /// Ends the actor for good, at its next await where it lives: senders are refused from now on, and
    /// what its mailbox holds becomes a [`DeadLetter`](crate::DeadLetter).
    pub fn dismiss(&self, reason: StopReason) {
        self.0.dismiss(reason);
    }

    /// Whether there is a life now.
    pub fn is_alive(&self) -> bool {
        self.0.is_alive()
    }

    /// Messages that wait to be handled, those of other nodes included.
    pub fn mailbox_len(&self) -> usize {
        self.0.mailbox_len()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.dismiss(StopReason::Stopped);
    }
}
