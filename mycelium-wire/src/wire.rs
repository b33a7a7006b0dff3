//! [`Wire`]: the compile-time allow-list of what may travel between processes.

use rkyv::{Archive, Deserialize, Portable, Serialize, bytecheck::CheckBytes};

use crate::{Accepted, Checker, Opener, WireSerializer};

/// A type that may travel between processes as an archive that is read in place.
///
/// `#[message]` implements it; the fixed list of built-in types (fixed-width numbers, `bool`,
/// `char`, arrays, `String`, `Box<str>`, `Vec`, `Box<[T]>`, `Option`, `Result`, tuples,
/// `Duration`, [`Payload`](crate::Payload)) is in this crate. Everything else is refused when the
/// program is compiled: hash maps and B-tree maps can be forged into reads out of bounds that
/// validation misses, `Rc` and `Arc` into cycles, and `usize` differs between machines.
///
/// The supertraits name concrete serializers, so a bound `T: Wire` alone is enough to encode,
/// check and decode a `T`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot travel between processes",
    label = "not a wire type",
    note = "wire types are: u8..u128, i8..i128, f32, f64, NonZero numbers, bool, char, (), arrays, tuples, String, \
            Box<str>, Vec<T>, Box<[T]>, Option<T>, Result<T, E>, Duration, Payload, Shared<T>, ActorRef<M>, \
            ReplyTo<R>, and your own structs and enums that carry #[message]",
    note = "instead of usize use u64, instead of a map a Vec of pairs, instead of Arc<T> use Shared<T>, instead of \
            bytes::Bytes use Payload"
)]
pub trait Wire:
    Archive<
        Archived: Portable
                      + for<'a> CheckBytes<Checker<'a>>
                      + for<'a> Deserialize<Self, Opener<'a>>,
    > + for<'a> Serialize<WireSerializer<'a>>
    + Send
    + Sized
    + 'static
{
    /// The stable name: the identifier the type was declared with, without its path.
    const NAME: &'static str;

    /// A fold of the stable name and of the names of the type's parameters.
    ///
    /// This is all that a ref or a reply port contributes to the fingerprint of the message it
    /// lies in, so that protocols may refer to each other in cycles.
    const NAME_FINGERPRINT: u64;

    /// A fold of the whole schema: kind, names, order and types of the fields.
    ///
    /// Two builds whose fingerprints agree lay the type out alike.
    const FINGERPRINT: u64;

    /// The older types whose messages an actor of this type takes, each converted by `From`: those
    /// that `#[message(accepts = ..)]` lists.
    const ACCEPTS: &'static [Accepted<Self>] = &[];
}
