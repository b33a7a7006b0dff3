use mycelium_macros::message;

#[message(crate = mycelium_wire)]
struct Quote<'a> {
    venue: &'a str,
}

fn main() {}
