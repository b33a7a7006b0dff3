//! A crate that denies `missing_docs` can declare every message.
#![deny(missing_docs)]

use mycelium_macros::message;

pub use crate::choice::Choice;

/// What a variant holds.
#[message(crate = mycelium_wire)]
pub struct Held {
    /// A field.
    pub field: u8,
}

/// Variants with a struct of their own.
#[message(crate = mycelium_wire)]
pub enum Documented {
    /// One.
    One(Held),
    /// Two.
    Two,
}

#[allow(missing_docs)]
mod choice {
    /// Variants with named fields.
    #[mycelium_macros::message(crate = mycelium_wire)]
    pub enum Choice {
        One { field: u8 },
    }
}

fn main() {
    let documented = [Documented::One(Held { field: 1 }), Documented::Two];
    let Choice::One { field } = Choice::One { field: 1 };
    assert!(matches!(&documented[0], Documented::One(held) if held.field == field));
    assert!(matches!(&documented[1], Documented::Two));
}
