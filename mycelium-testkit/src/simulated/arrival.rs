//! [`Arrival`]: an event without the borrow of the receive buffer.

use mycelium::wire::{
    Bind, BindingId, CloseReason, Credit, Event, Hello, Resolved, Window, Wire, frame_bytes, open,
};

/// What is sent to actors: the actor, the message's number, and bytes that follow from both.
pub(crate) type Numbered = (u64, u64, Vec<u8>);

/// The bytes of the message with this number.
pub(crate) fn filling(actor: u64, number: u64, count: usize) -> Vec<u8> {
    let first = actor.wrapping_mul(31).wrapping_add(number).to_le_bytes()[0];
    (0..count)
        .map(|at| first.wrapping_add(at.to_le_bytes()[0]))
        .collect()
}

/// What an event asks of the node.
pub(crate) enum Arrival {
    Hello(Box<Hello>),
    Up,
    Bind(BindingId, Bind),
    Bound(BindingId, Window),
    Message(BindingId, Carried),
    Credit(BindingId, Credit),
    Stop(BindingId),
    Kill(BindingId),
    Ended(BindingId),
    Unbind(BindingId),
    Unbound(BindingId),
    Resolve(u64, String),
    Resolved(u64, Option<Resolved>),
    Answered(u64),
    Close,
    /// A heartbeat, a cancel, or a fragment: the simulated actors handle everything, and move no
    /// objects.
    Nothing,
}

/// A message that arrived whole.
pub(crate) struct Carried {
    pub(crate) actor: u64,
    pub(crate) number: u64,
    /// The bytes that its window is charged with.
    pub(crate) charge: usize,
}

impl Arrival {
    /// # Errors
    ///
    /// [`CloseReason::Corrupt`] where a message or reply is not what all of them are.
    pub(crate) fn of(event: Event<'_>) -> Result<Self, CloseReason> {
        Ok(match event {
            Event::Hello(hello) => Self::Hello(hello),
            Event::Up { .. } => Self::Up,
            Event::Bind { binding, bind } => Self::Bind(binding, bind),
            Event::Bound { binding, window } => Self::Bound(binding, window),
            Event::Message { binding, frame } => {
                Self::Message(binding, Carried::of(frame.payload())?)
            }
            Event::LongMessage {
                binding, archive, ..
            } => Self::Message(binding, Carried::of(&archive)?),
            Event::Credit { binding, credit } => Self::Credit(binding, credit),
            Event::Stop { binding } => Self::Stop(binding),
            Event::Kill { binding } => Self::Kill(binding),
            Event::Ended { binding, .. } => Self::Ended(binding),
            Event::Unbind { binding } => Self::Unbind(binding),
            Event::Unbound { binding } => Self::Unbound(binding),
            Event::Resolve { request, name } => Self::Resolve(request, name.to_owned()),
            Event::Resolved { request, resolved } => Self::Resolved(request, resolved),
            Event::Reply { request, frame } => Self::Answered(reply(request, frame.payload())?),
            Event::LongReply { request, archive } => Self::Answered(reply(request, &archive)?),
            Event::ReplyFailed { request, .. } => Self::Answered(request),
            Event::Close(_) => Self::Close,
            Event::Cancel { .. }
            | Event::Heartbeat
            | Event::Fragment
            | Event::Widen
            | Event::Offer { .. }
            | Event::Part { .. }
            | Event::Withdrawn { .. }
            | Event::Taken { .. }
            | Event::Declined { .. } => Self::Nothing,
        })
    }
}

impl Carried {
    fn of(archive: &[u8]) -> Result<Self, CloseReason> {
        let view = open::<Numbered>(archive, Numbered::FINGERPRINT);
        let view = view.map_err(|error| corrupt(&error.to_string()))?;
        let (actor, number) = (view.0.to_native(), view.1.to_native());
        if view.2.as_slice() != filling(actor, number, view.2.len()) {
            return Err(corrupt("a message's bytes are not its own"));
        }
        Ok(Self {
            actor,
            number,
            charge: frame_bytes(archive.len()),
        })
    }
}

fn reply(request: u64, archive: &[u8]) -> Result<u64, CloseReason> {
    let view = open::<u64>(archive, u64::FINGERPRINT);
    let view = view.map_err(|error| corrupt(&error.to_string()))?;
    if view.to_native() == request {
        Ok(request)
    } else {
        Err(corrupt("a reply is not to its request"))
    }
}

pub(crate) fn corrupt(what: &str) -> CloseReason {
    CloseReason::Corrupt(what.into())
}
