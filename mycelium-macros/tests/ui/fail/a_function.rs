use mycelium_macros::message;

#[message(crate = mycelium_wire)]
fn order() {}

fn main() {}
