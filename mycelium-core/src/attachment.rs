//! [`Attachment`]: a stream that feeds an actor.

use std::{future::poll_fn, pin::pin};

use futures_core::Stream;
use tokio::task::{AbortHandle, coop};

use crate::{ActorRef, LocalRef, Message, Node, beside::run_beside};

/// A stream that feeds an actor, made by [`Context::attach_stream`](crate::Context::attach_stream).
///
/// Dropping it changes nothing; the stream ends by itself, or with the actor.
#[derive(Debug)]
pub struct Attachment(AbortHandle);

impl Attachment {
    pub(crate) fn new<M: Message, S: Stream<Item: Send> + Send + 'static>(
        node: &Node,
        actor: &LocalRef<M>,
        stream: S,
        map: impl FnMut(Option<S::Item>) -> Option<M> + Send + 'static,
    ) -> Self {
        let to = ActorRef::Local(actor.clone());
        Self(run_beside(node, actor, feed(to, stream, map)))
    }

    /// Drops the stream; nothing more is sent that lies not in the mailbox already.
    pub fn detach(&self) {
        self.0.abort();
    }
}

async fn feed<M: Message, S: Stream>(
    to: ActorRef<M>,
    stream: S,
    mut map: impl FnMut(Option<S::Item>) -> Option<M>,
) {
    let mut stream = pin!(stream);
    loop {
        // A stream that is always ready, and left out item by item, must let others run.
        coop::consume_budget().await;
        let item = poll_fn(|cx| stream.as_mut().poll_next(cx)).await;
        let is_over = item.is_none();
        if let Some(message) = map(item)
            && to.send(message).await.is_err()
        {
            return;
        }
        if is_over {
            return;
        }
    }
}
