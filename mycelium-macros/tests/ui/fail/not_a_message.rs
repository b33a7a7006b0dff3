use mycelium_macros::message;

struct Level {
    price_ticks: i64,
}

#[message(crate = mycelium_wire)]
struct Book {
    best: Level,
}

fn main() {}
