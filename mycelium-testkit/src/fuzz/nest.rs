//! [`Nest`]: a type that contains itself, for bytes that nest without end.
//!
//! `#[message]` refuses such types, so this one implements [`Wire`] by hand.

use mycelium::wire::{
    Fingerprint, Wire, rkyv,
    rkyv::{
        Archive, Deserialize, Serialize,
        rancor::{Fallible, Source},
        ser::{Allocator, Writer},
        validation::ArchiveContext,
    },
};

/// Nests in each other.
#[derive(Archive, Serialize, Deserialize)]
#[rkyv(crate = rkyv)]
#[rkyv(serialize_bounds(__S: Writer + Allocator, __S::Error: Source))]
#[rkyv(deserialize_bounds(__D: Fallible, __D::Error: Source))]
#[rkyv(bytecheck(bounds(__C: ArchiveContext, __C::Error: Source)))]
pub(crate) struct Nest {
    #[rkyv(omit_bounds)]
    inner: Option<Box<Nest>>,
}

impl Wire for Nest {
    const NAME: &'static str = "Nest";
    const NAME_FINGERPRINT: u64 = Fingerprint::of("name", Self::NAME).finish();
    const FINGERPRINT: u64 = Fingerprint::of("struct", Self::NAME).finish();
}

impl Nest {
    /// So many nests in each other.
    pub(crate) fn of(depth: usize) -> Self {
        (0..depth).fold(Self { inner: None }, |inner, _| Self {
            inner: Some(Box::new(inner)),
        })
    }
}

/// An input of the target `wire_types` with so many nests, made without recursion: each nest is a
/// tag and a pointer back to the one before it.
///
/// # Panics
///
/// Never: one nest in another is always encoded in the same bytes.
pub fn nested(depth: usize) -> Vec<u8> {
    let seed = super::wire_types::sample_of("Nest").expect("it is in the table");
    let (which, one_in_another) = seed.split_first().expect("it is not empty");
    let (innermost, outer) = one_in_another.split_at(one_in_another.len() / 2);
    let mut bytes = vec![*which];
    bytes.extend_from_slice(innermost);
    for _ in 0..depth {
        bytes.extend_from_slice(outer);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::{Nest, nested};
    use crate::fuzz::wire_types::{encoded, read_everywhere};

    #[test]
    fn forged_nests_are_those_that_a_sender_writes() {
        assert_eq!(nested(40)[1..], encoded(&Nest::of(40)));
    }

    #[test]
    fn nests_are_read_up_to_a_depth() {
        let read = |depth| read_everywhere::<Nest>(&nested(depth)[1..]);
        assert!(matches!(read(40), Ok(Some(_))));
        assert!(matches!(read(200_000), Ok(None)));
    }
}
