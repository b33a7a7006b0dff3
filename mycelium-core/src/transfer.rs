//! Objects: bytes that are too many for a message, moved beside the messages of a link.
//!
//! Whoever wants an object gets a [`TransferTicket`] and an [`IncomingTransfer`] from
//! [`Node::expect_transfer`], and sends the ticket in a message to whoever has the object; that one
//! calls [`Node::transfer`]. The two ends meet in a [`Landing`] (this side of the receiver) and an
//! [`OutgoingTransfer`] (that of the sender), with a link between them, or nothing where they are one node.

mod error;
mod inbound_objects;
mod incoming;
mod landing;
mod outgoing;
mod ticket;

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::{Poll, ready},
};

use bytes::Bytes;
use mycelium_wire::{Decline, PART_BYTES};
use tokio::io::{AsyncRead, ReadBuf};

pub(crate) use self::landing::{Landing, Landings, Source};
pub use self::{
    error::TransferError,
    inbound_objects::InboundObjects,
    incoming::IncomingTransfer,
    outgoing::{ObjectLink, OutgoingTransfer},
    ticket::TransferTicket,
};
use crate::{Link, Node, transfer::error::Ended};

impl Node {
    /// Expects one object of at most this length, from whoever gets the ticket.
    ///
    /// Holds at most 256 KiB of the object at a time, whatever its sender claims. The ticket is good
    /// for one transfer, and until the [`IncomingTransfer`] is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use mycelium_core::Node;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let node = Node::builder("books").start().await?;
    /// let (ticket, mut object) = node.expect_transfer(1 << 30);
    /// // The ticket travels in a message, to any node that is linked to this one.
    /// let sender = node.clone();
    /// let sending = tokio::spawn(async move { sender.transfer(&ticket, 5, &b"trade"[..]).await });
    ///
    /// let mut bytes = Vec::new();
    /// while let Some(part) = object.next().await? {
    ///     bytes.extend_from_slice(&part);
    /// }
    /// assert_eq!(bytes, b"trade");
    /// sending.await??;
    /// # Ok(()) }
    /// ```
    pub fn expect_transfer(&self, limit_bytes: u64) -> (TransferTicket, IncomingTransfer) {
        let key = rand::random();
        let landing = Arc::new(Landing::new(key, limit_bytes));
        self.landings().insert(&landing);
        let ticket = TransferTicket::new(self.id(), key);
        (ticket, IncomingTransfer::new(self.clone(), landing))
    }

    /// Moves an object of this length to whoever gave the ticket out; returns when all of it was
    /// taken there.
    ///
    /// Reads the source in pieces of 64 KiB and has at most 256 KiB on their way. The first object of a
    /// link waits until there is a connection for objects, two seconds at most. An object has no order
    /// with messages.
    ///
    /// # Errors
    ///
    /// [`TransferError`]. Nothing is sent again: what was taken before is the receiver's to drop. After
    /// [`LinkDown`](TransferError::LinkDown) and [`NodeDown`](TransferError::NodeDown) nobody knows
    /// whether the receiver has all of it.
    ///
    /// # Cancel safety
    ///
    /// Where the future is dropped after the object was offered, the receiver is told that no more
    /// comes; before, its ticket stays good.
    pub async fn transfer<S>(
        &self,
        ticket: &TransferTicket,
        length_bytes: u64,
        source: S,
    ) -> Result<(), TransferError>
    where
        S: AsyncRead + Send,
    {
        if ticket.node() != self.id() {
            self.route_to(ticket.node())?.widen().await;
        }
        let route = Route::open(self, ticket, length_bytes)?;
        let mut source = pin!(source);
        let mut piece = vec![0; part_bytes(length_bytes)];
        let mut left_bytes = length_bytes;
        while left_bytes > 0 {
            let part = &mut piece[..part_bytes(left_bytes)];
            let read_bytes = route.fill(part, source.as_mut()).await?;
            left_bytes -= read_bytes as u64;
            if read_bytes < part.len() {
                let missing_bytes = left_bytes;
                return Err(TransferError::SourceEnded { missing_bytes });
            }
            route.outgoing.room(read_bytes).await?;
            route.send(part)?;
        }
        route.outgoing.all_taken().await?;
        Ok(())
    }

    /// Finds whoever waits for an object that is offered.
    pub(crate) fn land(
        &self,
        ticket: u64,
        length_bytes: u64,
        from: Source,
    ) -> Result<Arc<Landing>, Decline> {
        let landing = self.landings().take(ticket).ok_or(Decline::NotExpected)?;
        landing.open(length_bytes, from)?;
        Ok(landing)
    }
}

/// The way of one object out of this node; told that no more comes when it is dropped before all was
/// taken.
struct Route {
    outgoing: Arc<OutgoingTransfer>,
    way: Way,
}

enum Way {
    /// The receiver is of this node.
    Here(Arc<Landing>),
    Link {
        link: Arc<dyn Link>,
        generation: u32,
        ticket: u64,
    },
}

/// The length of the next part, where so much is left.
fn part_bytes(left_bytes: u64) -> usize {
    usize::try_from(left_bytes).map_or(PART_BYTES, |left_bytes| left_bytes.min(PART_BYTES))
}

impl Route {
    fn open(
        node: &Node,
        ticket: &TransferTicket,
        length_bytes: u64,
    ) -> Result<Self, TransferError> {
        let outgoing = Arc::new(OutgoingTransfer::new(length_bytes));
        let key = ticket.key();
        let way = if ticket.node() == node.id() {
            let from = Source::Here(Arc::clone(&outgoing));
            let landing = node.land(key, length_bytes, from);
            Way::Here(landing.map_err(|why| Ended::declined(why, length_bytes))?)
        } else {
            let link = node.route_to(ticket.node())?;
            let generation = link.offer(key, length_bytes, &outgoing)?;
            Way::Link {
                link,
                generation,
                ticket: key,
            }
        };
        Ok(Self { outgoing, way })
    }

    /// Reads until the part is full or the source has ended, for as long as the receiver wants it.
    async fn fill<S: AsyncRead>(
        &self,
        part: &mut [u8],
        mut source: Pin<&mut S>,
    ) -> Result<usize, TransferError> {
        let mut part = ReadBuf::new(part);
        poll_fn(|cx| {
            loop {
                let before = part.filled().len();
                if let Some(ended) = self.outgoing.poll_ended(cx) {
                    return Poll::Ready(Err(ended.into()));
                }
                ready!(source.as_mut().poll_read(cx, &mut part))?;
                if part.remaining() == 0 || part.filled().len() == before {
                    return Poll::Ready(Ok(part.filled().len()));
                }
            }
        })
        .await
    }

    fn send(&self, part: &[u8]) -> Result<(), TransferError> {
        match &self.way {
            Way::Here(landing) => {
                landing.put(Bytes::copy_from_slice(part));
                Ok(())
            }
            Way::Link {
                link,
                generation,
                ticket,
            } => link.part(*generation, *ticket, part).map_err(|refusal| {
                // It knows better why the connection is gone.
                let ended = self.outgoing.ended();
                ended.map_or_else(|| refusal.into(), TransferError::from)
            }),
        }
    }
}

impl Drop for Route {
    fn drop(&mut self) {
        if self.outgoing.leave() {
            return;
        }
        match &self.way {
            Way::Here(landing) => landing.withdraw(),
            Way::Link {
                link,
                generation,
                ticket,
            } => link.withdraw(*generation, *ticket),
        }
    }
}
