use std::time::Instant;

use mycelium_macros::message;

#[message(crate = mycelium_wire)]
struct Tick {
    received: Instant,
    sent: std::time::SystemTime,
}

fn main() {}
