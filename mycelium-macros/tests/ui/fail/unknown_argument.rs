use mycelium_macros::message;

#[message(accept = OrderV1)]
struct Order {
    price_ticks: i64,
}

fn main() {}
