//! What an actor has running beside it, such as a stream that feeds it.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

use tokio::task::AbortHandle;

use crate::{LocalRef, Message, Node, cell::owner::panicked};

/// Runs a task until it is done, or the actor is asked to end. A panic in it ends the actor as one
/// in a handler would: what the actor relies on does not go missing in silence.
pub(crate) fn run_beside<M: Message>(
    node: &Node,
    actor: &LocalRef<M>,
    task: impl Future<Output = ()> + Send + 'static,
) -> AbortHandle {
    let (life, ending) = (actor.0.front.life(), actor.0.front.ending());
    let actor = actor.clone();
    node.spawn_task(async move {
        let mut task = pin!(task);
        let contained =
            poll_fn(
                |cx| match catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(cx))) {
                    Ok(poll) => poll.map(Ok),
                    Err(panic) => Poll::Ready(Err(panic)),
                },
            );
        tokio::select! {
            done = contained => if let Err(panic) = done {
                actor.0.end_life(life, panicked(panic));
            },
            () = ending.cancelled() => {}
        }
    })
}
