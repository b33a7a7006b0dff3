//! What a message with `accepts` says of itself, and makes of older messages.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows tests by their attribute, not their helpers"
)]

use bytes::Bytes;
use mycelium_macros::message;
use mycelium_wire::{
    Accepted, Codec, Encoder, Wire,
    rkyv::{ser::allocator::Arena, util::AlignedVec},
};

mod v1 {
    use mycelium_macros::message;

    #[message(crate = mycelium_wire)]
    pub(crate) struct Order {
        pub(crate) price_ticks: i32,
    }
}

#[message(crate = mycelium_wire)]
struct Cancel {
    price_ticks: i64,
}

#[message(crate = mycelium_wire, accepts = (v1::Order, Cancel))]
#[derive(Debug, PartialEq, Eq)]
struct Order {
    price_ticks: i64,
    shares: u32,
}

impl From<v1::Order> for Order {
    fn from(old: v1::Order) -> Self {
        Self {
            price_ticks: old.price_ticks.into(),
            shares: 1,
        }
    }
}

impl From<Cancel> for Order {
    fn from(cancel: Cancel) -> Self {
        Self {
            price_ticks: cancel.price_ticks,
            shares: 0,
        }
    }
}

/// A list, of which a single value was sent before.
#[message(crate = mycelium_wire, accepts = T)]
struct Listed<T: Wire> {
    all: Vec<T>,
}

impl<T: Wire> From<T> for Listed<T> {
    fn from(one: T) -> Self {
        Self { all: vec![one] }
    }
}

fn encoded(message: &impl Wire) -> Bytes {
    let (mut buffer, mut arena) = (AlignedVec::new(), Arena::new());
    Encoder::new(&mut buffer, &mut arena, &mut (), 1_024)
        .encode(message)
        .unwrap();
    Bytes::copy_from_slice(&buffer)
}

/// What an `M` is made of the older message.
fn taken<M: Wire, Older: Wire>(older: &Older) -> M {
    let codec = Codec::<M>::new().of_sender(Older::FINGERPRINT).unwrap();
    assert!(codec.is_converting);
    (codec.decode)(&encoded(older), &()).unwrap()
}

#[test]
fn the_types_that_a_message_accepts_are_listed_in_their_order() {
    let listed: Vec<_> = Order::ACCEPTS.iter().map(Accepted::fingerprint).collect();
    assert_eq!(listed, [v1::Order::FINGERPRINT, Cancel::FINGERPRINT]);
    assert_eq!(Order::ACCEPTS[1].name(), "Cancel");
    assert!(Cancel::ACCEPTS.is_empty());
}

#[test]
fn as_many_types_as_a_peer_can_be_told_of_are_accepted() {
    use v1::Order as O;

    #[rustfmt::skip]
    #[message(crate = mycelium_wire, accepts = (
        O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O,
        O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O,
    ))]
    struct Latest {
        price_ticks: i32,
    }

    impl From<O> for Latest {
        fn from(old: O) -> Self {
            let price_ticks = old.price_ticks;
            Self { price_ticks }
        }
    }

    assert_eq!(Latest::ACCEPTS.len(), mycelium_wire::ACCEPTED_LIMIT);
    let latest: Latest = taken(&O { price_ticks: 5 });
    assert_eq!(latest.price_ticks, 5);
}

#[test]
fn an_older_message_is_converted_when_it_is_decoded() {
    let order: Order = taken(&v1::Order { price_ticks: -7 });
    assert_eq!((order.price_ticks, order.shares), (-7, 1));
    let order: Order = taken(&Cancel { price_ticks: 9 });
    assert_eq!((order.price_ticks, order.shares), (9, 0));
    let listed: Listed<u64> = taken(&5_u64);
    assert_eq!(listed.all, [5]);
}

#[test]
fn accepting_changes_no_fingerprint_and_no_bytes() {
    mod alone {
        #[mycelium_macros::message(crate = mycelium_wire)]
        pub(super) struct Order {
            pub(super) price_ticks: i64,
            pub(super) shares: u32,
        }
    }
    assert_eq!(Order::FINGERPRINT, alone::Order::FINGERPRINT);
    let (price_ticks, shares) = (3, 4);
    let alone = alone::Order {
        price_ticks,
        shares,
    };
    let order = Order {
        price_ticks,
        shares,
    };
    assert_eq!(encoded(&order), encoded(&alone));
}

#[test]
fn what_is_not_listed_is_not_taken() {
    let codec = Codec::<Order>::new();
    assert!(codec.of_sender(u64::FINGERPRINT).is_none());
    assert!(!codec.of_sender(Order::FINGERPRINT).unwrap().is_converting);
    // Older messages are validated as what they are.
    let older = codec.of_sender(v1::Order::FINGERPRINT).unwrap();
    assert!((older.validate)(&encoded(&1_u8)).is_err());
}
