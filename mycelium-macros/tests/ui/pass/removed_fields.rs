use mycelium_macros::message;

#[cfg(any())]
type Gone = NoSuchType;

#[message(crate = mycelium_wire)]
struct Order {
    #[cfg(any())]
    debug: Gone,
    price_ticks: i64,
}

#[message(crate = mycelium_wire)]
enum Event {
    #[cfg(any())]
    Debug(Gone),
    Order(#[cfg(any())] Gone, Order),
}

fn main() {}
