//! [`ActorRef`]: the only way to talk to an actor, wherever it lives.
//!
//! The path of one `send`: here the variant chooses. Local: the message is moved into the
//! mailbox (`mailbox/local.rs`), and the first message of an empty one wakes the actor
//! (`cell/phase.rs`). Otherwise the link encodes it (`remote_ref.rs`, then the transport's
//! `link.rs`).

use std::{
    fmt,
    future::Future,
    hash::{Hash, Hasher},
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use mycelium_wire::ActorId;
use tokio::{
    task::coop,
    time::{self, Instant},
};

use crate::{
    Ask, AskError, LocalRef, Message, Outgoing, RemoteRef, ReplyTo, SendError, SendOptions,
    StopReason, WatchError,
    ask::ask_blocking,
    block_on::block_on,
    mailbox::{
        entry::{Beside, Entry},
        waiters::Ticket,
    },
    stamp::Stamp,
    timer::from_now,
    wait_cycle::Wait,
};

/// A ref to an actor: the same type whether it lives in this process, on this host or on another.
///
/// Cheap to clone, 24 bytes. Two refs are equal when they mean the same actor of the same life of
/// its node. Dropping refs never stops an actor.
///
/// # Examples
///
/// A full mailbox gives the message back at once, or makes the sender wait:
///
/// ```
/// use std::num::NonZeroUsize;
/// use mycelium_core::{Actor, ActorRef, ActorResult, Context, Node, SendError, SpawnOptions};
///
/// struct Printer;
///
/// impl Actor for Printer {
///     type Message = String;
///
///     async fn handle(&mut self, line: String, _cx: &mut Context<Self>) -> ActorResult {
///         println!("{line}");
///         Ok(())
///     }
/// }
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let node = Node::builder("printing").start().await?;
///     let one_line = SpawnOptions::default().capacity(NonZeroUsize::MIN);
///     let printer: ActorRef<String> = node.spawn_with(one_line, Printer);
///     printer.try_send("fits".into())?;
///     match printer.try_send("does not".into()) {
///         Err(SendError::Full(line)) => printer.send(line).await?,
///         sent => sent?,
///     }
///     Ok(())
/// }
/// ```
#[non_exhaustive]
pub enum ActorRef<M> {
    /// In this process: messages are moved, never encoded.
    Local(LocalRef<M>),
    /// In another process of this host, over a Unix socket.
    Unix(RemoteRef<M>),
    /// In another process, over TCP.
    Tcp(RemoteRef<M>),
}

const _: () = assert!(size_of::<ActorRef<[u64; 8]>>() <= 24);

impl<M: Message> ActorRef<M> {
    /// Sends a message, and waits for room where there is none: back-pressure, here and across
    /// the wire.
    ///
    /// Allocates nothing in steady state. Waiting senders are served in the order they came.
    ///
    /// # Errors
    ///
    /// Everything of [`SendError`] but `Full`, `Timeout` and `LinkDown`; the message comes back.
    ///
    /// # Cancel safety
    ///
    /// A future dropped before it is ready has not sent its message, and drops it. While it waits
    /// it holds its place: keep polling it or drop it, or all who wait behind it wait for ever.
    /// (Beware of `select!` over `&mut send` whose other branch sends to the same actor.)
    ///
    /// # Ordering
    ///
    /// Messages of one sender to one actor arrive in the order of their sends.
    ///
    /// # Deadlocks
    ///
    /// A handler that sends to its own actor, or round a cycle of actors, may wait for room that
    /// only it could make. Use [`try_send`](Self::try_send) or
    /// [`send_timeout`](Self::send_timeout) there. A debug build names actors of one node that wait
    /// for each other, by one `tracing` warning with the whole cycle.
    pub fn send(&self, message: M) -> SendFuture<'_, M> {
        self.send_entry(self.entry(message))
    }

    /// Sends a message if there is room, without ever waiting.
    ///
    /// # Errors
    ///
    /// Everything of [`SendError`] but `Timeout`; the message comes back. `Full` also where others
    /// wait for room already.
    pub fn try_send(&self, message: M) -> Result<(), SendError<M>> {
        self.try_send_entry(self.entry(message))
    }

    /// Sends with options: a time to live, a place in a trace.
    ///
    /// # Examples
    ///
    /// See [`SendOptions`].
    pub fn with(&self, options: SendOptions) -> Outgoing<'_, M> {
        Outgoing::new(self, options)
    }

    /// Sends a message, and waits for room no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// [`SendError::Timeout`], and those of [`send`](Self::send).
    ///
    /// # Panics
    ///
    /// Where it is awaited outside a tokio runtime with timers.
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn send_timeout(&self, message: M, timeout: Duration) -> Result<(), SendError<M>> {
        self.send_until(self.entry(message), from_now(timeout))
            .await
    }

    /// Sends a message from a thread outside the runtime, and blocks it while there is no room.
    ///
    /// On a worker of the runtime it would keep other tasks from running: there, `send` is the way.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send).
    pub fn send_blocking(&self, message: M) -> Result<(), SendError<M>> {
        match self.try_send(message) {
            Err(SendError::Full(message) | SendError::LinkDown(message)) => {
                // A task's budget would keep the waker until the task gives way, which it cannot.
                let sent = block_on(coop::unconstrained(self.send(message)), None);
                sent.expect("without a time limit it ends with an outcome")
            }
            sent => sent,
        }
    }

    /// Sends a message that carries a reply port, and waits for the answer: for the node's
    /// [default](crate::NodeBuilder::ask_timeout), 5 s, unless [`timeout`](Ask::timeout) names
    /// another time.
    ///
    /// Allocates nothing in steady state. An ask that is dropped before its message is handled is
    /// skipped by an actor of this process.
    ///
    /// # Errors
    ///
    /// [`AskError`]. Whoever waits for room when the time is up gets the message back.
    ///
    /// # Panics
    ///
    /// Where it is awaited outside a tokio runtime with timers.
    ///
    /// # Deadlocks
    ///
    /// A handler that asks its own actor, or round a cycle of actors, waits until its time is up. A
    /// debug build names the cycle, as for [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// A dropped future gives the ask up; the message may have been sent.
    ///
    /// # Examples
    ///
    /// See [`ReplyTo`].
    pub fn ask<R: Send + 'static>(&self, make: impl FnOnce(ReplyTo<R>) -> M) -> Ask<'_, M, R> {
        Ask::new(self, make)
    }

    /// Asks from a thread outside the runtime, and blocks it until the answer or `timeout`.
    ///
    /// On a worker of the runtime it would keep other tasks from running: there, `ask` is the way.
    ///
    /// # Errors
    ///
    /// Those of [`ask`](Self::ask).
    pub fn ask_blocking<R: Send + 'static>(
        &self,
        timeout: Duration,
        make: impl FnOnce(ReplyTo<R>) -> M,
    ) -> Result<R, AskError<M>> {
        ask_blocking(self, make, timeout)
    }

    /// Ends the actor once it has handled what was sent before. Does not wait for it.
    ///
    /// Does nothing where a send would fail: the actor or its node is gone, or out of reach. While
    /// the link is dialled again, the request waits for it.
    pub fn stop(&self) {
        match self {
            Self::Local(local) => local.stop(),
            Self::Unix(remote) | Self::Tcp(remote) => remote.stop(),
        }
    }

    /// Ends the actor at its next await, without handling what its mailbox holds. Does not wait
    /// for it. Does nothing where [`stop`](Self::stop) does nothing.
    pub fn kill(&self) {
        match self {
            Self::Local(local) => local.kill(),
            Self::Unix(remote) | Self::Tcp(remote) => remote.kill(),
        }
    }

    /// The actor's id on its node.
    pub fn id(&self) -> ActorId {
        match self {
            Self::Local(local) => local.id(),
            Self::Unix(remote) | Self::Tcp(remote) => remote.actor().described.actor,
        }
    }

    /// Whether sends are known to fail from now on; a remote actor may be gone without our
    /// knowing yet.
    pub fn is_closed(&self) -> bool {
        match self {
            Self::Local(local) => local.is_closed(),
            Self::Unix(remote) | Self::Tcp(remote) => remote.is_ended(),
        }
    }

    /// Whether the actor handles messages, or will: `false` when it is gone, and, on its own node, while
    /// a supervised actor is between two lives. A remote actor may be gone without our knowing yet.
    pub fn is_alive(&self) -> bool {
        match self {
            Self::Local(local) => local.0.front.is_alive(),
            Self::Unix(remote) | Self::Tcp(remote) => !remote.is_ended(),
        }
    }

    /// How often the actor has been restarted, as far as this node knows: of a remote actor, since this
    /// node has had a ref to it.
    pub fn restarts(&self) -> u32 {
        match self {
            Self::Local(local) => local.0.front.life().saturating_sub(1),
            Self::Unix(remote) | Self::Tcp(remote) => remote.restarts(),
        }
    }

    /// Why the actor is gone, once it is.
    ///
    /// # Errors
    ///
    /// [`WatchError`] where this node cannot hear of the end of an actor of another.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: call it again.
    ///
    /// # Examples
    ///
    /// ```
    /// use mycelium_core::{Actor, ActorResult, Context, Node, StopReason};
    ///
    /// struct Clerk;
    ///
    /// impl Actor for Clerk {
    ///     type Message = u64;
    ///
    ///     async fn handle(&mut self, order: u64, _cx: &mut Context<Self>) -> ActorResult {
    ///         println!("order {order}");
    ///         Ok(())
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let node = Node::builder("desk").start().await?;
    /// let clerk = node.spawn(Clerk);
    /// clerk.send(7).await?;
    /// clerk.stop();
    /// assert_eq!(clerk.ended().await?, StopReason::Stopped);
    /// # Ok(()) }
    /// ```
    pub async fn ended(&self) -> Result<StopReason, WatchError> {
        match self {
            Self::Local(local) => Ok(local.ended().await),
            Self::Unix(remote) | Self::Tcp(remote) => remote.ended().await,
        }
    }

    /// The message as it waits to be handled, where nothing goes along with it.
    pub(crate) fn entry(&self, message: M) -> Entry<M> {
        Entry::new(message, Beside::Sent(self.stamp()))
    }

    /// The time of a send, where the actor is one of this process that wants to know it.
    pub(crate) fn stamp(&self) -> Option<Stamp> {
        match self {
            Self::Local(local) => local.stamp(),
            Self::Unix(_) | Self::Tcp(_) => None,
        }
    }

    pub(crate) fn send_entry(&self, entry: Entry<M>) -> SendFuture<'_, M> {
        SendFuture {
            to: self,
            entry: Some(entry),
            ticket: None,
            wait: Wait::watched(),
        }
    }

    /// Waits for room until then.
    pub(crate) async fn send_until(
        &self,
        entry: Entry<M>,
        deadline: Instant,
    ) -> Result<(), SendError<M>> {
        let mut send = self.send_entry(entry);
        send.wait = Wait::unwatched();
        match time::timeout_at(deadline, &mut send).await {
            Ok(done) => done,
            Err(_elapsed) => Err(SendError::Timeout(send.give_back())),
        }
    }

    pub(crate) fn try_send_entry(&self, entry: Entry<M>) -> Result<(), SendError<M>> {
        match self {
            Self::Local(local) => local.try_send_entry(entry),
            Self::Unix(remote) | Self::Tcp(remote) => remote.try_send_entry(entry),
        }
    }

    pub(crate) fn poll_send(
        &self,
        entry: &mut Option<Entry<M>>,
        ticket: &mut Option<Ticket>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError<M>>> {
        match self {
            Self::Local(local) => local.poll_send(entry, ticket, cx),
            Self::Unix(remote) | Self::Tcp(remote) => remote.poll_send(entry, ticket, cx),
        }
    }

    /// How long an ask may take whose asker names no time.
    pub(crate) fn ask_timeout(&self) -> Duration {
        match self {
            Self::Local(local) => local.0.front.ask_timeout(),
            Self::Unix(remote) | Self::Tcp(remote) => remote.ask_timeout(),
        }
    }

    pub(crate) fn leave_line(&self, ticket: &mut Option<Ticket>) {
        match self {
            Self::Local(local) => local.leave_line(ticket),
            Self::Unix(remote) | Self::Tcp(remote) => remote.leave_line(ticket),
        }
    }
}

