//! [`IncomingTransfer`]: the receiver's end of a transfer.

use std::{future::poll_fn, sync::Arc};

use bytes::Bytes;

use crate::{
    Node,
    transfer::{Landing, TransferError},
};

/// An object that is awaited, or arrives; see [`Node::expect_transfer`].
///
/// Its sender has at most 256 KiB more under way than was taken here: taking slowly slows the sender,
/// and nobody else. Dropping it tells the sender that no more is wanted.
pub struct IncomingTransfer {
    node: Node,
    landing: Arc<Landing>,
}

impl IncomingTransfer {
    pub(super) fn new(node: Node, landing: Arc<Landing>) -> Self {
        Self { node, landing }
    }

    /// How long the object is; waits until it is offered.
    ///
    /// Nothing tells whether whoever has the ticket will ever use it: wait with a timeout, or for the
    /// answer of the actor that was asked for the object too.
    ///
    /// # Errors
    ///
    /// [`TransferError`].
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn length_bytes(&mut self) -> Result<u64, TransferError> {
        poll_fn(|cx| self.landing.poll_length(cx)).await
    }

    /// Takes the next bytes of the object, at most 64 KiB, in order; `None` once all of it was taken.
    ///
    /// Copies nothing: they lie in the buffer that they were received in, which stays in memory for as
    /// long as they do.
    ///
    /// # Errors
    ///
    /// [`TransferError`]: nothing more comes.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Result<Option<Bytes>, TransferError> {
        poll_fn(|cx| self.landing.poll_take(cx)).await
    }
}

impl Drop for IncomingTransfer {
    fn drop(&mut self) {
        self.node.landings().leave(self.landing.ticket);
        self.landing.leave();
    }
}
