use mycelium_macros::message;

#[message(crate = mycelium_wire)]
struct Unit;

#[message(crate = mycelium_wire)]
struct Tuple(u8, String);

#[message(crate = mycelium_wire)]
struct Named {
    pairs: Vec<(u64, Option<i64>)>,
    reply: Result<Tuple, Unit>,
    bytes: mycelium_wire::Payload,
}

#[message(crate = mycelium_wire)]
enum Choice {
    Nothing,
    One(Named),
    Two { left: [u8; 4], right: Box<[u16]> },
}

#[message(crate = mycelium_wire)]
#[derive(Clone, Copy, Debug, PartialEq)]
enum Side {
    Buy = 1,
    Sell = 2,
}

#[message(crate = mycelium_wire)]
struct Window<T: Copy, U = u8, const N: usize = 4, const WRAPS: bool = true>
where
    U: PartialEq,
{
    values: [T; N],
    rest: Vec<U>,
}

#[message(crate = mycelium_wire)]
struct Closed {
    window: Window<u32, Side>,
    r#type: Window<u8, u8, 2, false>,
}

fn main() {}
