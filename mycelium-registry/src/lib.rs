//! Names for Mycelium actors, here and across nodes.
//!
//! [`Registry`] adds `register` and `resolve` to a node. A name belongs to one node; other nodes
//! find it by asking over their links.

mod error;
mod lookup;
mod registry;
mod table;

pub use crate::{
    error::{RegisterError, ResolveError},
    registry::Registry,
};
