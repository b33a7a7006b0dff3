//! [`Breaker`]: a ref that stops sending to an actor that is in trouble.

use std::{
    fmt,
    future::ready,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use mycelium_core::{ActorRef, AskError, Message, ReplyTo, SendError};
use recloser::{AsyncRecloser, Recloser};

/// When a [`Breaker`] opens, and when it closes again.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use mycelium_supervisor::BreakerConfig;
///
/// // Opens for a second when half of the last 20 calls have failed; then 4 trials decide.
/// let config = BreakerConfig::default()
///     .opens_at_percent(50)
///     .calls(20)
///     .open_for(Duration::from_secs(1))
///     .trials(4);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct BreakerConfig {
    opens_at_percent: u8,
    calls: usize,
    open_for: Duration,
    trials: usize,
}

impl BreakerConfig {
    /// Opens when this part of the last calls has failed; 1 to 100. Default 50.
    pub fn opens_at_percent(mut self, percent: u8) -> Self {
        self.opens_at_percent = percent.clamp(1, 100);
        self
    }

    /// Looks at so many calls, and opens with the one after as many at the earliest; 1 at least. Default
    /// 100. A byte each.
    pub fn calls(mut self, calls: usize) -> Self {
        self.calls = calls.max(1);
        self
    }

    /// Refuses calls for this time, and then tries again. Default 1 s.
    pub fn open_for(mut self, time: Duration) -> Self {
        self.open_for = time;
        self
    }

    /// Closes again, or opens again, with the call after so many trials at the earliest; 1 at least.
    /// Default 10.
    pub fn trials(mut self, trials: usize) -> Self {
        self.trials = trials.max(1);
        self
    }

    fn recloser(self) -> Recloser {
        let rate = f32::from(self.opens_at_percent) / 100.0;
        Recloser::custom()
            .error_rate(rate)
            .closed_len(self.calls)
            .half_open_len(self.trials)
            .open_wait(self.open_for)
            .build()
    }
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            opens_at_percent: 50,
            calls: 100,
            open_for: Duration::from_secs(1),
            trials: 10,
        }
    }
}

/// A circuit breaker around a ref: while the actor is in trouble calls are refused at once, so that
/// neither its callers nor the actor get into more of it.
///
/// What counts as a failure: no room, a time that passed, a lost link, an ask without a reply, and each
/// restart of the actor that this node knows of. What the caller did wrong, such as a message that is
/// too large, does not, and neither does the end of the actor: that is what every call says from then
/// on. Clones share what they know.
///
/// The state is kept by the crate `recloser`. Costs two atomic operations and a pinned epoch a call.
///
/// # Examples
///
/// ```
/// use std::{num::NonZeroUsize, time::Duration};
/// use mycelium_core::{Node, SpawnOptions};
/// use mycelium_supervisor::{Breaker, BreakerConfig, BreakerError};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let node = Node::builder("desk").start().await?;
/// // An inbox that nobody empties.
/// let stuck = node.inbox_with::<u64>(SpawnOptions::default().capacity(NonZeroUsize::MIN));
/// let breaker = Breaker::new(stuck.actor_ref(), BreakerConfig::default().calls(4));
/// breaker.try_send(0)?;
/// for order in 1..=4 {
///     assert!(matches!(breaker.try_send(order), Err(BreakerError::Failed(_)))); // it is full
/// }
/// assert!(matches!(breaker.try_send(5), Err(BreakerError::Open(5)))); // not even tried
/// # Ok(()) }
/// ```
pub struct Breaker<M> {
    actor: ActorRef<M>,
    circuit: Arc<Circuit>,
}

/// What the clones of a breaker share.
struct Circuit {
    recloser: AsyncRecloser,
    /// Restarts that have been counted.
    restarts: AtomicU32,
}

/// Why a call through a [`Breaker`] came to nothing: `R` is what comes back where it was not tried.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum BreakerError<R, E> {
    /// The breaker is open: the call was not tried. Try again later, or do without.
    #[error("the circuit breaker is open: the actor was in trouble a moment ago")]
    Open(R),
    /// The call was tried, and failed.
    #[error(transparent)]
    Failed(E),
}

impl<M: Message> Breaker<M> {
    /// A closed breaker around the ref.
    pub fn new(actor: ActorRef<M>, config: BreakerConfig) -> Self {
        let circuit = Circuit {
            restarts: AtomicU32::new(actor.restarts()),
            recloser: config.recloser().into(),
        };
        Self {
            actor,
            circuit: Arc::new(circuit),
        }
    }

