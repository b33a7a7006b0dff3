//! The built-in wire types: what the language and the standard library bring along.

use std::{
    num::{
        NonZeroI8, NonZeroI16, NonZeroI32, NonZeroI64, NonZeroI128, NonZeroU8, NonZeroU16,
        NonZeroU32, NonZeroU64, NonZeroU128,
    },
    time::Duration,
};

use crate::{Fingerprint, Wire};

macro_rules! scalars {
    ($($scalar:ty),* $(,)?) => {$(
        impl Wire for $scalar {
            const NAME: &'static str = stringify!($scalar);
            const NAME_FINGERPRINT: u64 = Fingerprint::of("name", Self::NAME).finish();
            const FINGERPRINT: u64 = Fingerprint::of("builtin", Self::NAME).finish();
        }
    )*};
}

scalars! {
    u8, u16, u32, u64, u128, i8, i16, i32, i64, i128, f32, f64, bool, char, (), String, Box<str>, Duration,
    NonZeroU8, NonZeroU16, NonZeroU32, NonZeroU64, NonZeroU128,
    NonZeroI8, NonZeroI16, NonZeroI32, NonZeroI64, NonZeroI128,
}

macro_rules! containers {
    ($($container:ty, $name:literal, [$($parameter:ident),*], $checked:expr;)*) => {$(
        impl<$($parameter: Wire),*> Wire for $container {
            const NAME: &'static str = $name;
            const NAME_FINGERPRINT: u64 = Fingerprint::of("name", $name)
                $(.parameter($parameter::NAME_FINGERPRINT))*
                .finish();
            const FINGERPRINT: u64 = {
                let () = $checked;
                Fingerprint::of("builtin", $name)
                    $(.parameter($parameter::FINGERPRINT))*
                    .finish()
            };
        }
    )*};
}

containers! {
    Vec<T>, "Vec", [T], const { counted_in_bytes::<T>() };
    Box<[T]>, "Box<[]>", [T], const { counted_in_bytes::<T>() };
    Option<T>, "Option", [T], ();
    Result<T, E>, "Result", [T, E], ();
    (A,), "(1)", [A], ();
    (A, B), "(2)", [A, B], ();
    (A, B, C), "(3)", [A, B, C], ();
    (A, B, C, D), "(4)", [A, B, C, D], ();
    (A, B, C, D, E), "(5)", [A, B, C, D, E], ();
    (A, B, C, D, E, F), "(6)", [A, B, C, D, E, F], ();
}

/// A sequence of elements that take no bytes could claim four thousand million of them for free,
/// and validation would walk them all.
const fn counted_in_bytes<T: Wire>() {
    assert!(
        size_of::<T::Archived>() > 0,
        "a sequence of elements without fields cannot travel: its length is not bounded by its bytes"
    );
}

impl<T: Wire, const N: usize> Wire for [T; N] {
    const NAME: &'static str = "[]";
    const NAME_FINGERPRINT: u64 = Fingerprint::of("name", Self::NAME)
        .parameter(T::NAME_FINGERPRINT)
        .constant(N as u128)
        .finish();
    const FINGERPRINT: u64 = Fingerprint::of("builtin", Self::NAME)
        .parameter(T::FINGERPRINT)
        .constant(N as u128)
        .finish();
}

/// Any crate of a build can switch rkyv's format by a feature: this refuses what we did not mean.
const _: () = {
    use rkyv::{primitive, rend};
    assert!(
        size_of::<primitive::ArchivedUsize>() == 4,
        "rkyv must archive lengths in 32 bits"
    );
    assert!(
        align_of::<primitive::ArchivedU64>() == 8,
        "rkyv's feature `unaligned` must be off"
    );
    let _little_endian: primitive::ArchivedU32 = rend::u32_le::from_native(1);
};
