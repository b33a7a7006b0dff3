//! The target `wire_types`: any bytes, read as each of the types that may travel.

use std::{
    num::{NonZeroI64, NonZeroU8, NonZeroU32, NonZeroU128},
    time::Duration,
};

use bytes::Bytes;
use mycelium::wire::{
    Codec, Encoder, Payload, Shared, Wire, WireError, open,
    rkyv::{ser::allocator::Arena, util::AlignedVec},
};

use crate::fuzz::nest::Nest;

/// A type that bytes are read as.
struct Kind {
    name: &'static str,
    read: fn(&[u8]),
    sample: fn() -> Vec<u8>,
}

macro_rules! kinds {
    ($($kind:ty = $sample:expr;)*) => {
        const KINDS: &[Kind] = &[$(Kind {
            name: stringify!($kind),
            read: read::<$kind>,
            sample: || encoded::<$kind>(&$sample),
        }),*];
    };
}

kinds! {
    u8 = 7;
    u16 = 7;
    u32 = 7;
    u64 = 7;
    u128 = 7;
    i8 = -7;
    i16 = -7;
    i32 = -7;
    i64 = -7;
    i128 = -7;
    f32 = 1.5;
    f64 = -1.5;
    bool = true;
    char = 'å';
    () = ();
    NonZeroU8 = NonZeroU8::MAX;
    NonZeroU32 = NonZeroU32::MAX;
    NonZeroI64 = NonZeroI64::MIN;
    NonZeroU128 = NonZeroU128::MAX;
    String = "a text that is not kept inline".to_owned();
    Box<str> = "short".into();
    Duration = Duration::from_millis(1_500);
    Vec<u8> = vec![1, 2, 3];
    Vec<u128> = vec![1, 2];
    Vec<bool> = vec![true, false];
    Vec<String> = vec!["inline".to_owned(), "behind a pointer".to_owned()];
    Vec<Vec<Vec<char>>> = vec![vec![vec!['a'], vec![]], vec![]];
    Box<[(u32, String)]> = [(1, "one".to_owned()), (2, "the number after it".to_owned())].into();
    Option<u64> = Some(7);
    Option<Box<str>> = Some("a text that is not kept inline".into());
    Vec<Option<Duration>> = vec![None, Some(Duration::MAX)];
    Result<Vec<u16>, String> = Err("there is none".to_owned());
    (u8,) = (1,);
    (bool, u64) = (true, 2);
    (u8, u16, u32) = (1, 2, 3);
    (u8, u128, u8, f64) = (1, 2, 3, 4.0);
    (char, String, Vec<u8>, bool, ()) = ('x', "y".to_owned(), vec![9; 40], false, ());
    (u8, u8, u8, u8, u8, Option<NonZeroU8>) = (1, 2, 3, 4, 5, None);
    [u64; 3] = [1, 2, 3];
    [Option<u16>; 5] = [Some(1), None, Some(3), None, None];
    [[bool; 2]; 2] = [[true, false], [false, true]];
    Payload = Payload::from(vec![1, 2, 3, 4, 5]);
    Vec<Payload> = vec![Payload::from(vec![1; 20]), Payload::default()];
    Shared<Vec<String>> = Shared::new(vec!["one for all".to_owned()]);
    Nest = Nest::of(1);
}

/// Reads the bytes behind the first as an archive of the type that the first chooses.
///
/// # Panics
///
/// Where checking, viewing and decoding do not agree, at whatever address the bytes lie, and where
/// a value that was decoded does not come through another encoding unchanged.
pub fn wire_types(bytes: &[u8]) {
    if let Some((which, archive)) = bytes.split_first() {
        let kind = &KINDS[usize::from(*which) % KINDS.len()];
        (kind.read)(archive);
    }
}

/// An input for each type, with the type's name.
pub(crate) fn samples() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    KINDS.iter().zip(0..).map(|(kind, which)| {
        let archive = (kind.sample)();
        (kind.name, [&[which][..], &archive].concat())
    })
}

/// The input for the type with this name.
pub(crate) fn sample_of(name: &str) -> Option<Vec<u8>> {
    samples()
        .find(|(kind, _)| *kind == name)
        .map(|(_, sample)| sample)
}

/// The archive of a value without refs and ports.
pub(crate) fn encoded<T: Wire>(value: &T) -> Vec<u8> {
    let (mut archive, mut arena) = (AlignedVec::new(), Arena::new());
    Encoder::new(&mut archive, &mut arena, &mut (), usize::MAX)
        .encode(value)
        .expect("it has no limit and no ports");
    archive.to_vec()
}

/// The bytes at an address that is so much more than a multiple of 16.
pub(crate) fn placed(archive: &[u8], misalignment: usize) -> Bytes {
    let mut buffer = AlignedVec::<16>::with_capacity(misalignment + archive.len());
    buffer.resize(misalignment, 0);
    buffer.extend_from_slice(archive);
    Bytes::from_owner(buffer).slice(misalignment..)
}

fn read<T: Wire>(archive: &[u8]) {
    let decoded = read_everywhere::<T>(archive);
    if let Some(value) = decoded.expect("a type without refs and ports needs no node") {
        check_comes_through(&value);
    }
}

/// Checks, views and decodes the bytes at an aligned address and at another. Gives the value, or
/// nothing where the bytes are no archive.
///
/// # Errors
///
/// Where there is a ref or a port in the value.
pub(crate) fn read_everywhere<T: Wire>(archive: &[u8]) -> Result<Option<T>, WireError> {
    let codec = Codec::<T>::new();
    let aligned = placed(archive, 0);
    let is_valid = open::<T>(&aligned, codec.fingerprint).is_ok();
    assert_eq!((codec.validate)(&aligned).is_ok(), is_valid);
    assert!(open::<T>(&aligned, !codec.fingerprint).is_err());
    let elsewhere = placed(archive, 1 + archive.len() % 15);
    assert!(archive.is_empty() || open::<T>(&elsewhere, codec.fingerprint).is_err());
    let decoded = (codec.decode)(&aligned, &());
    let decoded_elsewhere = (codec.decode)(&elsewhere, &());
    assert_eq!(decoded.is_ok(), decoded_elsewhere.is_ok());
    match decoded {
        Ok(value) => {
            assert!(is_valid, "what was not valid was decoded");
            Ok(Some(value))
        }
        Err(error) if is_valid => Err(error),
        Err(_) => Ok(None),
    }
}

/// A value, encoded and decoded, encodes to the same bytes: compares without `PartialEq`, which
/// some numbers lack.
pub(crate) fn check_comes_through<T: Wire>(value: &T) {
    let first = encoded(value);
    let again = read_everywhere::<T>(&first).expect("it has no ports");
    let again = again.expect("what is encoded is valid");
    assert_eq!(encoded(&again), first);
}
