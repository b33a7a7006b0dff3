// What the facade has to offer for `#[message]` without arguments.
extern crate self as mycelium;

pub use mycelium_wire as wire;

pub mod __private {
    pub use mycelium_macros::__Wire;
}

#[mycelium_macros::message]
struct Order {
    price_ticks: i64,
}

fn main() {}
