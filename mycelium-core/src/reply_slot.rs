//! [`Slot`]: where an asker and its reply port meet.
//!
//! The asker's half lies in its [`Ask`](crate::Ask), the port's half in a
//! [`ReplyTo`](crate::ReplyTo), or, once that has been encoded into a message, in the pending
//! table of the link it left by. Each half leaves once; whichever leaves last puts the slot back
//! into its thread's pool, so that asks in steady state allocate nothing.

use std::{
    any::{Any, TypeId},
    cell::RefCell,
    collections::HashMap,
    mem,
    sync::{Arc, Weak},
    task::{Context, Poll, Waker},
    time::Duration,
};

use mycelium_wire::{Codec, FrameExtensions, ReplyFailure};
use tokio::time::Instant;

use crate::{
    StopReason,
    link::{Link, LinkRefusal, PeerClock, Purpose},
    mailbox::entry::{Companion, Fate, Sending},
    reply_to::Port,
    stamp::Stamp,
    sync::{Mutex, MutexGuard},
};

/// The most unused slots that one thread keeps of one type.
const POOLED_SLOTS: usize = 256;

/// Why an ask that was sent got no reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// The port was dropped.
    NoReply,
    /// The answer is of another type than the asker takes.
    WrongType { found: Box<str> },
    /// The answer does not fit into a message of the link.
    TooLarge,
    /// The answer could not be encoded.
    Refused(Box<str>),
    /// The connection was lost: nobody knows whether the message was handled.
    LinkDown,
    /// The node is down.
    NodeDown,
    /// The actor was gone before it handled the message.
    ActorDown(StopReason),
}

/// A port was encoded a second time.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the reply port was sent to another node before; it answers one ask once")]
pub(crate) struct MovedTwice;

/// What an asker is told whose node does not read the answers it asked for.
const UNREAD: &str = "the asker's node does not read its answers";

/// What an ask comes to.
pub(crate) type Outcome<R> = Result<R, NoAnswer>;

/// The meeting point of one ask.
pub(crate) struct Slot<R>(Mutex<State<R>>);

struct State<R> {
    asker: Asker<R>,
    port: PortHalf,
    /// When the asker asked, where the actor wants to know.
    sent: Option<Stamp>,
    /// Whether the `ReplyTo` is still to be dropped whose port was moved to a link.
    has_void: bool,
}

/// Where the port's half lies.
enum PortHalf {
    /// In a `ReplyTo`.
    Held,
    /// In the pending table of a link, under this number.
    Moved { link: Weak<dyn Link>, request: u64 },
    /// It has settled the ask.
    Left,
}

enum Asker<R> {
    /// Waits in this process.
    Here {
        deadline: Option<Instant>,
        waker: Option<Waker>,
    },
    /// Waits on another node.
    There(RemoteAsker<R>),
    /// Has its answer, and may take it.
    Settled(Outcome<R>),
    /// Has left.
    Gone,
}

/// An asker on another node: where its answer goes.
pub(crate) struct RemoteAsker<R> {
    pub(crate) link: Weak<dyn Link>,
    /// The connection that the question came through.
    pub(crate) generation: u32,
    pub(crate) request: u64,
    pub(crate) codec: Codec<R>,
    pub(crate) deadline: Instant,
}

