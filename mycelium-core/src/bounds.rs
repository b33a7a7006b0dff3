//! [`Bounds`]: how much may wait in a node at most.

use std::{
    fmt,
    iter::Sum,
    ops::{Add, AddAssign},
};

/// The most that may wait in a node, as its actors, bindings and links are now.
///
/// Every queue of a node is bounded; these are the sums. What the messages of this process own on the
/// heap is not counted: it is the program's own. An actor's bound is its capacity for its process, and
/// a window for each peer that has bound it.
///
/// # Examples
///
/// ```
/// use std::num::NonZeroUsize;
/// use mycelium_core::{Node, SpawnOptions};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let node = Node::builder("books").start().await?;
/// let few = SpawnOptions::default().capacity(NonZeroUsize::new(8).expect("not zero"));
/// let _orders = node.inbox_with::<u64>(few);
/// assert_eq!(node.bounds().local_messages, 8);
/// println!("{}", node.bounds());
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bounds {
    /// Messages that the mailboxes take from this process.
    pub local_messages: u64,
    /// Bytes of the slots that these lie in.
    pub local_bytes: u64,
    /// Messages that peers may have waiting here.
    pub remote_messages: u64,
    /// Bytes of these, by the windows of the bindings.
    pub remote_bytes: u64,
    /// Bytes that may wait to be written to peers: the windows of this node's own bindings, and answers.
    pub outbound_bytes: u64,
    /// Bytes that the links read into, long messages that have not come whole included.
    pub link_bytes: u64,
}

impl Bounds {
    /// All bytes together.
    pub fn bytes(&self) -> u64 {
        let remote = self.remote_bytes.saturating_add(self.outbound_bytes);
        let local = self.local_bytes.saturating_add(self.link_bytes);
        remote.saturating_add(local)
    }
}

impl AddAssign for Bounds {
    fn add_assign(&mut self, other: Self) {
        let add = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more);
        add(&mut self.local_messages, other.local_messages);
        add(&mut self.local_bytes, other.local_bytes);
        add(&mut self.remote_messages, other.remote_messages);
        add(&mut self.remote_bytes, other.remote_bytes);
        add(&mut self.outbound_bytes, other.outbound_bytes);
        add(&mut self.link_bytes, other.link_bytes);
    }
}

impl Add for Bounds {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

impl Sum for Bounds {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Add::add)
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "at most {} bytes: mailboxes {} messages in {} bytes, from peers {} messages in {} bytes, \
             to peers {} bytes, links {} bytes",
            self.bytes(),
            self.local_messages,
            self.local_bytes,
            self.remote_messages,
            self.remote_bytes,
            self.outbound_bytes,
            self.link_bytes,
        )
    }
}
