use mycelium_macros::message;

mod clock {
    use super::message;

    #[message(crate = mycelium_wire)]
    pub struct Instant(pub u64);
}

#[message(crate = mycelium_wire)]
struct Tick {
    received: self::clock::Instant,
}

fn main() {}
