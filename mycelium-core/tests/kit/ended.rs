//! [`ended`]: waits until an actor is gone.

use mycelium_core::{ActorRef, Message, StopReason};
use tokio::sync::oneshot;

/// Why the actor is gone, once it is.
pub(crate) async fn ended<M: Message>(actor: &ActorRef<M>) -> StopReason {
    let ActorRef::Local(local) = actor else {
        unreachable!("the actor lives here")
    };
    let (sender, receiver) = oneshot::channel();
    local.on_end(move |reason| {
        let _ = sender.send(reason.clone());
    });
    receiver.await.unwrap()
}
