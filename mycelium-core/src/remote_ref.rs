//! [`RemoteRef`]: a ref to an actor of another process.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use mycelium_wire::{ActorId, BindingId, Codec, EndReason, NodeId, Resolved, WireError};

use crate::{
    Message, SendError, StopReason,
    link::{Link, LinkRefusal},
    mailbox::waiters::{Ticket, Waiters},
    sync::{AtomicBool, Mutex, Ordering},
};

/// A ref to an actor of another process: messages are encoded into the link's buffer.
pub struct RemoteRef<M>(Arc<Target<M>>);

struct Target<M> {
    codec: Codec<M>,
    remote: Arc<Remote>,
}

impl<M: Message> RemoteRef<M> {
    pub(crate) fn new(codec: Codec<M>, remote: Arc<Remote>) -> Self {
        Self(Arc::new(Target { codec, remote }))
    }

    pub(crate) fn remote(&self) -> &Remote {
        &self.0.remote
    }

    /// Encodes the message into the link's buffer if there is credit, without waiting.
    ///
    /// # Errors
    ///
    /// As [`ActorRef::try_send`](crate::ActorRef::try_send).
    pub fn try_send(&self, message: M) -> Result<(), SendError<M>> {
        let remote = self.remote();
        if remote.is_awaited.load(Ordering::Relaxed) && !remote.waiters.lock().is_empty() {
            // Those who wait may wait for the link; and where the actor or its node is gone they
            // are only on their way out.
            let refusal = remote.link.refusal().unwrap_or(LinkRefusal::NoCredit);
            return Err(self.explain(refusal, message));
        }
        self.encode(&message)
            .map_err(|refusal| self.explain(refusal, message))
    }

    pub(crate) fn poll_send(
        &self,
        message: &mut Option<M>,
        ticket: &mut Option<Ticket>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError<M>>> {
        if !self.remote().may_try(*ticket) {
            self.remote().wait(ticket, cx);
            return Poll::Pending;
        }
        let sent = self.encode(
            message
                .as_ref()
                .expect("a send is not polled after it is ready"),
        );
        match sent {
            Err(LinkRefusal::NoCredit | LinkRefusal::Reconnecting) if ticket.is_none() => {
                // In line first, then once more: credit that came in between woke nobody.
                self.remote().wait(ticket, cx);
                self.poll_send(message, ticket, cx)
            }
            Err(LinkRefusal::NoCredit | LinkRefusal::Reconnecting) => {
                self.remote().wait(ticket, cx);
                Poll::Pending
            }
            sent => {
                self.leave_line(ticket);
                let message = message.take().expect("it was there a line above");
                Poll::Ready(sent.map_err(|refusal| self.explain(refusal, message)))
            }
        }
    }

    pub(crate) fn leave_line(&self, ticket: &mut Option<Ticket>) {
        if ticket.is_some() {
            self.remote().leave(ticket);
        }
    }

    fn encode(&self, message: &M) -> Result<(), LinkRefusal> {
        let remote = self.remote();
        if remote.ended.get().is_some() {
            return Err(LinkRefusal::NodeDown);
        }
        remote.link.try_send(remote, &mut |encoder| {
            (self.0.codec.encode)(message, encoder)
        })
    }

    fn explain(&self, refusal: LinkRefusal, message: M) -> SendError<M> {
        match (self.remote().ended.get(), refusal) {
            (Some(EndReason::WrongType { found }), _) => SendError::WrongType {
                message,
                wanted: self.0.codec.name,
                found: found.clone(),
            },
            (Some(reason), _) => SendError::ActorDown {
                message,
                reason: reason.into(),
            },
            (None, LinkRefusal::NoCredit | LinkRefusal::TooManyBindings) => {
                SendError::Full(message)
            }
            (None, LinkRefusal::Reconnecting) => SendError::LinkDown(message),
            (None, LinkRefusal::NodeDown) => SendError::NodeDown(message),
            (None, LinkRefusal::Stale) => SendError::Stale(message),
            (None, LinkRefusal::Timeout) => SendError::Timeout(message),
            (
                None,
                LinkRefusal::Wire(WireError::TooLarge {
                    size_bytes,
                    limit_bytes,
                }),
            ) => SendError::TooLarge {
                message,
                size_bytes,
                limit_bytes,
            },
            (None, LinkRefusal::Wire(cause)) => SendError::Refused { message, cause },
        }
    }
}

impl<M> RemoteRef<M> {
    /// What makes the actor itself: the life of its node, and its id there.
    pub(crate) fn identity(&self) -> (u128, ActorId) {
        (self.0.remote.node().incarnation(), self.0.remote.actor())
    }
}

impl<M> Clone for RemoteRef<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M> fmt::Debug for RemoteRef<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "RemoteRef({}@{})",
            self.0.remote.actor(),
            self.0.remote.node()
        )
    }
}

