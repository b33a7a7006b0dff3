//! rkyv's derive gives the fields of a resolver's variants no docs: once it does, the note about it
//! in the docs of `#[message]` can go.
#![deny(missing_docs)]

use mycelium_macros::message;

/// A choice.
#[message(crate = mycelium_wire)]
pub enum Choice {
    /// One.
    One {
        /// What it holds.
        field: u8,
    },
}

fn main() {}
