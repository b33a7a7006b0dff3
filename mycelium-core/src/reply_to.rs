//! [`ReplyTo`]: the port through which one ask is answered.

use std::{any::Any, fmt, sync::Arc};

use crate::reply_slot::{NoAnswer, Slot};

/// A one-shot port for the answer to an ask; it travels inside the message.
///
/// It may be passed on to any actor, here or on another node, which then answers the first asker.
/// Dropping it unanswered fails the ask at once with `NoReply`. At most 16 bytes.
///
/// # Examples
///
/// ```
/// use mycelium_core::{Actor, ActorResult, Context, Node, ReplyTo};
///
/// enum Counter {
///     Add(u64),
///     Total { reply: ReplyTo<u64> },
/// }
///
/// struct CounterActor(u64);
///
/// impl Actor for CounterActor {
///     type Message = Counter;
///
///     async fn handle(&mut self, message: Counter, _cx: &mut Context<Self>) -> ActorResult {
///         match message {
///             Counter::Add(number) => self.0 += number,
///             Counter::Total { reply } => reply.send(self.0),
///         }
///         Ok(())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let node = Node::builder("counts").start().await?;
/// let counter = node.spawn(CounterActor(0));
/// counter.send(Counter::Add(2)).await?;
/// assert_eq!(counter.ask(|reply| Counter::Total { reply }).await?, 2);
/// # Ok(()) }
/// ```
#[must_use = "dropping the port tells the asker that there is no reply"]
pub struct ReplyTo<R> {
    /// `None` once the port was answered, and where it leads nowhere.
    port: Option<Arc<dyn Port<R>>>,
}

const _: () = assert!(size_of::<ReplyTo<[u64; 8]>>() <= 16);

/// The slot behind a port, whatever bounds `R` was found to have when it was made.
pub(crate) trait Port<R>: Send + Sync {
    /// Settles the ask, unless the port was moved to a link, which settles it then.
    fn settle(self: Arc<Self>, outcome: Result<R, NoAnswer>);

    /// The slot itself, for those who know its bounds.
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

impl<R> ReplyTo<R> {
    pub(crate) fn new(port: Arc<dyn Port<R>>) -> Self {
        Self { port: Some(port) }
    }

    /// A port that leads nowhere: its asker has been told why.
    pub(crate) fn void() -> Self {
        Self { port: None }
    }

    /// Answers the ask. Never waits; an answer that nobody waits for any more is dropped.
    ///
    /// Here it allocates nothing and costs a lock and a wake-up. To another node it encodes the
    /// answer into the link's buffer; an answer that cannot be encoded fails the ask.
    pub fn send(mut self, reply: R) {
        if let Some(port) = self.port.take() {
            port.settle(Ok(reply));
        }
    }
}

impl<R: Send + 'static> ReplyTo<R> {
    /// The slot behind the port; `None` where it leads nowhere.
    pub(crate) fn slot(&self) -> Option<Arc<Slot<R>>> {
        let port = self.port.as_ref()?;
        let slot = Arc::clone(port).into_any().downcast();
        Some(slot.expect("every port is a slot"))
    }
}

impl<R> Drop for ReplyTo<R> {
    fn drop(&mut self) {
        if let Some(port) = self.port.take() {
            port.settle(Err(NoAnswer::NoReply));
        }
    }
}

impl<R> fmt::Debug for ReplyTo<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplyTo(..)")
    }
}
