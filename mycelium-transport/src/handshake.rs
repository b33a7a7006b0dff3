//! The first frames of a connection: who is there, and do we speak alike?

use std::{io, sync::Arc, time::Duration};

use mycelium_wire::{
    CloseReason, Event, Hello, Limits, ReceiveHalf, SendHalf, rkyv::util::AlignedVec,
};
use tokio::time;

use crate::{link::PeerLink, peers::Refusal, socket::Socket};

/// How long a peer may take for its part of the handshake.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(2);

/// A connection whose peer has introduced itself.
pub(crate) struct Established {
    pub(crate) socket: Socket,
    pub(crate) hello: Hello,
    pub(crate) send: SendHalf,
    pub(crate) receive: ReceiveHalf,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error("the handshake failed")]
    Closed(#[from] CloseReason),
    #[error("the connection was lost during the handshake")]
    Lost(#[from] io::Error),
    /// The pair has a connection, made by the side whose connections count.
    #[error("the nodes are linked already")]
    Linked(Arc<PeerLink>),
    #[error("the node shuts down")]
    Closing,
}

impl From<Refusal> for HandshakeError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Close(reason) => Self::Closed(reason),
            Refusal::Linked(link) => Self::Linked(link),
        }
    }
}

/// Exchanges hellos. `admit` looks at the peer's before it is confirmed and may refuse it.
///
/// The peer is told the reason of a refusal.
pub(crate) async fn shake_hands(
    socket: Socket,
    hello: &Hello,
    limits: Limits,
    admit: impl Fn(&Hello) -> Result<(), Refusal>,
) -> Result<Established, HandshakeError> {
    let mut handshake = Handshake {
        socket,
        send: SendHalf::new(limits),
        receive: ReceiveHalf::new(limits, hello.nonce),
        batch: AlignedVec::new(),
    };
    let exchange = handshake.exchange(hello, admit);
    let exchanged = time::timeout(HANDSHAKE_TIMEOUT, exchange).await;
    match exchanged.unwrap_or(Err(HandshakeError::Closed(CloseReason::HandshakeTimeout))) {
        Ok(peer) => {
            let Handshake {
                socket,
                mut send,
                receive,
                ..
            } = handshake;
            send.set_message_limit(peer.message_limit_bytes);
            Ok(Established {
                socket,
                hello: peer,
                send,
                receive,
            })
        }
        Err(HandshakeError::Closed(reason)) => {
            handshake.refuse(&reason);
            Err(HandshakeError::Closed(reason))
        }
        Err(other) => Err(other),
    }
}

struct Handshake {
    socket: Socket,
    send: SendHalf,
    receive: ReceiveHalf,
    batch: AlignedVec<16>,
}

impl Handshake {
    async fn exchange(
        &mut self,
        hello: &Hello,
        admit: impl Fn(&Hello) -> Result<(), Refusal>,
    ) -> Result<Hello, HandshakeError> {
        self.send.hello(hello).map_err(io::Error::other)?;
        self.write().await?;
        let mut peer = None;
        loop {
            while let Some(event) = self.receive.poll_event()? {
                match event {
                    Event::Hello(hello) => {
                        admit(&hello)?;
                        self.send.confirm(hello.nonce);
                        peer = Some(*hello);
                    }
                    Event::Up => return Ok(peer.expect("a peer is confirmed after its hello")),
                    Event::Close(reason) => return Err(reason.into()),
                    _ => unreachable!("the receiving half lets nothing else in before it is up"),
                }
            }
            self.write().await?;
            if self.socket.read(self.receive.buffer()).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }

    async fn write(&mut self) -> io::Result<()> {
        self.batch.clear();
        if self.send.poll_transmit(&mut self.batch) {
            self.socket.write_all(&self.batch).await?;
        }
        Ok(())
    }

    /// Tells the peer why, as far as the kernel takes it at once.
    fn refuse(&mut self, reason: &CloseReason) {
        if matches!(reason, CloseReason::ByPeer { .. }) {
            return;
        }
        self.send.close(reason);
        self.batch.clear();
        self.send.poll_transmit(&mut self.batch);
        // The peer may be gone or hostile: it is owed no more than a try.
        let _ = self.socket.try_write(&self.batch);
    }
}
