//! What may go wrong with names.

use mycelium_core::{LinkRefusal, TooManyExports};
use mycelium_wire::NodeId;

/// Why a name was not registered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// An actor of this node has the name; unregister it first, or choose another.
    #[error("the name {0:?} is taken on this node")]
    NameTaken(Box<str>),
    /// The name is empty or too long.
    #[error("a name has 1 to {limit_bytes} bytes, this one has {length}", limit_bytes = crate::table::NAME_LIMIT_BYTES)]
    BadName {
        /// The name's length in bytes.
        length: usize,
    },
    /// The actor lives on another node; register it there.
    #[error("the actor lives on another node; register it there")]
    NotLocal,
    /// The actor is gone.
    #[error("the actor is gone")]
    ActorDown,
    /// The node has made as many actors reachable as it may.
    #[error(transparent)]
    TooManyExports(#[from] TooManyExports),
}

/// Why a name gave no ref.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// No actor has the name, here or on a linked node.
    #[error("no actor is registered as {0:?} here or on a linked node")]
    NotFound(Box<str>),
    /// The actor takes another type of message: of this node, another Rust type; of another node,
    /// one of another schema.
    #[error("{}", wrong_type(name, wanted, found))]
    WrongType {
        /// The name that was looked up.
        name: Box<str>,
        /// The message type that was asked for; with its path where the actor is of this node and
        /// takes a type of the same name.
        wanted: &'static str,
        /// The message type the actor takes; of the same name where only the schema differs.
        found: Box<str>,
    },
    /// Several nodes have an actor of this name.
    #[error("{name:?} is registered on several nodes: {nodes:?}")]
    Ambiguous {
        /// The name that was looked up.
        name: Box<str>,
        /// The nodes.
        nodes: Vec<NodeId>,
    },
    /// Nobody who answered has the name, and a linked node could not be asked: its link is lost,
    /// it did not answer in time, or the runtime of this node has ended.
    #[error("no node that answered has {name:?}, and {node} could not be asked")]
    Unreachable {
        /// The name that was looked up.
        name: Box<str>,
        /// A node that could not be asked.
        node: NodeId,
        /// Why.
        source: LinkRefusal,
    },
    /// The ref could not be made.
    #[error("{name:?} was found, but cannot be reached")]
    Link {
        /// The name that was looked up.
        name: Box<str>,
        /// Why.
        source: LinkRefusal,
    },
}

impl ResolveError {
    /// Whether a later look may find the name.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::NotFound(_) | Self::Unreachable { .. } | Self::Link { .. } => true,
            Self::WrongType { .. } | Self::Ambiguous { .. } => false,
        }
    }
}

fn wrong_type(name: &str, wanted: &str, found: &str) -> String {
    if wanted == found {
        format!("{name:?} takes a {found} too, but one of another schema")
    } else {
        format!("{name:?} takes {found}, not {wanted}")
    }
}