impl<R: Send + 'static> Slot<R> {
    /// A slot for an asker of this process.
    pub(crate) fn for_asker(sent: Option<Stamp>) -> Arc<Self> {
        let asker = Asker::Here {
            deadline: None,
            waker: None,
        };
        Self::with(asker, sent)
    }

    /// A slot for an asker of another node.
    pub(crate) fn for_remote(asker: RemoteAsker<R>) -> Arc<Self> {
        Self::with(Asker::There(asker), None)
    }

    /// The asker is about to send, and will wait until then.
    pub(crate) fn set_deadline(&self, at: Instant) {
        if let Asker::Here { deadline, .. } = &mut self.0.lock().asker {
            *deadline = Some(at);
        }
    }

    /// How long from now an answer is of use; `None` where the asker has named no time yet.
    pub(crate) fn remaining(&self, now: Instant) -> Option<Duration> {
        let deadline = match &self.0.lock().asker {
            Asker::Here { deadline, .. } => (*deadline)?,
            Asker::There(asker) => asker.deadline,
            Asker::Settled(_) | Asker::Gone => now,
        };
        Some(deadline.saturating_duration_since(now))
    }

    /// Whether the time of an asker on another node is up. Those of this process see to their
    /// deadlines themselves, and take their asks out.
    pub(crate) fn is_expired(&self, now: Instant) -> bool {
        matches!(&self.0.lock().asker, Asker::There(asker) if asker.deadline <= now)
    }

    /// The asker takes the outcome and has left, or waits for it.
    pub(crate) fn poll(self: &Arc<Self>, cx: &mut Context<'_>) -> Poll<Outcome<R>> {
        let mut state = self.0.lock();
        if let Asker::Here { waker, .. } = &mut state.asker {
            match waker {
                Some(waker) => waker.clone_from(cx.waker()),
                None => *waker = Some(cx.waker().clone()),
            }
            return Poll::Pending;
        }
        let Asker::Settled(outcome) = mem::replace(&mut state.asker, Asker::Gone) else {
            unreachable!("an asker takes its outcome once");
        };
        self.leave(state);
        Poll::Ready(outcome)
    }

    /// The asker leaves before it has taken the outcome.
    pub(crate) fn abandon(self: &Arc<Self>) {
        let mut state = self.0.lock();
        let left = mem::replace(&mut state.asker, Asker::Gone);
        let pending = match &state.port {
            PortHalf::Moved { link, request } => link.upgrade().map(|link| (link, *request)),
            PortHalf::Held | PortHalf::Left => None,
        };
        self.leave(state);
        // An answer that nobody took runs its drop here, outside the lock.
        drop(left);
        if let Some((link, request)) = pending {
            link.forget(request);
        }
    }

    /// The port is encoded: from now on the link settles the ask, unless this is taken back.
    ///
    /// # Errors
    ///
    /// The port was encoded before: it answers one ask once.
    pub(crate) fn move_to(&self, link: Weak<dyn Link>, request: u64) -> Result<(), MovedTwice> {
        let mut state = self.0.lock();
        if !matches!(state.port, PortHalf::Held) {
            return Err(MovedTwice);
        }
        state.port = PortHalf::Moved { link, request };
        state.has_void = true;
        Ok(())
    }

    /// The message that the port was encoded in has not left: the port is whole again.
    pub(crate) fn move_back(&self) {
        let mut state = self.0.lock();
        state.port = PortHalf::Held;
        state.has_void = false;
    }

    /// The port's half settles the ask, and leaves.
    pub(crate) fn conclude(self: &Arc<Self>, outcome: Outcome<R>) {
        let mut state = self.0.lock();
        state.port = PortHalf::Left;
        match mem::replace(&mut state.asker, Asker::Gone) {
            Asker::Here { waker, .. } => {
                state.asker = Asker::Settled(outcome);
                drop(state);
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
            Asker::There(asker) => {
                self.leave(state);
                asker.tell(outcome);
            }
            Asker::Gone => self.leave(state),
            Asker::Settled(_) => unreachable!("a port leaves once"),
        }
    }

    /// A half has left; the slot goes back to the pool with the last one.
    fn leave(self: &Arc<Self>, state: MutexGuard<'_, State<R>>) {
        let is_free = matches!(state.asker, Asker::Gone)
            && matches!(state.port, PortHalf::Left)
            && !state.has_void;
        drop(state);
        if is_free {
            recycle(self);
        }
    }

    fn with(asker: Asker<R>, sent: Option<Stamp>) -> Arc<Self> {
        let state = State {
            asker,
            port: PortHalf::Held,
            sent,
            has_void: false,
        };
        if let Some(mut slot) = pooled::<R>()
            && let Some(unused) = Arc::get_mut(&mut slot)
        {
            *unused = Self(Mutex::new(state));
            return slot;
        }
        // None is left, or a queue still looks at the one that is: its message was answered before
        // it was handled.
        Arc::new(Self(Mutex::new(state)))
    }
}

