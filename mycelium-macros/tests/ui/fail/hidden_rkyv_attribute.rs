use mycelium_macros::message;

#[message(crate = mycelium_wire)]
struct Order {
    #[cfg_attr(all(), rkyv(with = mycelium_wire::rkyv::with::Skip))]
    price_ticks: i64,
}

fn main() {}
