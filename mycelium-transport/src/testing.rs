//! What the tests of programs need of links: two nodes, linked, without a socket.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use mycelium_core::{Node, StartError};
use tokio::time;

use crate::{BuildTransport, PeerAddr, Transport};

/// Numbers the pairs of this process: a name is one node's at a time.
static PAIRS: AtomicU64 = AtomicU64::new(0);

/// Two nodes of this process, `here-<n>` and `there-<n>`, linked by a pipe in memory when this
/// returns.
///
/// The link does all that one over a socket does: messages are encoded, framed, validated and
/// counted; windows, asks and refs in messages work as between processes. Refs across it are
/// `ActorRef::Unix`. It needs no file and no port, and goes well with virtual time.
///
/// # Errors
///
/// Those of [`NodeBuilder::start`](mycelium_core::NodeBuilder::start).
///
/// # Cancel safety
///
/// A dropped future leaves nodes that run until the runtime ends.
///
/// # Examples
///
/// ```
/// use mycelium_transport::testing::linked_pair;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (here, there) = linked_pair().await?;
/// assert_eq!(here.links()[0].peer(), there.id());
/// assert_eq!(there.links()[0].peer(), here.id());
/// # Ok(()) }
/// ```
pub async fn linked_pair() -> Result<(Node, Node), StartError> {
    // Relaxed: the number only has to be unique.
    let pair = PAIRS.fetch_add(1, Ordering::Relaxed);
    let (here, there) = (format!("here-{pair}"), format!("there-{pair}"));
    let address = PeerAddr::Memory(there.clone());
    let in_memory = |name| Node::builder(name).transport(Transport::Memory);
    let there = in_memory(there).start().await?;
    let here = in_memory(here).peer(address).start().await?;
    // The side that dialled knows first.
    while there.links().is_empty() {
        time::sleep(Duration::from_millis(1)).await;
    }
    Ok((here, there))
}
