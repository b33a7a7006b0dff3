//! `#[message]`: makes a type fit for Mycelium's wire.
//!
//! The work is split in two. The attribute (`attribute.rs`) refuses what can be seen in the syntax
//! (`refuse.rs`) and hands the type on to derives; the hidden derive (`derive.rs`) runs after `#[cfg]`
//! has removed fields, so the schema it folds is the one that is compiled.

mod attribute;
mod derive;
mod refuse;

use proc_macro::TokenStream;
use syn::{Error, parse_macro_input};

/// Makes a struct or an enum a wire type: it derives rkyv's `Archive`, `Serialize` and
/// `Deserialize` and implements `Wire`, with a schema fingerprint folded at compile time.
///
/// It goes on messages and on the types inside them. Every field must be a wire type itself; type
/// parameters must be `Wire` where the type is used as one. Beside the type it declares
/// `ArchivedX` and `XResolver`, as visible as `X`.
///
/// # Limits
///
/// Refused with an error that names the way out: unions, lifetimes, references, pointers, `dyn`,
/// `usize`, maps and sets, `Arc` and `Rc`, `Instant` and `SystemTime`, `bytes::Bytes`, a field of the
/// type itself other than behind `ActorRef` or `ReplyTo`, and `#[rkyv(..)]` attributes, which would
/// change the bytes behind the fingerprint's back. An enum has at most 256 variants.
///
/// Types that contain each other in a circle are refused as well; there the compiler speaks of an
/// overflow, because no macro sees both of them:
///
/// ```compile_fail,E0275
/// use mycelium_macros::message;
///
/// #[message(crate = mycelium_wire)]
/// struct Chicken {
///     eggs: Vec<Egg>,
/// }
///
/// #[message(crate = mycelium_wire)]
/// struct Egg {
///     chickens: Vec<Chicken>,
/// }
/// ```
///
/// Nor may a sequence hold elements that take no bytes; its length would be free for a hostile
/// sender:
///
/// ```compile_fail,E0080
/// use mycelium_macros::message;
///
/// #[message(crate = mycelium_wire)]
/// struct Nothing;
///
/// #[message(crate = mycelium_wire)]
/// struct Everything {
///     nothings: Vec<Nothing>,
/// }
/// ```
///
/// In a crate that denies `missing_docs`, a public enum whose variants have named fields is refused
/// for the fields of `XResolver`: rkyv's derive writes them, without docs and without a place for an
/// attribute. Give such a variant a struct of its own, or put the enum in a module that allows the
/// lint and export it from there.
///
/// # Arguments
///
/// `crate = path` names the crate `mycelium_wire` where the facade is not a dependency; the hidden
/// derive is then taken from `mycelium_macros`. Without it all paths start at `::mycelium`.
///
/// `accepts = Older`, or `accepts = (Older, Oldest)` for up to 64, lists message types of earlier
/// versions of the program, of which `From` makes one of this type. An actor of this type takes
/// their messages too, so nodes of both versions may run side by side. A fingerprint folds the name
/// that a type was declared with, without its path: keep the older type under its name, in a module
/// of its own.
///
/// ```
/// use mycelium_macros::message;
///
/// mod v1 {
///     # use mycelium_macros::message;
///     #[message(crate = mycelium_wire)]
///     pub struct Order {
///         pub price_ticks: i32,
///     }
/// }
///
/// #[message(crate = mycelium_wire, accepts = v1::Order)]
/// struct Order {
///     price_ticks: i64,
/// }
///
/// impl From<v1::Order> for Order {
///     fn from(old: v1::Order) -> Self {
///         Self { price_ticks: old.price_ticks.into() }
///     }
/// }
/// ```
///
/// # Examples
///
/// ```
/// use mycelium_macros::message;
/// use mycelium_wire::{Encoder, Wire, open, rkyv};
///
/// #[message(crate = mycelium_wire)]
/// struct Quote {
///     price_ticks: i64,
///     venue: String,
/// }
///
/// let quote = Quote { price_ticks: 1_845, venue: "XNAS".into() };
/// let mut buffer = rkyv::util::AlignedVec::new();
/// let mut arena = rkyv::ser::allocator::Arena::new();
/// Encoder::new(&mut buffer, &mut arena, &mut (), 1_024).encode(&quote)?;
///
/// let view = open::<Quote>(&buffer, Quote::FINGERPRINT)?;
/// assert_eq!(view.price_ticks, 1_845);
/// assert_eq!(view.venue, "XNAS");
/// # Ok::<(), mycelium_wire::WireError>(())
/// ```
#[proc_macro_attribute]
pub fn message(arguments: TokenStream, item: TokenStream) -> TokenStream {
    attribute::expand(arguments.into(), item.into()).into()
}

/// The second half of `#[message]`, which emits it; not for use by hand.
#[doc(hidden)]
#[proc_macro_derive(__Wire, attributes(__wire))]
pub fn wire(item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item);
    derive::expand(&item)
        .unwrap_or_else(Error::into_compile_error)
        .into()
}
