//! [`Link`]: the port through which a transport carries messages out of this node.
//!
//! A link stands for one pair of nodes. It outlives its connections: while it is dialled again,
//! sends wait; when the peer is down, they fail. Its counterpart for what comes in is
//! [`Inbound`](crate::Inbound).

use std::{
    future::Future,
    ops::AddAssign,
    pin::Pin,
    sync::{Arc, Weak},
    time::Duration,
};

use mycelium_wire::{
    BindingId, CloseReason, Credit, Encoder, EndReason, FrameExtensions, NodeId, ReplyFailure,
    Resolved, Totals, Window, WireError,
};

use crate::{Bounds, Node, ObjectLink, Remote, ask::DEFAULT_TIMEOUT};

/// What a link is made of; a ref's variant tells it to users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkKind {
    /// A Unix socket: the peer is on this host.
    Unix,
    /// A TCP connection.
    Tcp,
}

/// Writes one message into a link's buffer.
pub type Encode<'a> = &'a mut dyn FnMut(&mut Encoder<'_>) -> Result<(), WireError>;

/// A binding of the peer to an actor of this node, on one connection of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InboundBinding {
    /// Which connection of the link it belongs to.
    pub generation: u32,
    /// The id the peer chose.
    pub binding: BindingId,
}

/// What became of the messages that this node sent over a link.
///
/// At any time `accepted = confirmed + refused + unknown + in_flight`; the peer handled at least
/// `confirmed` of them and at most `confirmed + unknown`, once nothing is in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkStats {
    /// Sends that answered `Ok`.
    pub accepted: u64,
    /// Messages that a handler took.
    pub confirmed: u64,
    /// Messages that were discarded: their actor was gone, or was not one that takes them; or their
    /// time had passed, or their asker left, before their turn came.
    pub refused: u64,
    /// Messages that were in flight when a connection was lost.
    pub unknown: u64,
    /// Messages of which the peer has said nothing yet.
    pub in_flight: u64,
    /// Answers that came when nobody waited for them any more.
    pub late_replies: u64,
}

impl From<Totals> for LinkStats {
    /// Of one connection.
    fn from(totals: Totals) -> Self {
        Self {
            accepted: totals.accepted,
            confirmed: totals.confirmed,
            refused: totals.refused,
            in_flight: totals.in_flight,
            ..Self::default()
        }
    }
}

impl AddAssign for LinkStats {
    fn add_assign(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.confirmed += other.confirmed;
        self.refused += other.refused;
        self.unknown += other.unknown;
        self.in_flight += other.in_flight;
        self.late_replies += other.late_replies;
    }
}

/// What a message is sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To be handled, whoever waits.
    Tell,
    /// To be answered: it is cancelled when its asker leaves.
    Ask,
}

/// The monotonic clock that a peer reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PeerClock {
    /// That of this host.
    Ours,
    /// One whose numbers mean nothing here.
    #[default]
    Another,
}

/// How a link to a peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkState {
    /// The peer is heard.
    Up,
    /// The peer is silent: it may be busy, stopped, or cut off.
    Suspected,
    /// The connection is lost and the peer is awaited.
    Reconnecting,
    /// The peer is gone for good; a peer that comes back has another link.
    Down,
}

/// Why a link did not take a message, a signal or a question.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkRefusal {
    /// The binding's window is used up; [`Remote::wake`] is called when there is room.
    #[error("the window of the binding is used up")]
    NoCredit,
    /// The link is being dialled again; [`Remote::wake`] is called when it is up.
    #[error("the link is lost and being dialled again")]
    Reconnecting,
    /// The actor is gone: [`Remote::end`] was called.
    #[error("the actor is gone")]
    ActorDown,
    /// The peer is down.
    #[error("the node is down")]
    NodeDown,
    /// The peer's place was taken by a later incarnation.
    #[error("the node has been restarted")]
    Stale,
    /// The link holds as many bindings as it may; drop refs to some of the peer's actors.
    #[error("the link is bound to as many actors as it may be")]
    TooManyBindings,
    /// This node has no link to the actor's node: make it a peer.
    #[error("this node is not linked to the actor's node")]
    Unreachable,
    /// The peer did not answer in time.
    #[error("the node did not answer in time")]
    Timeout,
    /// The message or name could not be encoded.
    #[error(transparent)]
    Wire(#[from] WireError),
}

impl LinkRefusal {
    /// Whether it is worth waiting for: [`Remote::wake`] is called when it has passed.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::NoCredit | Self::Reconnecting)
    }
}

