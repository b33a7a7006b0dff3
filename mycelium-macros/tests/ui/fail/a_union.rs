use mycelium_macros::message;

#[message(crate = mycelium_wire)]
union Bits {
    integer: u64,
    float: f64,
}

fn main() {}
