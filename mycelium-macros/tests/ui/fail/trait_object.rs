use mycelium_macros::message;

#[message(crate = mycelium_wire)]
struct Order {
    strategy: Box<dyn Send>,
}

fn main() {}