/// What refs and reply ports need while they are decoded: where they came from.
pub struct DecodePorts {
    pub(crate) node: Node,
    pub(crate) link: Weak<dyn Link>,
    pub(crate) generation: u32,
}

/// A future that a transport gives back.
pub type LinkFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The link to one peer, implemented by a transport: how messages go; [`ObjectLink`] is how objects do.
pub trait Link: ObjectLink + Send + Sync + 'static {
    /// The peer.
    fn peer(&self) -> &NodeId;

    /// What the link is made of.
    fn kind(&self) -> LinkKind;

    /// The one `Remote` for an actor of the peer, so that all refs to it share a binding and its
    /// order.
    ///
    /// # Errors
    ///
    /// [`LinkRefusal::TooManyBindings`], or that the peer is down.
    fn attach(self: Arc<Self>, actor: Resolved) -> Result<Arc<Remote>, LinkRefusal>;

    /// Encodes a message into the link's buffer, behind what goes along with it, within the credit of
    /// the binding. Never waits.
    ///
    /// # Errors
    ///
    /// [`LinkRefusal`]; nothing is left in the buffer then.
    fn try_send(
        &self,
        remote: &Remote,
        purpose: Purpose,
        extensions: FrameExtensions,
        encode: Encode<'_>,
    ) -> Result<(), LinkRefusal>;

    /// What the peer counts the time of a send with: so it is told to [`try_send`](Self::try_send),
    /// and so it is understood.
    fn peer_clock(&self) -> PeerClock {
        PeerClock::Another
    }

    /// How long an ask over the link may take whose asker names no time.
    fn ask_timeout(&self) -> Duration {
        DEFAULT_TIMEOUT
    }

    /// Why no message can be sent to the peer now, whatever its credit; `None` while it can.
    fn refusal(&self) -> Option<LinkRefusal> {
        None
    }

    /// Asks the peer to stop the actor, after the messages sent before. While the link is dialled
    /// again, the request waits for it.
    fn stop(&self, remote: &Remote);

    /// Asks the peer to kill the actor; as [`stop`](Self::stop) where the link is dialled again.
    fn kill(&self, remote: &Remote);

    /// Sees to it that the actor's end is heard of, on this connection and every later one:
    /// [`Remote::end`] and [`Remote::mourn`] are called then.
    fn watch(&self, remote: &Remote);

    /// The last ref of the remote is gone; called once, when it is dropped.
    fn detach(&self, remote: &Remote);

    /// Tells the peer that one of its bindings is accepted, with this window.
    fn bound(&self, inbound: InboundBinding, window: Window);

    /// Tells the peer what was taken from one of its bindings.
    fn credit(&self, inbound: InboundBinding, credit: Credit);

    /// Tells the peer that everything sent through a binding it gave up has been taken.
    fn unbound(&self, inbound: InboundBinding);

    /// Tells the peer that the actor behind one of its bindings is gone.
    fn ended(&self, inbound: InboundBinding, reason: &EndReason);

    /// Answers an ask of the peer that came through the connection of this generation; does
    /// nothing where that is gone.
    ///
    /// # Errors
    ///
    /// [`LinkRefusal::Wire`] when the answer cannot be encoded, [`LinkRefusal::NoCredit`] when too
    /// much waits for the peer to read.
    fn reply(&self, generation: u32, request: u64, encode: Encode<'_>) -> Result<(), LinkRefusal>;

    /// Tells the peer that an ask has no answer.
    fn reply_failed(&self, generation: u32, request: u64, failure: &ReplyFailure);

    /// Nobody waits for the answer to an ask any more: the peer is told, so that a message which
    /// has not been handled yet is skipped.
    fn forget(&self, request: u64);

    /// How many asks wait for an answer over the link; 0 at rest.
    ///
    /// Those of this node, and those that it passed on for others.
    fn pending_asks(&self) -> usize;

    /// How many actors of the peer this node is bound to; 0 once no ref to them is left and the
    /// peer has taken all that was sent.
    fn bindings(&self) -> usize;

    /// How the link is.
    fn state(&self) -> LinkState {
        LinkState::Up
    }

    /// How much may wait in the link's own buffers.
    fn bounds(&self) -> Bounds {
        Bounds::default()
    }

    /// What became of the messages that went over the link, over all of its connections.
    fn stats(&self) -> LinkStats;

    /// Closes the connection of this generation, because the peer broke the protocol on it.
    fn fail(&self, generation: u32, reason: CloseReason);

    /// Asks the peer for the actor registered under `name`.
    fn resolve<'a>(
        &'a self,
        name: &'a str,
    ) -> LinkFuture<'a, Result<Option<Resolved>, LinkRefusal>>;
}
