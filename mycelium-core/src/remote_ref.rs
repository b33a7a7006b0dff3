//! [`RemoteRef`]: a ref to an actor of another process.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
    time::Duration,
};

use mycelium_wire::{ActorId, Codec, Encoder, EndReason, WireError};

use crate::{
    Message, Node, SendError, StopReason, WatchError,
    ask::DEFAULT_TIMEOUT,
    link::LinkRefusal,
    local_ref::EndWatch,
    mailbox::{
        entry::{Beside, Entry},
        waiters::Ticket,
    },
    pending::PendingFull,
    remote::{Remote, RemoteActor},
};

/// A ref to an actor of another process: messages are encoded into the link's buffer.
pub struct RemoteRef<M>(Arc<Target<M>>);

struct Target<M> {
    codec: Codec<M>,
    way: Way,
}

/// How messages get to the actor.
enum Way {
    Known(Arc<Remote>),
    /// The ref came in a message when there was no link to the actor's node: the first send looks
    /// for one.
    Sought {
        node: Node,
        actor: RemoteActor,
        found: OnceLock<Arc<Remote>>,
    },
    /// There is none: the actor was gone, or takes another type, when the ref came.
    Closed {
        actor: RemoteActor,
        reason: EndReason,
    },
}

/// Why a message found no way.
enum NoWay {
    Ended(EndReason),
    Refused(LinkRefusal),
}

impl Way {
    /// The place on the link, where there is or was one.
    fn found(&self) -> Option<&Arc<Remote>> {
        match self {
            Self::Known(remote) => Some(remote),
            Self::Sought { found, .. } => found.get(),
            Self::Closed { .. } => None,
        }
    }
}

impl<M: Message> RemoteRef<M> {
    pub(crate) fn known(codec: Codec<M>, remote: Arc<Remote>) -> Self {
        Self::with(codec, Way::Known(remote))
    }

    pub(crate) fn sought(codec: Codec<M>, node: Node, actor: RemoteActor) -> Self {
        Self::with(
            codec,
            Way::Sought {
                node,
                actor,
                found: OnceLock::new(),
            },
        )
    }

    pub(crate) fn closed(codec: Codec<M>, actor: RemoteActor, reason: EndReason) -> Self {
        Self::with(codec, Way::Closed { actor, reason })
    }

    fn with(codec: Codec<M>, way: Way) -> Self {
        Self(Arc::new(Target { codec, way }))
    }

    /// Encodes the message into the link's buffer if there is credit, without waiting.
    ///
    /// # Errors
    ///
    /// As [`ActorRef::try_send`](crate::ActorRef::try_send).
    pub fn try_send(&self, message: M) -> Result<(), SendError<M>> {
        self.try_send_entry(Entry::new(message, Beside::Sent(None)))
    }

    pub(crate) fn try_send_entry(&self, entry: Entry<M>) -> Result<(), SendError<M>> {
        let remote = match self.remote() {
            Ok(remote) => remote,
            Err(no_way) => return Err(self.explain(no_way, entry.message)),
        };
        if !remote.may_try(None) {
            // Those who wait may wait for the link; and where the actor or its node is gone they
            // are only on their way out.
            let refusal = remote.link.refusal().unwrap_or(LinkRefusal::NoCredit);
            return Err(self.explain(NoWay::Refused(refusal), entry.message));
        }
        self.encode(remote, &entry)
            .map_err(|no_way| self.explain(no_way, entry.message))
    }

