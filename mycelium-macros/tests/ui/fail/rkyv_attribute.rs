use mycelium_macros::message;

#[message(crate = mycelium_wire)]
#[rkyv(derive(Debug))]
struct Order {
    #[rkyv(omit_bounds)]
    price_ticks: i64,
}

fn main() {}
