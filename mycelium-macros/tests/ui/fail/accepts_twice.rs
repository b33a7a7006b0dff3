use mycelium_macros::message;

#[message(crate = mycelium_wire, accepts = u32, accepts = u64)]
struct Order {
    price_ticks: i64,
}

fn main() {}
