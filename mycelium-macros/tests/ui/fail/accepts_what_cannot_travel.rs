use mycelium_macros::message;

struct OrderV1 {
    price_ticks: i32,
}

#[message(crate = mycelium_wire, accepts = OrderV1)]
struct Order {
    price_ticks: i64,
}

impl From<OrderV1> for Order {
    fn from(old: OrderV1) -> Self {
        Self {
            price_ticks: old.price_ticks.into(),
        }
    }
}

fn main() {}
