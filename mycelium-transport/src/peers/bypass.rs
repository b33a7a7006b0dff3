//! The handshake of a [`Bypass`](crate::bypass::Bypass).

use std::sync::Arc;

use mycelium_core::Link;
use mycelium_wire::{CloseReason, Hello};
use tokio::{select, time};

use super::Peers;
use crate::{
    connection::Connection,
    driver::{self, Joined},
    handshake::{Greeted, HANDSHAKE_TIMEOUT, HandshakeError, Origin, Side, greet},
    link::PeerLink,
    socket::Socket,
    tcp::TcpGuard,
};

impl Peers {
    /// As [`greet`](Self::greet), over a socket that joins the connection of this nonce.
    pub(super) async fn greet_beside(
        &self,
        socket: Socket,
        joins: u128,
    ) -> Result<Greeted, HandshakeError> {
        let hello = Hello {
            joins,
            ..self.hello()
        };
        greet(socket, &hello, self.limits).await
    }

    /// Takes a connection in that the peer dialled beside the one of its link.
    pub(super) fn accept_bypass(&self, greeted: Greeted) -> Result<Joined, HandshakeError> {
        let beside = Origin {
            side: Side::Accepting,
            nonce: greeted.hello.joins,
        };
        let link = self.link_to(&greeted.hello.node);
        let link = link.ok_or(CloseReason::Replayed).and_then(|link| {
            match link.origin() {
                Some(origin) if origin == beside => Ok(link),
                Some(_) => Err(CloseReason::Replayed),
                // Lost while the peer dialled: nobody erred.
                None => Err(CloseReason::Requested),
            }
        });
        let link = match link {
            Ok(link) => link,
            Err(reason) => {
                greeted.refuse(&reason);
                return Err(reason.into());
            }
        };
        let established = greeted.accept(link.epoch());
        let joined = link.open_bypass(beside, established);
        // The first connection was lost meanwhile.
        joined.ok_or_else(|| CloseReason::Requested.into())
    }

    /// Makes the bypass of a link that we dialled, as often as it is asked for, for as long as the
    /// connection that it is beside.
    pub(super) async fn widen(self: Arc<Self>, link: Arc<PeerLink>, generation: u32) {
        let parts = |up: &mut Connection| {
            let asked = Arc::clone(&up.widen);
            (asked, up.failed.clone(), up.socket(), up.origin)
        };
        let Some((asked, failed, socket, origin)) = link.with_connection(generation, parts) else {
            return;
        };
        let closing = self.node.closing();
        loop {
            select! {
                biased;
                () = failed.cancelled() => return,
                () = closing.cancelled() => return,
                () = asked.notified() => {}
            }
            let made = select! {
                made = self.dial_bypass(&link, &socket, origin) => made,
                () = time::sleep(HANDSHAKE_TIMEOUT) => Err(CloseReason::HandshakeTimeout.into()),
                () = failed.cancelled() => return,
                () = closing.cancelled() => return,
            };
            match made {
                Ok(joined) => driver::drive_bypass(&self.node, joined).await,
                Err(error) => {
                    tracing::info!(peer = %link.peer(), %error, "objects share the messages' connection");
                    link.stay_narrow(origin);
                }
            }
        }
    }

    async fn dial_bypass(
        &self,
        link: &Arc<PeerLink>,
        beside: &Socket,
        origin: Origin,
    ) -> Result<Joined, HandshakeError> {
        let guard = self.node.extensions().get_or_insert_with(TcpGuard::default);
        let socket = beside.dial_again(&guard, link.peer().name()).await?;
        let mut greeted = self.greet_beside(socket, origin.nonce).await?;
        if greeted.hello.node != *link.peer() {
            greeted.refuse(&CloseReason::Requested);
            return Err(CloseReason::Requested.into());
        }
        let epoch = greeted.propose(link.epoch()).await?;
        let joined = link.open_bypass(origin, greeted.accepted(epoch));
        joined.ok_or_else(|| CloseReason::Requested.into())
    }
}
