//! The target `message`: any bytes, read as a protocol of nested data, refs and reply ports.

use mycelium::{Payload, Shared, WireError, prelude::*};

use crate::fuzz::wire_types::{check_comes_through, encoded, read_everywhere};

/// A protocol with a field of every shape.
#[message]
enum Trading {
    Heartbeat,
    Order(Order),
    Depth {
        levels: Vec<(i64, u32)>,
        note: Option<String>,
    },
    Snapshot(Shared<Vec<Order>>, Payload),
    Ask {
        reply: ReplyTo<Result<Order, String>>,
        after: u64,
    },
    Follow {
        who: ActorRef<Trading>,
        others: Vec<Option<ActorRef<u64>>>,
    },
}

#[message]
struct Order {
    id: u64,
    side: Side,
    price: Option<i64>,
    account: Box<str>,
    legs: Vec<Leg>,
}

#[message]
enum Side {
    Buy,
    Sell,
}

#[message]
struct Leg {
    symbol: [u8; 8],
    ratio: i16,
    wide: i128,
}

/// Reads the bytes as an archive of the protocol, on no node.
///
/// # Panics
///
/// Where checking, viewing and decoding do not agree, where a value with refs or ports is decoded
/// although there is no node to give them to, and where a value does not come through another
/// encoding unchanged.
pub fn message(bytes: &[u8]) {
    match read_everywhere::<Trading>(bytes) {
        Ok(Some(message)) => {
            let travels_alone = !matches!(message, Trading::Ask { .. } | Trading::Follow { .. });
            assert!(travels_alone, "there is no node");
            check_comes_through(&message);
        }
        Ok(None) | Err(WireError::Port(_)) => {}
        Err(other) => panic!("a valid archive is not decoded: {other}"),
    }
}

/// The same protocol with what refs and ports travel as in their places: what lies in an archive,
/// without a node to encode it.
#[message]
enum Travelling {
    Heartbeat,
    Order(Order),
    Depth {
        levels: Vec<(i64, u32)>,
        note: Option<String>,
    },
    Snapshot(Vec<Order>, Payload),
    Ask {
        reply: Port,
        after: u64,
    },
    Follow {
        who: Ref,
        others: Vec<Option<Ref>>,
    },
}

#[message]
struct Port {
    request: u64,
    fingerprint: u64,
    remaining_ns: u64,
}

#[message]
struct Ref {
    node: String,
    incarnation: u128,
    actor: u64,
    key: u64,
    fingerprint: u64,
    capacity_messages: u32,
    also_takes: Vec<u64>,
    type_name: String,
}

/// An input for each variant, with its name.
pub(crate) fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let messages = [
        ("heartbeat", Travelling::Heartbeat),
        ("order", Travelling::Order(order())),
        ("depth", depth()),
        ("snapshot", snapshot()),
        ("ask", ask()),
        ("follow", follow()),
    ];
    let encoded = |(name, message)| (name, encoded::<Travelling>(&message));
    messages.map(encoded).to_vec()
}

fn order() -> Order {
    Order {
        id: 7,
        side: Side::Sell,
        price: Some(5_853_300),
        account: "an account with a long name".into(),
        legs: vec![Leg {
            symbol: *b"AAPL    ",
            ratio: -1,
            wide: i128::MIN,
        }],
    }
}

fn depth() -> Travelling {
    Travelling::Depth {
        levels: vec![(5_853_300, 18), (5_853_200, 100)],
        note: Some("half a day".to_owned()),
    }
}

fn snapshot() -> Travelling {
    let bought = Order {
        side: Side::Buy,
        price: None,
        ..order()
    };
    Travelling::Snapshot(vec![order(), bought], Payload::from(vec![1; 24]))
}

fn ask() -> Travelling {
    Travelling::Ask {
        reply: Port {
            request: 9,
            fingerprint: 3,
            remaining_ns: 5_000_000_000,
        },
        after: 7,
    }
}

fn follow() -> Travelling {
    let named = |node: &str| Ref {
        node: node.to_owned(),
        incarnation: 1 << 100 | 7,
        actor: 3,
        key: 4,
        fingerprint: 5,
        capacity_messages: 1_024,
        also_takes: vec![7],
        type_name: "Trading".to_owned(),
    };
    Travelling::Follow {
        who: named("book-1"),
        others: vec![None, Some(named("not a node's name"))],
    }
}

#[cfg(test)]
mod tests {
    use mycelium::WireError;

    use super::{Trading, samples};
    use crate::fuzz::wire_types::read_everywhere;

    #[test]
    fn samples_with_refs_and_ports_are_valid_and_need_a_node() {
        for (name, archive) in samples() {
            let read = read_everywhere::<Trading>(&archive);
            let needs_a_node = matches!(read, Err(WireError::Port(_)));
            assert_eq!(needs_a_node, ["ask", "follow"].contains(&name), "{name}");
            assert!(needs_a_node || matches!(read, Ok(Some(_))), "{name}");
        }
    }
}
