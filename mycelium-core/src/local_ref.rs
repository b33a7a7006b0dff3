//! [`LocalRef`]: a ref to an actor of this process.

use std::{
    fmt,
    sync::{Arc, Weak},
    task::{Context, Poll, ready},
};

use mycelium_wire::ActorId;
use tokio::sync::oneshot;

use crate::{
    Message, SendError, StopReason,
    cell::{Control, LocalCell, exit::Mourner},
    mailbox::{
        entry::{Beside, Entry},
        local::Push,
        waiters::Ticket,
    },
    stamp::Stamp,
    sync::Mutex,
};

/// A ref to an actor of this process: messages are moved into its mailbox.
///
/// [`ActorRef`](crate::ActorRef) holds one and does all that it does; take it out where a hot
/// path wants no choice between transports.
pub struct LocalRef<M>(pub(crate) Arc<LocalCell<M>>, AgeOf);

/// Whether an actor wants to know when its messages were sent.
///
/// Refs know: what the cell says of it would lie among what its runner writes, and each send would
/// wait for that.
#[derive(Clone, Copy)]
enum AgeOf {
    /// Messages that were sent with options.
    Stamped,
    /// Every message.
    Every,
}

impl<M> LocalRef<M> {
    pub(crate) fn new(cell: Arc<LocalCell<M>>) -> Self {
        let age_of = if cell.front.measures_age {
            AgeOf::Every
        } else {
            AgeOf::Stamped
        };
        Self(cell, age_of)
    }

    /// The time of a send, where the actor wants to know it.
    pub(crate) fn stamp(&self) -> Option<Stamp> {
        match self.1 {
            AgeOf::Stamped => None,
            AgeOf::Every => Some(Stamp::now()),
        }
    }
}

impl<M: Message> LocalRef<M> {
    /// Puts the message in the mailbox if there is room, without waiting.
    ///
    /// # Errors
    ///
    /// [`SendError::Full`], or [`SendError::ActorDown`]; both give the message back.
    pub fn try_send(&self, message: M) -> Result<(), SendError<M>> {
        let beside = Beside::Sent(self.stamp());
        self.try_send_entry(Entry::new(message, beside))
    }

    pub(crate) fn try_send_entry(&self, entry: Entry<M>) -> Result<(), SendError<M>> {
        self.conclude(self.0.front.mailbox.local.try_push(entry))
    }

    /// The actor's id on this node.
    pub fn id(&self) -> ActorId {
        self.0.front.id
    }

    /// Messages that wait to be handled, those of other nodes included.
    pub fn mailbox_len(&self) -> usize {
        self.0.front.mailbox.len()
    }

    /// How many messages of this process the mailbox takes.
    pub fn capacity_messages(&self) -> usize {
        self.0.front.mailbox.local.capacity_messages()
    }

    /// Whether the actor takes no more messages.
    pub fn is_closed(&self) -> bool {
        self.0.front.mailbox.local.is_closed()
    }

    /// Refuses later messages and ends the actor once it has handled those before.
    pub fn stop(&self) {
        self.0.stop();
    }

    /// Ends the actor at its next await, without handling what its mailbox holds.
    pub fn kill(&self) {
        self.0.kill();
    }

    /// Why the actor is gone, once it is.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: call it again.
    pub fn ended(&self) -> impl Future<Output = StopReason> + Send + 'static {
        EndWatch::wait(|watch| self.0.front.exit.tell(watch))
    }

    /// Calls `hook` once, when the actor is gone for good; at once if it is.
    ///
    /// The hook is kept until then, and runs on the task that ends the actor: it must not block.
    pub fn on_end(&self, hook: impl FnOnce(&StopReason) + Send + 'static) {
        self.0.front.exit.on_end(hook);
    }

    pub(crate) fn poll_send(
        &self,
        entry: &mut Option<Entry<M>>,
        ticket: &mut Option<Ticket>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError<M>>> {
        let push = ready!(self.0.front.mailbox.local.poll_push(entry, ticket, cx));
        Poll::Ready(self.conclude(push))
    }

    pub(crate) fn leave_line(&self, ticket: &mut Option<Ticket>) {
        self.0.front.mailbox.local.cancel(ticket);
    }

    fn conclude(&self, push: Push<Entry<M>>) -> Result<(), SendError<M>> {
        match push {
            Push::Stored(found) => {
                self.0.front.stored(found);
                Ok(())
            }
            Push::Full(entry) => Err(SendError::Full(entry.message)),
            Push::Closed(entry) => Err(SendError::ActorDown {
                message: entry.message,
                reason: self.0.front.exit.reason(),
            }),
        }
    }
}

impl<M> Clone for LocalRef<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0), self.1)
    }
}

impl<M> fmt::Debug for LocalRef<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalRef({})", self.0.front.id)
    }
}

/// Someone who waits for an actor's end.
pub(crate) struct EndWatch(Mutex<Option<oneshot::Sender<StopReason>>>);

impl EndWatch {
    /// Waits until the watch that `begin` is given has been told of an end.
    pub(crate) fn wait(
        begin: impl FnOnce(Weak<dyn Mourner>),
    ) -> impl Future<Output = StopReason> + Send + 'static {
        let (tell, told) = oneshot::channel();
        let watch: Arc<dyn Mourner> = Arc::new(Self(Mutex::new(Some(tell))));
        begin(Arc::downgrade(&watch));
        async move {
            // Held until then: nothing is kept of one that is dropped.
            let _watch = watch;
            told.await.expect("an actor's end is told")
        }
    }
}

impl Mourner for EndWatch {
    fn actor_ended(&self, reason: &StopReason) {
        if let Some(tell) = self.0.lock().take() {
            // Whoever asked may have left.
            let _ = tell.send(reason.clone());
        }
    }
}
