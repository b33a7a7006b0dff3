use mycelium_macros::message;

#[message(crate = mycelium_wire)]
struct Packet {
    body: bytes::Bytes,
}

fn main() {}
