//! [`Event`]: what a peer sent, as the receiving half tells it.

use bytes::Bytes;

use crate::{
    Bind, BindingId, CloseReason, Credit, Decline, EndReason, Frame, FrameExtensions, Hello,
    ReplyFailure, Resolved, Window,
};

/// What a peer sent.
///
/// `Bind`, `Message`, `Cancel`, `Stop`, `Kill` and `Unbind` speak of bindings that the peer made to
/// our actors; `Bound`, `Credit`, `Ended` and `Unbound` of those that we made to its actors: two
/// spaces of ids. The latter go to the [`SendHalf`](crate::SendHalf), which checks them.
#[derive(Debug)]
pub enum Event<'a> {
    /// The peer introduced itself: answer with its nonce.
    Hello(Box<Hello>),
    /// The peer confirmed our nonce: the link is up.
    Up {
        /// How often one of the two nodes was declared down, as far as the peer knows.
        epoch: u32,
    },
    /// The peer binds to an actor: answer with `bound` or `ended`.
    Bind {
        /// The id that the peer chose.
        binding: BindingId,
        /// The actor and what shall be sent to it.
        bind: Bind,
    },
    /// The target accepted our binding.
    Bound {
        /// Our binding.
        binding: BindingId,
        /// What the target grants from now on.
        window: Window,
    },
    /// A message, in order.
    Message {
        /// The peer's binding.
        binding: BindingId,
        /// The message's archive, not yet validated.
        frame: Frame<'a>,
    },
    /// A message that came in fragments, in order.
    LongMessage {
        /// The peer's binding.
        binding: BindingId,
        /// The message's number.
        sequence: u32,
        /// What came before its archive.
        extensions: FrameExtensions,
        /// Its archive, 16-aligned, not yet validated.
        archive: Bytes,
    },
    /// Some bytes of a long message or reply; nothing is to be done.
    Fragment,
    /// Nobody waits for the answer to this message any more: if it was not handled yet, it need not
    /// be.
    Cancel {
        /// The peer's binding.
        binding: BindingId,
        /// Which message; one that came before.
        sequence: u32,
    },
    /// The peer is alive: tell it what was taken.
    Heartbeat,
    /// What became of our messages.
    Credit {
        /// Our binding.
        binding: BindingId,
        /// The target's counts.
        credit: Credit,
    },
    /// The actor shall stop after the messages before this event.
    Stop {
        /// The peer's binding.
        binding: BindingId,
    },
    /// The actor shall end at once.
    Kill {
        /// The peer's binding.
        binding: BindingId,
    },
    /// The actor is gone.
    Ended {
        /// Our binding.
        binding: BindingId,
        /// Why.
        reason: EndReason,
    },
    /// The peer needs the binding no longer: return all its credit, then answer `unbound`.
    Unbind {
        /// The peer's binding.
        binding: BindingId,
    },
    /// The id of our binding is free.
    Unbound {
        /// Our binding.
        binding: BindingId,
    },
    /// The peer asks for the actor with a name.
    Resolve {
        /// To be given back with the answer.
        request: u64,
        /// The name.
        name: &'a str,
    },
    /// The answer to our question.
    Resolved {
        /// Our question.
        request: u64,
        /// The actor, or nothing where there is no such name.
        resolved: Option<Resolved>,
    },
    /// The answer to a reply port that we sent. Requests are not checked here: a reply may cross the
    /// end of its request on the way.
    Reply {
        /// Our request.
        request: u64,
        /// The reply's archive, not yet validated.
        frame: Frame<'a>,
    },
    /// As `Reply`, of an answer that came in fragments.
    LongReply {
        /// Our request.
        request: u64,
        /// The reply's archive, 16-aligned, not yet validated.
        archive: Bytes,
    },
    /// A reply port that we sent gets no answer.
    ReplyFailed {
        /// Our request.
        request: u64,
        /// Why.
        failure: ReplyFailure,
    },
    /// The peer wants a connection for objects beside this one, which we dialled.
    Widen,
    /// The peer offers an object. Tickets are not checked here, in this kind and the next four.
    Offer {
        /// What was given out for it, somewhere.
        ticket: u64,
        /// How long it is.
        length_bytes: u64,
    },
    /// The next bytes of an object; at least one.
    Part {
        /// The object's.
        ticket: u64,
        /// Its payload are the bytes.
        frame: Frame<'a>,
    },
    /// No more of an object comes.
    Withdrawn {
        /// The object's.
        ticket: u64,
    },
    /// How much of an object of ours was taken so far.
    Taken {
        /// The object's.
        ticket: u64,
        /// Bytes from its start.
        taken_bytes: u64,
    },
    /// An object of ours is not wanted, or not any more.
    Declined {
        /// The object's.
        ticket: u64,
        /// Why.
        why: Decline,
    },
    /// The peer closed the link; nothing follows.
    Close(CloseReason),
}
