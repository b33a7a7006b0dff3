//! What goes in comes out, in place and decoded, and hostile bytes never panic.

use std::{num::NonZeroU32, time::Duration};

use bytes::Bytes;
use mycelium_macros::message;
use mycelium_wire::{
    Encoder, Payload, Wire, WireError, decode, open,
    rkyv::{ser::allocator::Arena, util::AlignedVec},
};

#[message(crate = mycelium_wire)]
#[derive(Clone, Copy, Debug, PartialEq)]
enum Side {
    Buy = 1,
    Sell = 2,
}

#[message(crate = mycelium_wire)]
#[derive(Clone, Debug, PartialEq)]
struct Level<P> {
    price: P,
    size: u32,
}

#[message(crate = mycelium_wire)]
#[derive(Clone, Debug, PartialEq)]
struct Stamp(u64, Duration);

#[message(crate = mycelium_wire)]
#[derive(Clone, Debug, PartialEq)]
enum Event {
    Heartbeat,
    Trade(Side, Level<i64>),
    Book {
        symbol: String,
        levels: Vec<Level<i64>>,
        best: Option<[Level<i64>; 2]>,
        venue: Box<str>,
        sizes: Box<[u16]>,
        answer: Result<(u8, char), String>,
        live: bool,
        lot: NonZeroU32,
        ratio: f64,
        at: Stamp,
        raw: Payload,
    },
}

fn trade() -> Event {
    Event::Trade(Side::Sell, Level { price: -5, size: 9 })
}

fn book() -> Event {
    let level = |price| Level { price, size: 100 };
    Event::Book {
        symbol: "a symbol that is stored out of line".into(),
        levels: vec![level(10), level(11), level(12)],
        best: Some([level(10), level(12)]),
        venue: "XNAS".into(),
        sizes: [1, 2, 3].into(),
        answer: Ok((7, '€')),
        live: true,
        lot: NonZeroU32::MIN,
        ratio: 0.5,
        at: Stamp(1, Duration::from_millis(2)),
        raw: vec![1, 2, 3].into(),
    }
}

fn encoded<T: Wire>(value: &T) -> AlignedVec<16> {
    let mut buffer = AlignedVec::new();
    let mut arena = Arena::new();
    Encoder::new(&mut buffer, &mut arena, &mut (), 4_096)
        .encode(value)
        .expect("the value fits into the limit");
    buffer
}

/// The bytes as a frame that starts 16-aligned, as a receive buffer has it.
fn frame(bytes: &[u8]) -> Bytes {
    let mut aligned = AlignedVec::<16>::new();
    aligned.extend_from_slice(bytes);
    Bytes::from_owner(aligned)
}

fn decoded<T: Wire>(bytes: &[u8]) -> Result<T, WireError> {
    decode(&frame(bytes), T::FINGERPRINT, &())
}

#[test]
fn fields_are_read_in_place() -> Result<(), WireError> {
    let bytes = encoded(&trade());
    let ArchivedEvent::Trade(side, level) = open::<Event>(&bytes, Event::FINGERPRINT)? else {
        panic!("another variant came out");
    };
    assert!(matches!(side, ArchivedSide::Sell));
    assert_eq!(level.price, -5);
    assert_eq!(level.size, 9);
    Ok(())
}

#[test]
fn every_variant_comes_out_as_it_went_in() -> Result<(), WireError> {
    for event in [Event::Heartbeat, trade(), book()] {
        assert_eq!(decoded::<Event>(&encoded(&event))?, event);
    }
    Ok(())
}

#[test]
fn generic_messages_come_out_as_they_went_in() -> Result<(), WireError> {
    let level = Level {
        price: vec![Some(Side::Buy), None],
        size: 3,
    };
    assert_eq!(
        decoded::<Level<Vec<Option<Side>>>>(&encoded(&level))?,
        level
    );
    Ok(())
}

#[test]
fn bytes_of_another_schema_are_refused_unread() {
    let bytes = encoded(&trade());
    let refused = open::<Event>(&bytes, Level::<i64>::FINGERPRINT);
    assert!(matches!(
        refused,
        Err(WireError::Schema { name: "Event", .. })
    ));
}

#[test]
fn a_cut_archive_is_an_error_or_a_value() {
    for event in [trade(), book()] {
        let bytes = encoded(&event);
        for length in 0..bytes.len() {
            drop(decoded::<Event>(&bytes[..length]));
        }
    }
}

#[test]
fn any_byte_set_to_any_value_is_an_error_or_a_value() {
    for event in [trade(), book()] {
        let mut bytes = encoded(&event);
        for at in 0..bytes.len() {
            let original = bytes[at];
            for value in 0..=u8::MAX {
                bytes[at] = value;
                drop(decoded::<Event>(&bytes));
            }
            bytes[at] = original;
        }
    }
}
