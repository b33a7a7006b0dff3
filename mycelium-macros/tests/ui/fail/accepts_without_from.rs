use mycelium_macros::message;

#[message(crate = mycelium_wire)]
struct OrderV1 {
    price_ticks: i32,
}

#[message(crate = mycelium_wire, accepts = OrderV1)]
struct Order {
    price_ticks: i64,
}

fn main() {}
