use mycelium_macros::message;

#[message(crate = mycelium_wire)]
struct Stamped<T> {
    value: T,
}

#[message(crate = mycelium_wire)]
struct Book {
    depth: Stamped<std::sync::Mutex<u64>>,
}

fn main() {}
