use mycelium_macros::message;

#[message(crate = mycelium_wire)]
struct Callback {
    run: fn(u64) -> u64,
    state: *const u64,
}

fn main() {}
