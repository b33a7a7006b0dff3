//! [`TransferTicket`]: what lets its holder send one object.

use std::fmt;

use mycelium_wire::{
    Fingerprint, NodeId, NodeName, Opener, Wire, WireError, WireSerializer,
    rkyv::{self, Archive, Deserialize, Place, Serialize},
};

/// Lets whoever holds it send one object to the node that gave it out; travels in messages.
///
/// It cannot be guessed, and is good for one transfer. It may be passed on to any node that is
/// linked to the one that gave it out.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TransferTicket {
    node: NodeId,
    key: u64,
}

impl TransferTicket {
    pub(super) fn new(node: &NodeId, key: u64) -> Self {
        let node = node.clone();
        Self { node, key }
    }

    /// The node that waits for the object.
    pub fn node(&self) -> &NodeId {
        &self.node
    }

    pub(super) fn key(&self) -> u64 {
        self.key
    }
}

impl fmt::Debug for TransferTicket {
    /// Without the key: whoever reads a log shall not use the ticket.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransferTicket({})", self.node)
    }
}

/// A ticket on the wire.
#[derive(rkyv::Archive, rkyv::Serialize)]
#[rkyv(crate = mycelium_wire::rkyv)]
#[doc(hidden)]
pub struct TicketRecord {
    node: String,
    incarnation: u128,
    key: u64,
}

impl Archive for TransferTicket {
    type Archived = ArchivedTicketRecord;
    type Resolver = (TicketRecord, TicketRecordResolver);

    fn resolve(&self, (record, resolver): Self::Resolver, out: Place<Self::Archived>) {
        record.resolve(resolver, out);
    }
}

impl Serialize<WireSerializer<'_>> for TransferTicket {
    fn serialize(&self, serializer: &mut WireSerializer<'_>) -> Result<Self::Resolver, WireError> {
        let record = TicketRecord {
            node: self.node.name().to_string(),
            incarnation: self.node.incarnation(),
            key: self.key,
        };
        let resolver = record.serialize(serializer)?;
        Ok((record, resolver))
    }
}

impl Deserialize<TransferTicket, Opener<'_>> for ArchivedTicketRecord {
    fn deserialize(&self, _: &mut Opener<'_>) -> Result<TransferTicket, WireError> {
        // A name that no node can have makes a ticket that leads nowhere.
        let name = self.node.parse().unwrap_or_else(|_| NodeName::nobody());
        let node = NodeId::new(name, self.incarnation.to_native());
        let key = self.key.to_native();
        Ok(TransferTicket { node, key })
    }
}

impl Wire for TransferTicket {
    const NAME: &'static str = "TransferTicket";
    const NAME_FINGERPRINT: u64 = Fingerprint::of("name", Self::NAME).finish();
    const FINGERPRINT: u64 = Fingerprint::of("builtin", Self::NAME).finish();
}