impl<M> ActorRef<M> {
    /// What makes the actor itself: the life of its node, and its id there.
    pub(crate) fn identity(&self) -> (u128, ActorId) {
        match self {
            Self::Local(local) => (local.0.front.incarnation, local.0.front.id),
            Self::Unix(remote) | Self::Tcp(remote) => remote.identity(),
        }
    }
}

impl<M> Clone for ActorRef<M> {
    fn clone(&self) -> Self {
        match self {
            Self::Local(local) => Self::Local(local.clone()),
            Self::Unix(remote) => Self::Unix(remote.clone()),
            Self::Tcp(remote) => Self::Tcp(remote.clone()),
        }
    }
}

impl<M> PartialEq for ActorRef<M> {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl<M> Eq for ActorRef<M> {}

impl<M> Hash for ActorRef<M> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

impl<M> fmt::Debug for ActorRef<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(local) => write!(f, "ActorRef({:?})", local.0.front.id),
            Self::Unix(remote) | Self::Tcp(remote) => write!(f, "ActorRef({remote:?})"),
        }
    }
}

/// The future of [`ActorRef::send`].
#[must_use = "a send does nothing until it is awaited"]
pub struct SendFuture<'a, M: Message> {
    to: &'a ActorRef<M>,
    entry: Option<Entry<M>>,
    /// Our place among those who wait for room.
    ticket: Option<Ticket>,
    wait: Wait,
}

impl<M: Message> SendFuture<'_, M> {
    /// Gives up and returns the message, which has not been sent.
    fn give_back(mut self) -> M {
        let entry = self.entry.take();
        entry
            .expect("a send that is not ready holds its message")
            .message
    }
}

/// The message is moved, never pinned.
impl<M: Message> Unpin for SendFuture<'_, M> {}

impl<M: Message> Future for SendFuture<'_, M> {
    type Output = Result<(), SendError<M>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // A loop of sends with room must let timers and other tasks of its worker run.
        ready!(pin!(coop::consume_budget()).poll(cx));
        let this = self.get_mut();
        let sent = this.to.poll_send(&mut this.entry, &mut this.ticket, cx);
        match sent {
            Poll::Pending => this.wait.for_room(this.to),
            Poll::Ready(_) => this.wait.end(),
        }
        sent
    }
}

impl<M: Message> Drop for SendFuture<'_, M> {
    fn drop(&mut self) {
        if self.ticket.is_some() {
            self.to.leave_line(&mut self.ticket);
        }
    }
}
