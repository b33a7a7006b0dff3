//! [`SendOptions`]: what goes along with a message, and [`Outgoing`]: a ref that sends with them.

use std::{future::Future, time::Duration};

use mycelium_wire::TraceContext;
use tokio::time::Instant;

use crate::{
    ActorRef, Message, SendError,
    mailbox::entry::{Beside, Entry, Given},
    stamp::Stamp,
    timer::FAR,
};

/// What goes along with a message.
///
/// It lies beside the message in one allocation of its own: sends without options do not pay for it.
///
/// # Examples
///
/// A price that is not looked at within 50 ms is not worth looking at:
///
/// ```
/// use std::time::Duration;
/// use mycelium_core::{Actor, ActorResult, Context, Node, SendOptions};
///
/// struct Trader;
///
/// impl Actor for Trader {
///     type Message = u64;
///
///     async fn handle(&mut self, price: u64, cx: &mut Context<Self>) -> ActorResult {
///         println!("{price}, {:?} old", cx.age());
///         Ok(())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let node = Node::builder("trading").start().await?;
/// let trader = node.spawn(Trader);
/// let fresh = SendOptions::default().ttl(Duration::from_millis(50));
/// trader.with(fresh).send(5_853).await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct SendOptions {
    ttl: Option<Duration>,
    trace: Option<TraceContext>,
}

impl SendOptions {
    /// The message is of use for so long, from the call that sends it on. Default: for ever.
    ///
    /// A send that waits for room gives up then. A message that was accepted, and whose time has
    /// passed when its turn comes, is not handled: it is a dead letter with the reason
    /// [`Expired`](crate::DeadLetterReason::Expired), and, from another node, counted there as
    /// refused. A message whose handling has begun is not interrupted.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// The message belongs to a trace: its handler runs inside a `tracing` span, at the level of
    /// debug, with these ids as fields, and finds them in [`Context::trace`](crate::Context::trace).
    ///
    /// The span has no parent: the handlers of a trace are linked by its ids. Default: no trace, and
    /// no span.
    pub fn trace(mut self, trace: TraceContext) -> Self {
        self.trace = Some(trace);
        self
    }
}

/// A ref that sends with options; made by [`ActorRef::with`].
///
/// May be used for many messages: the time of each counts from its own call.
#[derive(Debug)]
pub struct Outgoing<'a, M> {
    to: &'a ActorRef<M>,
    options: SendOptions,
}

impl<'a, M: Message> Outgoing<'a, M> {
    pub(crate) fn new(to: &'a ActorRef<M>, options: SendOptions) -> Self {
        Self { to, options }
    }

    /// Sends a message, and waits for room no longer than its time to live.
    ///
    /// The time counts from this call, whenever the future is polled.
    ///
    /// # Errors
    ///
    /// [`SendError::Timeout`] when the time has passed before there was room, and those of
    /// [`ActorRef::send`].
    ///
    /// # Panics
    ///
    /// Where it is awaited outside a tokio runtime with timers, with a time to live.
    ///
    /// # Cancel safety
    ///
    /// As [`ActorRef::send`].
    pub fn send(
        &self,
        message: M,
    ) -> impl Future<Output = Result<(), SendError<M>>> + Send + use<'a, M> {
        let to = self.to;
        let now = Instant::now();
        let deadline = self.options.ttl.map(|ttl| now + ttl.min(FAR));
        let entry = self.entry(message, now);
        async move {
            match deadline {
                None => to.send_entry(entry).await,
                Some(deadline) => to.send_until(entry, deadline).await,
            }
        }
    }

    /// Sends a message if there is room, without ever waiting.
    ///
    /// # Errors
    ///
    /// As [`ActorRef::try_send`].
    pub fn try_send(&self, message: M) -> Result<(), SendError<M>> {
        self.to.try_send_entry(self.entry(message, Instant::now()))
    }

    fn entry(&self, message: M, now: Instant) -> Entry<M> {
        let SendOptions { ttl, trace } = self.options;
        if ttl.is_none() && trace.is_none() {
            return self.to.entry(message);
        }
        let given = Given::new(Stamp::of(now), ttl, trace);
        Entry::new(message, Beside::given(given))
    }
}

impl<M> Clone for Outgoing<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for Outgoing<'_, M> {}
