//! Two builds agree on a fingerprint when, and only when, they declare the same schema.

use std::marker::PhantomData;

use mycelium_macros::message;
use mycelium_wire::{
    Fingerprint, Wire, rkyv,
    rkyv::{Archive, Deserialize, Place, Serialize, rancor::Fallible},
};

/// Declares one type per module, all named `Order`, so that only what stands in the braces differs.
macro_rules! orders {
    ($($module:ident { $($declaration:tt)* })*) => {$(
        mod $module {
            #[mycelium_macros::message(crate = mycelium_wire)]
            #[allow(dead_code)]
            pub(crate) $($declaration)*
        }
    )*};
}

orders! {
    base { struct Order { id: u64, price: i64 } }
    same { struct Order { id: u64, price: i64 } }
    reordered { struct Order { price: i64, id: u64 } }
    renamed { struct Order { id: u64, ticks: i64 } }
    retyped { struct Order { id: u64, price: u64 } }
    shorter { struct Order { id: u64 } }
    positional { struct Order(u64, i64); }
    longer_array { struct Order { id: u64, price: [i64; 2] } }
    unit { struct Order; }
    removed_field { struct Order { id: u64, #[cfg(any())] flags: u8, price: i64 } }
    choice { enum Order { New(u64), Cancel(u64) } }
    reordered_choice { enum Order { Cancel(u64), New(u64) } }
    renamed_choice { enum Order { New(u64), Delete(u64) } }
    moved_field { enum Order { New(u64, u64), Cancel } }
    numbered { enum Order { New = 1, Cancel = 2 } }
    numbered_otherwise { enum Order { New = 2, Cancel = 1 } }
}

#[test]
fn the_same_declaration_gives_the_same_fingerprint() {
    assert_eq!(base::Order::FINGERPRINT, same::Order::FINGERPRINT);
    assert_eq!(base::Order::FINGERPRINT, removed_field::Order::FINGERPRINT);
    assert_eq!(base::Order::NAME, "Order");
}

#[test]
fn every_change_of_the_schema_changes_the_fingerprint() {
    let mut fingerprints = vec![
        base::Order::FINGERPRINT,
        reordered::Order::FINGERPRINT,
        renamed::Order::FINGERPRINT,
        retyped::Order::FINGERPRINT,
        shorter::Order::FINGERPRINT,
        positional::Order::FINGERPRINT,
        longer_array::Order::FINGERPRINT,
        unit::Order::FINGERPRINT,
        choice::Order::FINGERPRINT,
        reordered_choice::Order::FINGERPRINT,
        renamed_choice::Order::FINGERPRINT,
        moved_field::Order::FINGERPRINT,
        numbered::Order::FINGERPRINT,
        numbered_otherwise::Order::FINGERPRINT,
    ];
    let declared = fingerprints.len();
    fingerprints.sort_unstable();
    fingerprints.dedup();
    assert_eq!(fingerprints.len(), declared);
}

#[test]
fn the_name_alone_decides_the_fingerprint_of_the_name() {
    assert_eq!(
        base::Order::NAME_FINGERPRINT,
        retyped::Order::NAME_FINGERPRINT
    );
    assert_eq!(
        base::Order::NAME_FINGERPRINT,
        choice::Order::NAME_FINGERPRINT
    );
    assert_ne!(
        base::Order::NAME_FINGERPRINT,
        Window::<u8, 1>::NAME_FINGERPRINT
    );
}

#[message(crate = mycelium_wire)]
struct Window<T, const N: usize> {
    values: [T; N],
}

/// A parameter that no field mentions still tells instances apart.
#[message(crate = mycelium_wire)]
struct Scaled<const EXPONENT: i8> {
    mantissa: i64,
}

#[message(crate = mycelium_wire)]
struct Tagged<const TAG: u128> {
    value: u8,
}

#[test]
fn instances_of_a_generic_type_differ_by_their_parameters() {
    assert_ne!(Window::<u8, 1>::FINGERPRINT, Window::<u8, 2>::FINGERPRINT);
    assert_ne!(Window::<u8, 1>::FINGERPRINT, Window::<i8, 1>::FINGERPRINT);
    assert_ne!(
        Window::<u8, 1>::NAME_FINGERPRINT,
        Window::<u8, 2>::NAME_FINGERPRINT
    );
    assert_ne!(
        Window::<u8, 1>::NAME_FINGERPRINT,
        Window::<i8, 1>::NAME_FINGERPRINT
    );
    assert_ne!(Scaled::<-8>::FINGERPRINT, Scaled::<-4>::FINGERPRINT);
    assert_ne!(
        Tagged::<1>::FINGERPRINT,
        Tagged::<{ 1 + (1 << 64) }>::FINGERPRINT
    );
    assert_ne!(
        Tagged::<1>::NAME_FINGERPRINT,
        Tagged::<{ 1 + (1 << 64) }>::NAME_FINGERPRINT
    );
}

/// Stands in for the ref of the crate above: no bound on the type, and only the name of `M` in the
/// fingerprint.
struct ActorRef<M>(PhantomData<fn(M)>);

impl<M> Archive for ActorRef<M> {
    type Archived = rkyv::rend::u64_le;
    type Resolver = ();

    fn resolve(&self, (): (), out: Place<Self::Archived>) {
        7u64.resolve((), out);
    }
}

impl<M, S: Fallible + ?Sized> Serialize<S> for ActorRef<M> {
    fn serialize(&self, _: &mut S) -> Result<(), S::Error> {
        Ok(())
    }
}

impl<M, D: Fallible + ?Sized> Deserialize<ActorRef<M>, D> for rkyv::rend::u64_le {
    fn deserialize(&self, _: &mut D) -> Result<ActorRef<M>, D::Error> {
        Ok(ActorRef(PhantomData))
    }
}

impl<M: Wire> Wire for ActorRef<M> {
    const NAME: &'static str = "ActorRef";
    const NAME_FINGERPRINT: u64 = Fingerprint::of("name", Self::NAME)
        .parameter(M::NAME_FINGERPRINT)
        .finish();
    const FINGERPRINT: u64 = Fingerprint::of("builtin", Self::NAME)
        .parameter(M::NAME_FINGERPRINT)
        .finish();
}

#[message(crate = mycelium_wire)]
enum Book {
    Follow { who: ActorRef<Strategy> },
    Merge(Vec<ActorRef<Self>>, ActorRef<Book>),
}

#[message(crate = mycelium_wire)]
enum Strategy {
    Use { book: ActorRef<Book> },
    Pass(Subscribe<Book>),
    Log(ActorRef<Subscribe<Strategy>>),
}

#[message(crate = mycelium_wire)]
struct Subscribe<M> {
    subscriber: ActorRef<M>,
    previous: Option<ActorRef<Self>>,
}

#[test]
fn protocols_may_refer_to_each_other_in_cycles() {
    assert_ne!(Book::FINGERPRINT, Strategy::FINGERPRINT);
    assert_ne!(
        Subscribe::<Book>::FINGERPRINT,
        Subscribe::<Strategy>::FINGERPRINT
    );
    let book = Book::Merge(vec![ActorRef(PhantomData)], ActorRef(PhantomData));
    assert!(matches!(book, Book::Merge(books, _) if books.len() == 1));
}
