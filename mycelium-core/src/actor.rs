//! [`Actor`]: state of its own, one message at a time.

use std::{error::Error, fmt, future::Future, sync::Arc};

use crate::{Archived, Context, Message, Restarted, Terminated};

/// A thing that owns its state and handles one message at a time.
///
/// # Examples
///
/// ```
/// use mycelium_core::{Actor, ActorResult, Context, Node};
/// use tokio::sync::oneshot;
///
/// struct Counter(u64);
///
/// enum Count {
///     Add(u64),
///     Total(oneshot::Sender<u64>),
/// }
///
/// impl Actor for Counter {
///     type Message = Count;
///
///     async fn handle(&mut self, message: Count, _cx: &mut Context<Self>) -> ActorResult {
///         match message {
///             Count::Add(step) => self.0 += step,
///             Count::Total(reply) => reply.send(self.0).map_err(|_| "nobody waits")?,
///         }
///         Ok(())
///     }
/// }
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let node = Node::builder("counting").start().await?;
///     let counter = node.spawn(Counter(0));
///     counter.send(Count::Add(2)).await?;
///     counter.send(Count::Add(3)).await?;
///     let (reply, total) = oneshot::channel();
///     counter.send(Count::Total(reply)).await?;
///     assert_eq!(total.await?, 5);
///     Ok(())
/// }
/// ```
pub trait Actor: Sized + Send + 'static {
    /// What this actor is sent; usually an enum.
    type Message: Message;

    /// Runs once, before the first message. An error ends the actor as if a handler had failed.
    fn started(&mut self, _cx: &mut Context<Self>) -> impl Future<Output = ActorResult> + Send {
        async { Ok(()) }
    }

    /// Handles one message. An error or a panic ends this actor only.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped half-way only when the actor is killed, its node shuts down past its
    /// deadline, or its runtime ends; the actor is gone then too.
    fn handle(
        &mut self,
        message: Self::Message,
        cx: &mut Context<Self>,
    ) -> impl Future<Output = ActorResult> + Send;

    /// Handles one message that came from another process, as the bytes that arrived.
    ///
    /// The archive has been validated and is read in place, without a copy or an allocation. The
    /// default decodes it and calls [`handle`](Self::handle).
    ///
    /// A message of an older type that `Self::Message` accepts does not come here: it is decoded,
    /// converted, and given to [`handle`](Self::handle).
    fn handle_archived(
        &mut self,
        message: Archived<Self::Message>,
        cx: &mut Context<Self>,
    ) -> impl Future<Output = ActorResult> + Send {
        async move { self.handle(message.decode(), cx).await }
    }

    /// Handles the notice that an actor this one [watches](Context::watch) is gone. An error ends
    /// this actor as if a handler had failed; the default does nothing.
    fn terminated(
        &mut self,
        _notice: Terminated,
        _cx: &mut Context<Self>,
    ) -> impl Future<Output = ActorResult> + Send {
        async { Ok(()) }
    }

    /// Handles the notice that an actor whose restarts this one
    /// [watches](Context::watch_restarts) has begun another life. An error ends this actor as if a
    /// handler had failed; the default does nothing.
    fn restarted(
        &mut self,
        _notice: Restarted,
        _cx: &mut Context<Self>,
    ) -> impl Future<Output = ActorResult> + Send {
        async { Ok(()) }
    }

    /// Runs once, after the last message, when the actor was stopped or has failed; not after a
    /// panic or a kill.
    fn stopped(&mut self, _reason: &StopReason) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// What a handler answers.
pub type ActorResult = Result<(), ActorError>;

/// The failure of a handler, made from any error by `?`.
pub struct ActorError(Box<dyn Error + Send + Sync>);

impl ActorError {
    /// The error the handler answered.
    pub fn into_inner(self) -> Box<dyn Error + Send + Sync> {
        self.0
    }
}

impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for ActorError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl fmt::Display for ActorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for ActorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Why an actor is gone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StopReason {
    /// It was asked to stop and handled what it had been sent before.
    #[error("the actor was stopped")]
    Stopped,
    /// A handler, or `started`, answered this error.
    #[error("the actor failed: {0}")]
    Failed(Arc<str>),
    /// A handler panicked with this message.
    #[error("the actor panicked: {0}")]
    Panicked(Arc<str>),
    /// It was killed, or its runtime ended, without handling what it had been sent.
    #[error("the actor was killed")]
    Killed,
    /// An actor that it was [linked](Context::link) to ended, for this reason.
    #[error("an actor it was linked to ended: {0}")]
    Linked(Arc<str>),
    /// Its node is down.
    #[error("the actor's node is down")]
    NodeDown,
    /// There is no such actor on its node (any more).
    #[error("no such actor")]
    NoSuchActor,
    /// It may live: what was watched is a ref of another message type than it takes, which its
    /// node refused. Only a watch that was under way by then ends so.
    #[error("the actor takes messages of another type than the ref")]
    WrongType,
}
