use mycelium_macros::message;

#[message(crate = mycelium_wire)]
enum Never {}

fn main() {}
