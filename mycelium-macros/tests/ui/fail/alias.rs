use std::collections::HashMap;

use mycelium_macros::message;

type Levels = HashMap<i64, u64>;

#[message(crate = mycelium_wire)]
struct Book {
    levels: Levels,
}

fn main() {}
