//! A shared value is one allocation in a process, and a plain value on the wire.

use allocation_counter::measure;
use bytes::Bytes;
use mycelium_wire::{
    Encoder, Shared, Wire, WireError, decode, open,
    rkyv::{ser::allocator::Arena, util::AlignedVec},
};

type Levels = Vec<(i64, u32)>;

fn levels() -> Levels {
    (0..100).map(|level| (5_853_300 + level, 18)).collect()
}

fn encoded<T: Wire>(value: &T) -> AlignedVec<16> {
    let mut buffer = AlignedVec::new();
    Encoder::new(&mut buffer, &mut Arena::new(), &mut (), 1 << 16)
        .encode(value)
        .expect("the value fits into the limit");
    buffer
}

#[test]
fn cloning_a_shared_value_allocates_nothing() {
    let mut sent = Vec::with_capacity(1_000);
    let made = measure(|| sent.push(Shared::new([7_u64; 1_000])));
    let cloned = measure(|| {
        let first = Shared::clone(&sent[0]);
        sent.resize(1_000, first);
    });
    assert_eq!(made.count_total, 1);
    assert_eq!(cloned.count_total, 0);
    assert!(Shared::is_same(&sent[0], &sent[999]));
}

#[test]
fn the_archive_of_a_shared_value_is_that_of_the_value() {
    let (plain, shared) = (levels(), Shared::new(levels()));
    assert_eq!(encoded(&plain).as_slice(), encoded(&shared).as_slice());
}

#[test]
fn a_shared_value_arrives_as_a_plain_one_and_the_reverse() -> Result<(), WireError> {
    let frame = Bytes::from_owner(encoded(&Shared::new(levels())));
    let plain = decode::<Levels>(&frame, Shared::<Levels>::FINGERPRINT, &())?;
    let shared = decode::<Shared<Levels>>(&frame, Levels::FINGERPRINT, &())?;
    assert_eq!(plain, *shared);
    let in_place = open::<Shared<Levels>>(&frame, Levels::FINGERPRINT)?;
    assert_eq!(in_place.len(), 100);
    Ok(())
}

#[test]
fn a_cut_archive_of_a_shared_value_is_refused() {
    let mut bytes = encoded(&Shared::new(levels()));
    bytes.resize(16, 0);
    let cut = decode::<Shared<Levels>>(&Bytes::from_owner(bytes), Levels::FINGERPRINT, &());
    assert!(cut.is_err());
}
