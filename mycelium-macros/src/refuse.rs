//! What `#[message]` refuses by its looks, each with the way out.
//!
//! This is for readable errors, not for safety: an alias hides a type from the syntax, and the
//! trait `Wire` catches what passes here.

use quote::ToTokens;
use syn::{
    Attribute, Data, DeriveInput, Error, Expr, Generics, Ident, Path, Result, Type, TypePath,
    visit::{self, Visit},
};

/// Names that look like types of the standard library or of `bytes`, and what to use instead.
const REFUSED: &[(&str, &str)] = &[
    ("usize", "it differs between machines: use `u64` or `u32`"),
    ("isize", "it differs between machines: use `i64` or `i32`"),
    (
        "NonZeroUsize",
        "it differs between machines: use `NonZeroU64`",
    ),
    (
        "NonZeroIsize",
        "it differs between machines: use `NonZeroI64`",
    ),
    (
        "Arc",
        "use `Shared<T>`, an `Arc` inside a process and plain `T` on the wire",
    ),
    (
        "Rc",
        "use `Shared<T>`, an `Arc` inside a process and plain `T` on the wire",
    ),
    ("HashMap", "use a `Vec` of pairs: `Vec<(K, V)>`"),
    ("BTreeMap", "use a `Vec` of pairs: `Vec<(K, V)>`"),
    ("HashSet", "use a `Vec<T>`"),
    ("BTreeSet", "use a `Vec<T>`"),
    ("VecDeque", "use a `Vec<T>`"),
    (
        "Instant",
        "a clock reading means nothing on another machine: use a `Duration`, or nanoseconds as `u64`",
    ),
    (
        "SystemTime",
        "use the `Duration` since `UNIX_EPOCH`, or nanoseconds as `u64`",
    ),
    (
        "Bytes",
        "use `Payload`, which is sliced from the receive buffer and not copied",
    ),
    (
        "BytesMut",
        "use `Payload`, which is sliced from the receive buffer and not copied",
    ),
];

/// What a type may contain itself behind: these send a name and not a value.
const REFS: &[&str] = &["ActorRef", "ReplyTo"];

const ARCHIVE_IS_FIXED: &str = "`#[message]` fixes the archive, `#[rkyv(..)]` would change it without a change of the fingerprint";

/// Checks the syntax of the item as the user wrote it.
///
/// # Errors
///
/// All refusals, combined into one error with a span for each.
pub(crate) fn check(input: &DeriveInput) -> Result<()> {
    let mut refusals = Refusals {
        owner: &input.ident,
        behind_ref: false,
        error: None,
    };
    refusals.visit_derive_input(input);
    refusals.error.map_or(Ok(()), Err)
}

/// Checks what only shows when `#[cfg_attr]` has been expanded: the first `#[rkyv(..)]` is the one
/// that the attribute emitted, and there must be no other.
///
/// # Errors
///
/// The refusal of the first other `#[rkyv(..)]`.
pub(crate) fn check_expanded(input: &DeriveInput) -> Result<()> {
    let mut attributes = ArchiveAttributes(Vec::new());
    attributes.visit_derive_input(input);
    match attributes.0.get(1) {
        Some(hidden) => Err(Error::new_spanned(hidden, ARCHIVE_IS_FIXED)),
        None => Ok(()),
    }
}

struct ArchiveAttributes<'a>(Vec<&'a Attribute>);

impl<'a> Visit<'a> for ArchiveAttributes<'a> {
    fn visit_attribute(&mut self, attribute: &'a Attribute) {
        if attribute.path().is_ident("rkyv") {
            self.0.push(attribute);
        }
    }
}

struct Refusals<'a> {
    owner: &'a Ident,
    behind_ref: bool,
    error: Option<Error>,
}

impl Refusals<'_> {
    fn refuse(&mut self, place: impl ToTokens, reason: &str) {
        let error = Error::new_spanned(place, reason);
        match &mut self.error {
            Some(errors) => errors.combine(error),
            None => self.error = Some(error),
        }
    }

    fn names_owner(&self, path: &Path) -> bool {
        path.is_ident("Self") || (path.segments.len() == 1 && path.segments[0].ident == *self.owner)
    }
}

impl<'ast> Visit<'ast> for Refusals<'_> {
    fn visit_derive_input(&mut self, input: &'ast DeriveInput) {
        match &input.data {
            Data::Union(data) => {
                return self.refuse(
                    data.union_token,
                    "a union cannot travel, its bytes do not say what they are: use an enum",
                );
            }
            Data::Enum(data) if data.variants.is_empty() => {
                return self.refuse(
                    &input.ident,
                    "an enum without variants has no value that could travel",
                );
            }
            Data::Enum(_) | Data::Struct(_) => {}
        }
        visit::visit_derive_input(self, input);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if attribute.path().is_ident("rkyv") {
            self.refuse(attribute, ARCHIVE_IS_FIXED);
        }
    }

    /// Of the parameters only lifetimes are refused: bounds, defaults and the types of constants do
    /// not travel.
    fn visit_generics(&mut self, generics: &'ast Generics) {
        for lifetime in generics.lifetimes() {
            self.refuse(
                lifetime,
                "a message borrows nothing: use `String`, `Vec<T>` or `Payload`",
            );
        }
    }

    fn visit_type(&mut self, node: &'ast Type) {
        let reason = match node {
            Type::Reference(_) => {
                "a reference cannot travel: use `String`, `Vec<T>` or the value itself"
            }
            Type::Ptr(_) => "a pointer cannot travel",
            Type::FnPtr(_) => "a function pointer cannot travel: use an enum of what to do",
            Type::TraitObject(_) => "a trait object cannot travel: use an enum of what it may be",
            Type::ImplTrait(_) | Type::Infer(_) | Type::Never(_) => {
                "a field needs a type that has values"
            }
            _ => return visit::visit_type(self, node),
        };
        self.refuse(node, reason);
    }

    fn visit_type_path(&mut self, node: &'ast TypePath) {
        if !self.behind_ref && self.names_owner(&node.path) {
            return self.refuse(node, "a message cannot contain itself, its depth would have no bound: use a `Vec` of nodes that refer to each other by index");
        }
        let Some(last) = node.path.segments.last() else {
            return;
        };
        if let Some(advice) = advice(&node.path, &last.ident) {
            return self.refuse(node, &format!("`{}` cannot travel: {advice}", last.ident));
        }
        let outside = self.behind_ref;
        self.behind_ref |= REFS.iter().any(|name| last.ident == name);
        visit::visit_type_path(self, node);
        self.behind_ref = outside;
    }

    /// Array lengths, const arguments and discriminants are computed here and do not travel.
    fn visit_expr(&mut self, _: &'ast Expr) {}
}

/// The way out for a refused name, unless the path says that the user means a type of his own.
fn advice(path: &Path, name: &Ident) -> Option<&'static str> {
    let first = &path.segments.first()?.ident;
    if ["crate", "self", "super"].iter().any(|own| first == own) {
        return None;
    }
    let (_, advice) = REFUSED.iter().find(|(refused, _)| name == refused)?;
    Some(advice)
}