/// An actor of a peer, as all refs of this node to it share it: its binding, and the line of
/// those who wait for credit.
///
/// The credit itself is counted by the link.
pub struct Remote {
    link: Arc<dyn Link>,
    actor: Resolved,
    binding: BindingId,
    /// Senders that wait for credit or for the link.
    waiters: Mutex<Waiters>,
    /// Whether `waiters` may hold somebody: spares senders its lock.
    is_awaited: AtomicBool,
    ended: OnceLock<EndReason>,
}

impl Remote {
    /// Made by the link, which chooses a binding id that no other actor of the peer has.
    pub fn new(link: Arc<dyn Link>, actor: Resolved, binding: BindingId) -> Self {
        Self {
            link,
            actor,
            binding,
            waiters: Mutex::default(),
            is_awaited: AtomicBool::new(false),
            ended: OnceLock::new(),
        }
    }

    /// The actor as its node described it.
    pub fn described(&self) -> &Resolved {
        &self.actor
    }

    /// The id under which the link binds the actor.
    pub fn binding(&self) -> BindingId {
        self.binding
    }

    /// Lets the first of those who wait try again: there is credit, or the link's state changed.
    pub fn wake(&self) {
        let head = self.waiters.lock().head();
        if let Some(head) = head {
            head.wake();
        }
    }

    /// The actor is gone, or was never there: every send fails from now on.
    pub fn end(&self, reason: EndReason) {
        // The first reason counts; a second `Ended` of one binding changes nothing.
        let _ = self.ended.set(reason);
        self.wake();
    }

    pub(crate) fn actor(&self) -> ActorId {
        self.actor.actor
    }

    pub(crate) fn node(&self) -> &NodeId {
        self.link.peer()
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.ended.get().is_some()
    }

    pub(crate) fn stop(&self) {
        self.link.stop(self);
    }

    pub(crate) fn kill(&self) {
        self.link.kill(self);
    }

    fn may_try(&self, ticket: Option<Ticket>) -> bool {
        !self.is_awaited.load(Ordering::Relaxed) || self.waiters.lock().is_first(ticket)
    }

    fn wait(&self, ticket: &mut Option<Ticket>, cx: &mut Context<'_>) {
        let mut waiters = self.waiters.lock();
        waiters.wait(ticket, cx.waker());
        self.is_awaited.store(true, Ordering::Relaxed);
    }

    fn leave(&self, ticket: &mut Option<Ticket>) {
        let mut waiters = self.waiters.lock();
        waiters.leave(ticket);
        self.is_awaited
            .store(!waiters.is_empty(), Ordering::Relaxed);
        let next = waiters.head();
        drop(waiters);
        if let Some(next) = next {
            next.wake();
        }
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.link.detach(self.binding);
    }
}

impl From<&EndReason> for StopReason {
    fn from(reason: &EndReason) -> Self {
        match reason {
            EndReason::Stopped => Self::Stopped,
            EndReason::Failed(text) => Self::Failed(text.as_ref().into()),
            EndReason::Panicked(text) => Self::Panicked(text.as_ref().into()),
            EndReason::Killed => Self::Killed,
            _ => Self::NoSuchActor,
        }
    }
}

impl From<&StopReason> for EndReason {
    fn from(reason: &StopReason) -> Self {
        match reason {
            StopReason::Stopped => Self::Stopped,
            StopReason::Failed(text) => Self::Failed(text.as_ref().into()),
            StopReason::Panicked(text) => Self::Panicked(text.as_ref().into()),
            StopReason::Killed | StopReason::NodeDown => Self::Killed,
            StopReason::NoSuchActor => Self::NoSuchActor,
        }
    }
}
