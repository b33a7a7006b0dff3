//! [`Probe`]: an actor in the hands of a test.

use std::{any::type_name, panic::Location, time::Duration};

use tokio::time;

use super::PATIENCE;
use crate::{ActorRef, Inbox, Message, Node, SpawnOptions};

/// An actor whose messages a test takes one by one, when it likes.
///
/// To those who send it is an actor like any other: bounded, with back-pressure, on whatever node
/// they are. A probe that is not asked for its messages fills up, as a slow actor does. Dropping
/// it ends it.
///
/// # Examples
///
/// ```
/// use mycelium_core::{Actor, ActorRef, ActorResult, Context, Node, testing::Probe};
///
/// /// Passes on what is worth it.
/// struct Filter(ActorRef<u64>);
///
/// impl Actor for Filter {
///     type Message = u64;
///
///     async fn handle(&mut self, size: u64, _cx: &mut Context<Self>) -> ActorResult {
///         if size >= 100 {
///             self.0.send(size).await?;
///         }
///         Ok(())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let node = Node::builder("test").start().await?;
/// let mut probe = Probe::new(&node);
/// let filter = node.spawn(Filter(probe.actor_ref()));
/// for size in [7, 100, 8, 250] {
///     filter.send(size).await?;
/// }
/// assert_eq!(probe.recv().await, 100);
/// assert_eq!(probe.recv().await, 250);
/// probe.is_quiet_for(std::time::Duration::from_secs(1)).await;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Probe<M: Message> {
    inbox: Inbox<M>,
    patience: Duration,
}

impl<M: Message> Probe<M> {
    /// A probe on this node, with a mailbox of the default capacity.
    pub fn new(node: &Node) -> Self {
        Self::with(node, SpawnOptions::default())
    }

    /// A probe with options: a small capacity shows what its senders do when it is full.
    pub fn with(node: &Node, options: SpawnOptions) -> Self {
        Self {
            inbox: node.inbox_with(options),
            patience: PATIENCE,
        }
    }

    /// How long [`recv`](Self::recv) waits before it fails the test; 30 s unless chosen. It is
    /// time of tokio's clock, which passes in no time where that is paused and nothing else is
    /// left to do.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// A ref for those who shall send to it.
    pub fn actor_ref(&self) -> ActorRef<M> {
        self.inbox.actor_ref()
    }

    /// The next message.
    ///
    /// # Panics
    ///
    /// At the caller's line, when none comes in time, or when the probe was stopped or killed and
    /// nothing is left.
    ///
    /// # Cancel safety
    ///
    /// No message is lost when the future is dropped.
    #[track_caller]
    pub fn recv(&mut self) -> impl Future<Output = M> + Send {
        let caller = Location::caller();
        let patience = self.patience;
        async move {
            let received = time::timeout(patience, self.inbox.recv()).await;
            received
                .unwrap_or_else(|_| panic!("{caller}: no {} in {patience:?}", type_name::<M>()))
                .unwrap_or_else(|reason| panic!("{caller}: the probe has ended: {reason}"))
        }
    }

    /// The next message if it is there already.
    ///
    /// # Panics
    ///
    /// When the probe was stopped or killed and nothing is left.
    #[track_caller]
    pub fn try_recv(&mut self) -> Option<M> {
        match self.inbox.try_recv() {
            Ok(message) => message,
            Err(reason) => panic!("the probe has ended: {reason}"),
        }
    }

    /// Sees to it that nothing comes for a while; best with [`VirtualTime`](super::VirtualTime),
    /// where it takes no time and proves that nothing will.
    ///
    /// # Panics
    ///
    /// At the caller's line, when a message comes, or the probe has ended.
    #[track_caller]
    pub fn is_quiet_for(&mut self, duration: Duration) -> impl Future<Output = ()> + Send {
        let caller = Location::caller();
        async move {
            match time::timeout(duration, self.inbox.recv()).await {
                Err(_elapsed) => {}
                Ok(Ok(_)) => panic!("{caller}: a {} came", type_name::<M>()),
                Ok(Err(reason)) => panic!("{caller}: the probe has ended: {reason}"),
            }
        }
    }

    /// How many messages wait to be taken.
    pub fn mailbox_len(&self) -> usize {
        self.inbox.mailbox_len()
    }
}
