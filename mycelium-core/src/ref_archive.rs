//! How an [`ActorRef`] travels: as the identity of the actor and the key that opens it.
//!
//! On arrival it chooses its transport again. It carries no addresses: a node never dials where a
//! message tells it to, so they would only be believed by mistake.

use std::sync::Arc;

use mycelium_wire::{
    ACCEPTED_LIMIT, ActorId, Codec, EndReason, ExportKey, Fingerprint, NodeId, NodeName, Opener,
    Resolved, Wire, WireError, WireSerializer,
    rkyv::{self, Archive, Deserialize, Place, Serialize},
};

use crate::{
    ActorRef, LinkKind, Node, RemoteRef, link::DecodePorts, pending::EncodePorts,
    remote::RemoteActor, reply_archive::NoNode,
};

/// A ref on the wire.
#[derive(rkyv::Archive, rkyv::Serialize)]
#[rkyv(crate = mycelium_wire::rkyv)]
#[doc(hidden)]
pub struct RefRecord {
    node: String,
    incarnation: u128,
    actor: u64,
    key: u64,
    /// The schema of the actor's messages.
    fingerprint: u64,
    capacity_messages: u32,
    /// Other schemas that it takes: a node that knows an older one can use the ref.
    also_takes: Vec<u64>,
    type_name: String,
}

impl<M> Archive for ActorRef<M> {
    type Archived = ArchivedRefRecord;
    type Resolver = (RefRecord, RefRecordResolver);

    fn resolve(&self, (record, resolver): Self::Resolver, out: Place<Self::Archived>) {
        record.resolve(resolver, out);
    }
}

impl<M: Wire> Serialize<WireSerializer<'_>> for ActorRef<M> {
    fn serialize(&self, serializer: &mut WireSerializer<'_>) -> Result<Self::Resolver, WireError> {
        let ports = serializer.sharing.downcast_mut::<EncodePorts>();
        let ports = ports.ok_or_else(|| WireError::Port(Box::new(NoNode)))?;
        let record = RefRecord::of(self, &ports.node)?;
        let resolver = record.serialize(serializer)?;
        Ok((record, resolver))
    }
}

impl<M: Wire> Deserialize<ActorRef<M>, Opener<'_>> for ArchivedRefRecord {
    fn deserialize(&self, opener: &mut Opener<'_>) -> Result<ActorRef<M>, WireError> {
        let ports = opener.ports::<DecodePorts>();
        let ports = ports.ok_or_else(|| WireError::Port(Box::new(NoNode)))?;
        // A name that no node can have makes a ref that leads nowhere.
        let name = self.node.parse().unwrap_or_else(|_| NodeName::nobody());
        let node = NodeId::new(name, self.incarnation.to_native());
        let others = self.also_takes.iter().map(|other| other.to_native());
        let described = Resolved {
            actor: ActorId::from_u64(self.actor.to_native()),
            key: ExportKey::from_u64(self.key.to_native()),
            fingerprint: self.fingerprint.to_native(),
            capacity_messages: self.capacity_messages.to_native(),
            also_takes: others.take(ACCEPTED_LIMIT).collect(),
            type_name: self.type_name.as_str().into(),
        };
        Ok(arrive(&ports.node, RemoteActor { node, described }))
    }
}

impl<M: Wire> Wire for ActorRef<M> {
    const NAME: &'static str = "ActorRef";
    const NAME_FINGERPRINT: u64 = Fingerprint::of("name", Self::NAME)
        .parameter(M::NAME_FINGERPRINT)
        .finish();
    /// The name of `M` alone: protocols may refer to each other in cycles. Its schema is compared
    /// when the ref arrives.
    const FINGERPRINT: u64 = Fingerprint::of("builtin", Self::NAME)
        .parameter(M::NAME_FINGERPRINT)
        .finish();
}

impl RefRecord {
    fn of<M: Wire>(actor: &ActorRef<M>, node: &Node) -> Result<Self, WireError> {
        Ok(match actor {
            ActorRef::Local(local) => {
                let described = node.export(local);
                let described = described.map_err(|full| WireError::Port(Box::new(full)))?;
                Self::new(node.id(), &described)
            }
            ActorRef::Unix(remote) | ActorRef::Tcp(remote) => {
                let actor = remote.actor();
                Self::new(&actor.node, &actor.described)
            }
        })
    }

    fn new(node: &NodeId, described: &Resolved) -> Self {
        Self {
            node: node.name().to_string(),
            incarnation: node.incarnation(),
            actor: described.actor.as_u64(),
            key: described.key.as_u64(),
            fingerprint: described.fingerprint,
            capacity_messages: described.capacity_messages,
            also_takes: described.also_takes.to_vec(),
            type_name: described.type_name.to_string(),
        }
    }
}

/// The ref as it is here: to an actor of this node, of a linked one, or of one that is not.
fn arrive<M: Wire>(here: &Node, actor: RemoteActor) -> ActorRef<M> {
    let (codec, node) = (Codec::new(), actor.node);
    let actor = match actor.described.for_sender::<M>() {
        Ok(described) => RemoteActor { node, described },
        Err(described) => {
            let found = described.type_name.clone();
            let actor = RemoteActor { node, described };
            let reason = EndReason::WrongType { found };
            return ActorRef::Tcp(RemoteRef::closed(codec, actor, reason));
        }
    };
    if actor.node == *here.id() {
        return match here.exports().local(&actor.described) {
            Ok(local) => ActorRef::Local(local),
            Err(reason) => ActorRef::Tcp(RemoteRef::closed(codec, actor, reason)),
        };
    }
    let Some(link) = here.link_to(&actor.node) else {
        return ActorRef::Tcp(RemoteRef::sought(codec, here.clone(), actor));
    };
    let kind = link.kind();
    let remote = match Arc::clone(&link).attach(actor.described.clone()) {
        Ok(remote) => RemoteRef::known(codec, remote),
        // The link says so again when something is sent.
        Err(_) => RemoteRef::sought(codec, here.clone(), actor),
    };
    match kind {
        LinkKind::Unix => ActorRef::Unix(remote),
        LinkKind::Tcp => ActorRef::Tcp(remote),
    }
}