    /// The ref without the breaker.
    pub fn actor_ref(&self) -> &ActorRef<M> {
        &self.actor
    }

    /// As [`ActorRef::try_send`].
    ///
    /// # Errors
    ///
    /// [`BreakerError`]; either way the message comes back.
    pub fn try_send(&self, message: M) -> Result<(), BreakerError<M, SendError<M>>> {
        self.count_restarts();
        let mut unsent = Some(message);
        let send = async {
            let message = unsent.take().expect("it is polled for the first time");
            self.actor.try_send(message)
        };
        let sent = now(self.circuit.recloser.call_with(is_trouble, send));
        conclude(sent, || unsent.take().expect("it was not tried"))
    }

    /// As [`ActorRef::send_timeout`].
    ///
    /// # Errors
    ///
    /// [`BreakerError`]; either way the message comes back.
    ///
    /// # Panics
    ///
    /// Where it is awaited outside a tokio runtime with timers.
    ///
    /// # Cancel safety
    ///
    /// As [`ActorRef::send`]. A call that is dropped counts neither way.
    pub async fn send_timeout(
        &self,
        message: M,
        timeout: Duration,
    ) -> Result<(), BreakerError<M, SendError<M>>> {
        self.count_restarts();
        let mut unsent = Some(message);
        let send = async {
            let message = unsent.take().expect("it is polled for the first time");
            self.actor.send_timeout(message, timeout).await
        };
        let sent = self.circuit.recloser.call_with(is_trouble, send).await;
        conclude(sent, || unsent.take().expect("it was not tried"))
    }

    /// As [`ActorRef::ask`], with this time for it. While the breaker is open, no message is made.
    ///
    /// # Errors
    ///
    /// [`BreakerError`].
    ///
    /// # Panics
    ///
    /// Where it is awaited outside a tokio runtime with timers.
    ///
    /// # Cancel safety
    ///
    /// As [`ActorRef::ask`]. A call that is dropped counts neither way.
    pub async fn ask<R: Send + 'static>(
        &self,
        timeout: Duration,
        make: impl FnOnce(ReplyTo<R>) -> M,
    ) -> Result<R, BreakerError<(), AskError<M>>> {
        self.count_restarts();
        let ask = async { self.actor.ask(make).timeout(timeout).await };
        let asked = self.circuit.recloser.call_with(is_unanswered, ask).await;
        conclude(asked, || ())
    }

    /// Each restart since the last call is a failure.
    fn count_restarts(&self) {
        let restarts = self.actor.restarts();
        // Relaxed: a count; whoever replaces it counts the difference, once.
        let counted = self.circuit.restarts.swap(restarts, Ordering::Relaxed);
        for _ in counted..restarts {
            // Also where the breaker is open: it stays so.
            let _ = now(self.circuit.recloser.call(ready(Err::<(), ()>(()))));
        }
    }
}

/// The output of a future that waits for nothing.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut cx = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut cx) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("it waits for nothing"),
    }
}

fn conclude<T, R, E>(
    called: Result<T, recloser::Error<E>>,
    unsent: impl FnOnce() -> R,
) -> Result<T, BreakerError<R, E>> {
    called.map_err(|error| match error {
        recloser::Error::Inner(error) => BreakerError::Failed(error),
        recloser::Error::Rejected => BreakerError::Open(unsent()),
    })
}

/// Whether it is the actor that is in trouble, or on the way to it.
fn is_trouble<M>(error: &SendError<M>) -> bool {
    matches!(
        error,
        SendError::Full(_) | SendError::Timeout(_) | SendError::LinkDown(_)
    )
}

fn is_unanswered<M>(error: &AskError<M>) -> bool {
    match error {
        AskError::NotSent(error) => is_trouble(error),
        AskError::NoReply | AskError::Timeout | AskError::LinkDown => true,
        _ => false,
    }
}

impl<M> Clone for Breaker<M> {
    fn clone(&self) -> Self {
        Self {
            actor: self.actor.clone(),
            circuit: Arc::clone(&self.circuit),
        }
    }
}

impl<M> fmt::Debug for Breaker<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Breaker({:?})", self.actor)
    }
}

/// No bound: what comes back need not be printable.
impl<R, E: fmt::Debug> fmt::Debug for BreakerError<R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(_) => f.write_str("Open(..)"),
            Self::Failed(error) => write!(f, "Failed({error:?})"),
        }
    }
}