impl<R: Send + 'static> Port<R> for Slot<R> {
    fn settle(self: Arc<Self>, outcome: Outcome<R>) {
        let mut state = self.0.lock();
        if mem::replace(&mut state.has_void, false) {
            return self.leave(state);
        }
        drop(state);
        self.conclude(outcome);
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

impl<R: Send + 'static> Companion for Slot<R> {
    fn fate(&self) -> Fate {
        let state = self.0.lock();
        // A port that was taken out of the message says nothing about the message.
        match (&state.asker, &state.port) {
            (Asker::Gone, PortHalf::Held) => Fate::Abandoned,
            _ => Fate::Due(Sending {
                sent: state.sent,
                trace: None,
            }),
        }
    }

    fn purpose(&self) -> Purpose {
        Purpose::Ask
    }

    fn extensions(&self, _clock: PeerClock) -> FrameExtensions {
        FrameExtensions::default()
    }

    #[cfg(debug_assertions)]
    fn is_awaited_here(&self) -> bool {
        let state = self.0.lock();
        let (asker, port) = (&state.asker, &state.port);
        matches!((asker, port), (Asker::Here { .. }, PortHalf::Held))
    }
}

impl<R> RemoteAsker<R> {
    fn tell(&self, outcome: Outcome<R>) {
        let Some(link) = self.link.upgrade() else {
            return;
        };
        let failure = match outcome {
            Ok(reply) => {
                let mut encode =
                    |encoder: &mut mycelium_wire::Encoder<'_>| (self.codec.encode)(&reply, encoder);
                match link.reply(self.generation, self.request, &mut encode) {
                    Err(LinkRefusal::Wire(mycelium_wire::WireError::TooLarge { .. })) => {
                        ReplyFailure::TooLarge
                    }
                    Err(LinkRefusal::Wire(error)) => {
                        ReplyFailure::Refused(error.to_string().into())
                    }
                    Err(LinkRefusal::NoCredit) => ReplyFailure::Refused(UNREAD.into()),
                    // Where the connection is gone, so is the asker's hope.
                    Ok(()) | Err(_) => return,
                }
            }
            Err(no_answer) => no_answer.into(),
        };
        link.reply_failed(self.generation, self.request, &failure);
    }
}

impl From<NoAnswer> for ReplyFailure {
    fn from(no_answer: NoAnswer) -> Self {
        match no_answer {
            NoAnswer::NoReply
            | NoAnswer::LinkDown
            | NoAnswer::NodeDown
            | NoAnswer::ActorDown(_) => Self::NoReply,
            NoAnswer::WrongType { found } => Self::WrongType { found },
            NoAnswer::TooLarge => Self::TooLarge,
            NoAnswer::Refused(text) => Self::Refused(text),
        }
    }
}

impl From<ReplyFailure> for NoAnswer {
    fn from(failure: ReplyFailure) -> Self {
        match failure {
            ReplyFailure::NoReply => Self::NoReply,
            ReplyFailure::WrongType { found } => Self::WrongType { found },
            ReplyFailure::TooLarge => Self::TooLarge,
            ReplyFailure::Refused(text) => Self::Refused(text),
        }
    }
}

thread_local! {
    /// Unused slots by the type of their replies; each value is a `Vec<Arc<Slot<R>>>`.
    static POOL: RefCell<HashMap<TypeId, Box<dyn Any>>> = RefCell::default();
}

fn pooled<R: Send + 'static>() -> Option<Arc<Slot<R>>> {
    POOL.with_borrow_mut(|pool| {
        let slots = pool.get_mut(&TypeId::of::<R>())?;
        slots.downcast_mut::<Vec<Arc<Slot<R>>>>()?.pop()
    })
}

/// Both halves have left: the slot is as new.
fn recycle<R: Send + 'static>(slot: &Arc<Slot<R>>) {
    // A thread that is ending has no pool any more; the slot is freed then.
    let _ = POOL.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        let slots = pool
            .entry(TypeId::of::<R>())
            .or_insert_with(|| Box::new(Vec::<Arc<Slot<R>>>::new()));
        if let Some(slots) = slots.downcast_mut::<Vec<Arc<Slot<R>>>>()
            && slots.len() < POOLED_SLOTS
        {
            slots.push(Arc::clone(slot));
        }
    });
}
