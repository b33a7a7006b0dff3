//! Who is who: node names, incarnations, actors, the keys that open them, and bindings.

use std::{
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
    sync::Arc,
};

/// The name of a node: 1 to 63 of `a-z`, `0-9` and `-`, first a letter, last not a hyphen, so that
/// it is a valid certificate name.
///
/// # Examples
///
/// ```
/// use mycelium_wire::NodeName;
///
/// let name: NodeName = "book-1".parse()?;
/// assert_eq!(name.as_str(), "book-1");
/// assert!("Book_1".parse::<NodeName>().is_err());
/// # Ok::<(), mycelium_wire::InvalidNodeName>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeName(Arc<str>);

/// The text is no node name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no node name: use 1 to 63 of a-z, 0-9 and hyphen, first a letter, last not a hyphen"
)]
pub struct InvalidNodeName(String);

impl NodeName {
    /// The most bytes a name may have.
    pub const MAX_BYTES: usize = 63;

    /// A valid name that stands for a node that cannot be named.
    pub fn nobody() -> Self {
        Self("nobody".into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NodeName {
    type Err = InvalidNodeName;

    fn from_str(text: &str) -> Result<Self, InvalidNodeName> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let valid = text.len() <= Self::MAX_BYTES
            && text.bytes().all(allowed)
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && !text.ends_with('-');
        if valid {
            Ok(Self(text.into()))
        } else {
            Err(InvalidNodeName(text.to_owned()))
        }
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One life of a node: its name and a random 128-bit incarnation that a restart changes.
///
/// Two ids of one name and different incarnations are different nodes: a ref of the old one never
/// reaches the new one.
#[derive(Clone, PartialEq, Eq)]
pub struct NodeId {
    name: NodeName,
    incarnation: u128,
}

impl NodeId {
    /// Joins a name with the incarnation that was drawn for this life of the node.
    pub fn new(name: NodeName, incarnation: u128) -> Self {
        Self { name, incarnation }
    }

    /// The node's name.
    pub fn name(&self) -> &NodeName {
        &self.name
    }

    /// The random number of this life.
    pub fn incarnation(&self) -> u128 {
        self.incarnation
    }
}

impl Hash for NodeId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.incarnation.hash(state);
    }
}

impl fmt::Display for NodeId {
    /// The name and the first 32 bits of the incarnation: enough to tell two lives apart in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{:08x}", self.name, self.incarnation >> 96)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An actor within one incarnation of a node; never used twice in it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ActorId(u64);

impl ActorId {
    /// The id with this number.
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }

    /// The number that travels.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "actor-{}", self.0)
    }
}

impl fmt::Debug for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The random key of an exported actor: who shows it holds a ref that the actor's node gave out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ExportKey(u64);

impl ExportKey {
    /// The key with these bits.
    pub const fn from_u64(bits: u64) -> Self {
        Self(bits)
    }

    /// The bits that travel.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for ExportKey {
    /// A key is a secret between nodes; it is never printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExportKey(..)")
    }
}

/// A binding of one direction of a link; chosen by the binder, below the limit of bindings.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BindingId(u32);

impl BindingId {
    /// The id with this number.
    pub const fn from_u32(number: u32) -> Self {
        Self(number)
    }

    /// The number that travels.
    pub const fn as_u32(self) -> u32 {
        self.0
    }

    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for BindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "binding-{}", self.0)
    }
}

impl fmt::Debug for BindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::NodeName;

    #[test]
    fn names_are_valid_certificate_names() {
        let long = "a".repeat(63);
        for good in ["a", "book-1", "a--b", long.as_str()] {
            assert!(good.parse::<NodeName>().is_ok(), "{good}");
        }
        let too_long = "a".repeat(64);
        for bad in [
            "",
            "1book",
            "-a",
            "a-",
            "Book",
            "a_b",
            "a.b",
            "å",
            too_long.as_str(),
        ] {
            assert!(bad.parse::<NodeName>().is_err(), "{bad}");
        }
    }
}
