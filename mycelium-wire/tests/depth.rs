//! Bytes that nest without end are refused before they can overflow the stack.
//!
//! `#[message]` refuses types that contain themselves, so this one implements `Wire` by hand.

use mycelium_wire::{
    Encoder, Fingerprint, Wire, WireError, open, rkyv,
    rkyv::{
        Archive, Deserialize, Serialize,
        rancor::{Fallible, Source},
        ser::{Allocator, Writer, allocator::Arena},
        util::AlignedVec,
        validation::ArchiveContext,
    },
};

#[derive(Archive, Serialize, Deserialize)]
#[rkyv(crate = rkyv)]
#[rkyv(serialize_bounds(__S: Writer + Allocator, __S::Error: Source))]
#[rkyv(deserialize_bounds(__D: Fallible, __D::Error: Source))]
#[rkyv(bytecheck(bounds(__C: ArchiveContext, __C::Error: Source)))]
struct Nest {
    #[rkyv(omit_bounds)]
    inner: Option<Box<Nest>>,
}

impl Wire for Nest {
    const NAME: &'static str = "Nest";
    const NAME_FINGERPRINT: u64 = Fingerprint::of("name", Self::NAME).finish();
    const FINGERPRINT: u64 = Fingerprint::of("struct", Self::NAME).finish();
}

fn encoded(depth: usize) -> AlignedVec<16> {
    let nest = (0..depth).fold(Nest { inner: None }, |inner, _| Nest {
        inner: Some(Box::new(inner)),
    });
    let mut buffer = AlignedVec::new();
    Encoder::new(&mut buffer, &mut Arena::new(), &mut (), 1 << 20)
        .encode(&nest)
        .expect("the value fits into the limit");
    buffer
}

/// The bytes that a sender of so many nests would write, made without recursion: each nest is a
/// tag and a pointer back to the nest before it.
fn forged(depth: usize) -> AlignedVec<16> {
    let shallow = encoded(1);
    let (innermost, outer) = shallow.split_at(shallow.len() / 2);
    let mut buffer = AlignedVec::new();
    buffer.extend_from_slice(innermost);
    for _ in 0..depth {
        buffer.extend_from_slice(outer);
    }
    buffer
}

#[test]
fn forged_nests_are_those_that_a_sender_writes() {
    assert_eq!(forged(40).as_slice(), encoded(40).as_slice());
}

#[test]
fn shallow_values_pass() -> Result<(), WireError> {
    let bytes = encoded(40);
    let mut nest = open::<Nest>(&bytes, Nest::FINGERPRINT)?;
    let mut depth = 0;
    while let Some(inner) = nest.inner.as_ref() {
        nest = inner;
        depth += 1;
    }
    assert_eq!(depth, 40);
    Ok(())
}

#[test]
fn two_hundred_thousand_nests_are_an_error() {
    let refused = open::<Nest>(&forged(200_000), Nest::FINGERPRINT).err();
    assert!(matches!(refused, Some(WireError::Invalid(_))));
}