    pub(crate) fn poll_send(
        &self,
        entry: &mut Option<Entry<M>>,
        ticket: &mut Option<Ticket>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError<M>>> {
        let sent = match self.remote() {
            Ok(remote) => ready!(self.poll_encode(remote, entry.as_ref(), ticket, cx)),
            Err(no_way) => Err(no_way),
        };
        self.leave_line(ticket);
        let message = entry
            .take()
            .expect("a send is not polled after it is ready")
            .message;
        Poll::Ready(sent.map_err(|no_way| self.explain(no_way, message)))
    }

    fn poll_encode(
        &self,
        remote: &Remote,
        entry: Option<&Entry<M>>,
        ticket: &mut Option<Ticket>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), NoWay>> {
        let entry = entry.expect("a send is not polled after it is ready");
        if let Some(sent) = self.encode_in_turn(remote, entry, *ticket) {
            return Poll::Ready(sent);
        }
        // In line now, and once more: credit that came in between did not wake this task.
        if remote.wait(ticket, cx)
            && let Some(sent) = self.encode_in_turn(remote, entry, *ticket)
        {
            return Poll::Ready(sent);
        }
        Poll::Pending
    }

    /// `None` where others come first, or what is in the way will pass.
    fn encode_in_turn(
        &self,
        remote: &Remote,
        entry: &Entry<M>,
        ticket: Option<Ticket>,
    ) -> Option<Result<(), NoWay>> {
        if !remote.may_try(ticket) {
            return None;
        }
        let sent = self.encode(remote, entry);
        let must_wait = matches!(&sent, Err(NoWay::Refused(refusal)) if refusal.is_passing());
        (!must_wait).then_some(sent)
    }

    pub(crate) fn ask_timeout(&self) -> Duration {
        match &self.0.way {
            Way::Known(remote) => remote.link.ask_timeout(),
            Way::Sought { node, .. } => node.ask_timeout(),
            // It fails before that.
            Way::Closed { .. } => DEFAULT_TIMEOUT,
        }
    }

    pub(crate) fn leave_line(&self, ticket: &mut Option<Ticket>) {
        // Also where the actor has ended: the next in line has to be told as well.
        if ticket.is_some()
            && let Some(remote) = self.0.way.found()
        {
            remote.leave(ticket);
        }
    }

    pub(crate) fn stop(&self) {
        if let Ok(remote) = self.remote() {
            remote.link.stop(remote);
        }
    }

    pub(crate) fn kill(&self) {
        if let Ok(remote) = self.remote() {
            remote.link.kill(remote);
        }
    }

    /// Whether nothing can be sent any more. Looks for no way where none was needed yet.
    pub(crate) fn is_ended(&self) -> bool {
        let remote = match &self.0.way {
            Way::Known(remote) => remote,
            Way::Closed { .. } => return true,
            Way::Sought { found, .. } => match found.get() {
                Some(remote) => remote,
                None => return false,
            },
        };
        let is_down = |refusal| matches!(refusal, LinkRefusal::NodeDown | LinkRefusal::Stale);
        remote.end_reason().is_some() || remote.link.refusal().is_some_and(is_down)
    }

    /// How often the actor was restarted, as its node has told. Looks for no way where none was needed.
    pub(crate) fn restarts(&self) -> u32 {
        self.0.way.found().map_or(0, |remote| remote.restarts())
    }

    /// The actor's place on the link, where its end is heard of; or why it is gone already.
    pub(crate) fn watchable(&self) -> Result<Result<&Arc<Remote>, StopReason>, WatchError> {
        match (self.remote(), self.0.way.found()) {
            (Err(NoWay::Ended(EndReason::WrongType { .. })), _) => Err(WatchError::WrongType),
            // Also one that has ended: its place knows what came before its end.
            (Ok(remote), _) | (Err(NoWay::Ended(_)), Some(remote)) => Ok(Ok(remote)),
            (Err(NoWay::Ended(reason)), None) => Ok(Err((&reason).into())),
            (Err(NoWay::Refused(refusal)), _) => refusal.try_into().map(Err),
        }
    }

    pub(crate) async fn ended(&self) -> Result<StopReason, WatchError> {
        let reason = match self.watchable()? {
            Ok(remote) => EndWatch::wait(|watch| remote.tell(watch)).await,
            Err(reason) => reason,
        };
        match reason {
            // The same as whoever asks later is told.
            StopReason::WrongType => Err(WatchError::WrongType),
            reason => Ok(reason),
        }
    }

    fn remote(&self) -> Result<&Arc<Remote>, NoWay> {
        let remote = match &self.0.way {
            Way::Known(remote) => remote,
            Way::Closed { reason, .. } => return Err(NoWay::Ended(reason.clone())),
            Way::Sought { node, actor, found } => {
                if let Some(remote) = found.get() {
                    remote
                } else {
                    let remote = node.attach(actor).map_err(NoWay::Refused)?;
                    found.get_or_init(|| remote)
                }
            }
        };
        match remote.end_reason() {
            Some(reason) => Err(NoWay::Ended(reason.clone())),
            None => Ok(remote),
        }
    }

    fn encode(&self, remote: &Remote, entry: &Entry<M>) -> Result<(), NoWay> {
        let Entry { message, beside } = entry;
        let mut encode = |encoder: &mut Encoder<'_>| (self.0.codec.encode)(message, encoder);
        let extensions = beside.extensions(|| remote.link.peer_clock());
        let purpose = beside.purpose();
        let sent = remote
            .link
            .try_send(remote, purpose, extensions, &mut encode);
        sent.map_err(|refusal| match remote.end_reason() {
            Some(reason) => NoWay::Ended(reason.clone()),
            None => NoWay::Refused(refusal),
        })
    }

    fn explain(&self, no_way: NoWay, message: M) -> SendError<M> {
        match no_way {
            NoWay::Ended(EndReason::WrongType { found }) => SendError::WrongType {
                message,
                wanted: self.0.codec.name,
                found,
            },
            NoWay::Ended(reason) => SendError::ActorDown {
                message,
                reason: (&reason).into(),
            },
            NoWay::Refused(refusal) => explain(refusal, message),
        }
    }
}

impl<M> RemoteRef<M> {
    /// What makes the actor itself: the life of its node, and its id there.
    pub(crate) fn identity(&self) -> (u128, ActorId) {
        let actor = self.actor();
        (actor.node.incarnation(), actor.described.actor)
    }

    /// What a copy of the ref on another node has to know.
    pub(crate) fn actor(&self) -> &RemoteActor {
        match &self.0.way {
            Way::Known(remote) => &remote.actor,
            Way::Sought { actor, .. } | Way::Closed { actor, .. } => actor,
        }
    }
}

fn explain<M>(refusal: LinkRefusal, message: M) -> SendError<M> {
    match refusal {
        LinkRefusal::NoCredit => SendError::Full(message),
        LinkRefusal::Reconnecting => SendError::LinkDown(message),
        // A link that refuses an actor's end has told its reason before.
        LinkRefusal::ActorDown => SendError::ActorDown {
            message,
            reason: StopReason::NoSuchActor,
        },
        LinkRefusal::NodeDown => SendError::NodeDown(message),
        LinkRefusal::Stale => SendError::Stale(message),
        LinkRefusal::Unreachable => SendError::Unreachable(message),
        LinkRefusal::Wire(WireError::TooLarge {
            size_bytes,
            limit_bytes,
        }) => SendError::TooLarge {
            message,
            size_bytes,
            limit_bytes,
        },
        LinkRefusal::Wire(cause) if PendingFull::is_behind(&cause) => SendError::Full(message),
        LinkRefusal::Wire(cause) => SendError::Refused { message, cause },
        // Of the two, sends meet the first: no link asks for names on their behalf.
        LinkRefusal::TooManyBindings | LinkRefusal::Timeout => SendError::Refused {
            message,
            cause: WireError::Port(refusal.into()),
        },
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
            self.actor().described.actor,
            self.actor().node
        )
    }
}
