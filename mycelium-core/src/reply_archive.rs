//! How a [`ReplyTo`] travels: as the number under which its link settles the ask.

use std::{sync::Arc, time::Duration};

use mycelium_wire::{
    Codec, Fingerprint, Opener, Wire, WireError, WireSerializer,
    rkyv::{self, Archive, Deserialize, Place, Serialize},
};
use tokio::time::Instant;

use crate::{
    ReplyTo,
    link::DecodePorts,
    pending::EncodePorts,
    reply_slot::{NoAnswer, RemoteAsker, Slot},
    reply_to::Port,
};

/// What an ask may take where its asker named no time.
const NO_DEADLINE: Duration = Duration::from_hours(1);

/// The longest that a port of another node is kept for its answer, whatever time it was given.
const MOST: Duration = Duration::from_hours(24);

/// The number of no ask: what a port that leads nowhere travels as, and is answered under.
const NOBODY: u64 = u64::MAX;

/// A reply port on the wire.
#[derive(rkyv::Archive, rkyv::Serialize)]
#[rkyv(crate = mycelium_wire::rkyv)]
#[doc(hidden)]
pub struct PortRecord {
    request: u64,
    /// The schema of the answer.
    fingerprint: u64,
    remaining_ns: u64,
}

impl<R> Archive for ReplyTo<R> {
    type Archived = ArchivedPortRecord;
    type Resolver = (PortRecord, PortRecordResolver);

    fn resolve(&self, (record, resolver): Self::Resolver, out: Place<Self::Archived>) {
        record.resolve(resolver, out);
    }
}

impl<R: Wire> Serialize<WireSerializer<'_>> for ReplyTo<R> {
    fn serialize(&self, serializer: &mut WireSerializer<'_>) -> Result<Self::Resolver, WireError> {
        let ports = serializer.sharing.downcast_mut::<EncodePorts>();
        let ports = ports.ok_or_else(|| WireError::Port(Box::new(NoNode)))?;
        let (request, remaining) = match self.slot() {
            Some(slot) => {
                let remaining = slot.remaining(Instant::now()).unwrap_or(NO_DEADLINE);
                (ports.move_port(slot)?, remaining)
            }
            None => (NOBODY, Duration::ZERO),
        };
        let record = PortRecord {
            request,
            fingerprint: R::FINGERPRINT,
            remaining_ns: nanoseconds(remaining),
        };
        let resolver = record.serialize(serializer)?;
        Ok((record, resolver))
    }
}

impl<R: Wire> Deserialize<ReplyTo<R>, Opener<'_>> for ArchivedPortRecord {
    fn deserialize(&self, opener: &mut Opener<'_>) -> Result<ReplyTo<R>, WireError> {
        let ports = opener.ports::<DecodePorts>();
        let ports = ports.ok_or_else(|| WireError::Port(Box::new(NoNode)))?;
        let remaining = Duration::from_nanos(self.remaining_ns.to_native()).min(MOST);
        let slot = Slot::for_remote(RemoteAsker {
            link: ports.link.clone(),
            generation: ports.generation,
            request: self.request.to_native(),
            codec: Codec::<R>::new(),
            deadline: Instant::now() + remaining,
        });
        if self.fingerprint.to_native() != R::FINGERPRINT {
            // The asker takes another type: it is told at once, and the port leads nowhere.
            slot.conclude(Err(NoAnswer::WrongType {
                found: R::NAME.into(),
            }));
            return Ok(ReplyTo::void());
        }
        Ok(ReplyTo::new(slot as Arc<dyn Port<R>>))
    }
}

impl<R: Wire> Wire for ReplyTo<R> {
    const NAME: &'static str = "ReplyTo";
    const NAME_FINGERPRINT: u64 = Fingerprint::of("name", Self::NAME)
        .parameter(R::NAME_FINGERPRINT)
        .finish();
    /// The name of `R` alone: protocols may refer to each other in cycles. Its schema is compared
    /// when the port arrives.
    const FINGERPRINT: u64 = Fingerprint::of("builtin", Self::NAME)
        .parameter(R::NAME_FINGERPRINT)
        .finish();
}

/// A port or ref was encoded or decoded outside a node.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("refs and reply ports travel between nodes only, through `send` and `ask`")]
pub(crate) struct NoNode;

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
