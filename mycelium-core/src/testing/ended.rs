//! [`ended`]: the end of an actor, as a future.

use std::panic::Location;

use tokio::time;

use super::PATIENCE;
use crate::{ActorRef, Message, StopReason};

/// Why an actor of this node is gone, once it is.
///
/// # Panics
///
/// At the caller's line, when the actor is not gone after 30 s of tokio's clock, or lives on
/// another node.
///
/// # Examples
///
/// ```
/// use mycelium_core::{Actor, ActorResult, Context, Node, StopReason, testing};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// struct Picky;
///
/// impl Actor for Picky {
///     type Message = u64;
///
///     async fn handle(&mut self, number: u64, _cx: &mut Context<Self>) -> ActorResult {
///         Err(format!("not {number}").into())
///     }
/// }
///
/// let node = Node::builder("test").start().await?;
/// let picky = node.spawn(Picky);
/// picky.send(7).await?;
/// assert_eq!(testing::ended(&picky).await, StopReason::Failed("not 7".into()));
/// # Ok(()) }
/// ```
#[track_caller]
pub fn ended<M: Message>(actor: &ActorRef<M>) -> impl Future<Output = StopReason> + Send + 'static {
    let caller = Location::caller();
    let ActorRef::Local(local) = actor else {
        panic!("{actor:?} lives on another node")
    };
    let ended = local.ended();
    async move {
        let ended = time::timeout(PATIENCE, ended).await;
        ended.unwrap_or_else(|_| panic!("{caller}: the actor is not gone after {PATIENCE:?}"))
    }
}
