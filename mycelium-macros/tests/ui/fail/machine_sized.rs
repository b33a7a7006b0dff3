use mycelium_macros::message;

#[message(crate = mycelium_wire)]
struct Depth {
    levels: usize,
    offset: Vec<isize>,
}

fn main() {}
