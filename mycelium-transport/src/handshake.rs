//! The first frames of a connection: who is there, and do we speak alike?
//!
//! Both sides introduce themselves at once. Then the dialling side confirms, by which it proposes
//! the connection to its peer, and the accepting side has the last word: see `pairs.rs`.

use std::{io, time::Duration};

use mycelium_wire::{
    CloseReason, Event, Hello, Limits, ReceiveHalf, SendHalf, rkyv::util::AlignedVec,
};
use tokio::time;

use crate::{same_user::Untrusted, socket::Socket, tls::TlsRefusal};

/// How long a peer may take for each part of the handshake.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(2);

/// A connection whose peer has introduced itself, and is of our own user or has the certificate of
/// the node that it says it is.
pub(crate) struct Greeted {
    pub(crate) hello: Hello,
    /// Of our own hello.
    nonce: u128,
    handshake: Handshake,
}

/// What becomes part of a link.
pub(crate) struct Established {
    pub(crate) socket: Socket,
    pub(crate) send: SendHalf,
    pub(crate) receive: ReceiveHalf,
    /// Of the pair of nodes.
    pub(crate) epoch: u32,
    pub(crate) origin: Origin,
}

/// How a connection came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The side that dialled makes further connections too.
    pub(crate) side: Side,
    /// The nonce of the accepting side: what a connection beside this one has to show.
    pub(crate) nonce: u128,
}

/// Which side of a connection this node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Dialling,
    Accepting,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error("the handshake failed")]
    Closed(#[from] CloseReason),
    #[error("the peer was refused")]
    Untrusted(#[from] Untrusted),
    #[error("the two do not come together over TLS")]
    Tls(#[source] TlsRefusal),
    #[error("the connection was lost during the handshake")]
    Lost(#[source] io::Error),
}

impl From<io::Error> for HandshakeError {
    fn from(error: io::Error) -> Self {
        match TlsRefusal::within(&error) {
            Some(refusal) => Self::Tls(refusal.clone()),
            None => Self::Lost(error),
        }
    }
}

/// Exchanges hellos. The peer is told the reason of a refusal.
pub(crate) async fn greet(
    socket: Socket,
    hello: &Hello,
    limits: Limits,
) -> Result<Greeted, HandshakeError> {
    socket.prepare()?;
    let check = socket.check();
    let mut handshake = Handshake {
        socket,
        send: SendHalf::new(limits, check),
        receive: ReceiveHalf::new(limits, hello.nonce, check),
        batch: AlignedVec::new(),
    };
    match in_time(handshake.greet(hello)).await {
        Ok(theirs) => Ok(Greeted {
            hello: theirs,
            nonce: hello.nonce,
            handshake,
        }),
        Err(error) => Err(handshake.refuse_by(error)),
    }
}

impl Greeted {
    /// Confirms the peer and waits until it has confirmed us: the dialling side's part.
    ///
    /// Each names the pair's epoch as it knows it; gives the greater of the two.
    pub(crate) async fn propose(&mut self, epoch: u32) -> Result<u32, HandshakeError> {
        self.append_confirm(epoch);
        let handshake = &mut self.handshake;
        let confirmed = in_time(async {
            handshake.write().await?;
            handshake.confirmed().await
        });
        let confirmed = confirmed.await;
        let theirs = confirmed.map_err(|error| handshake.refuse_by(error))?;
        Ok(theirs.max(epoch))
    }

    /// Waits until the peer has confirmed us, and gives the epoch that it knows: the accepting
    /// side's part.
    pub(crate) async fn proposed(&mut self) -> Result<u32, HandshakeError> {
        let confirmed = in_time(self.handshake.confirmed()).await;
        confirmed.map_err(|error| self.handshake.refuse_by(error))
    }

    /// The accepting side's last word: its `Confirm` is the first frame that the link writes.
    pub(crate) fn accept(mut self, epoch: u32) -> Established {
        self.append_confirm(epoch);
        let origin = Origin {
            side: Side::Accepting,
            nonce: self.nonce,
        };
        self.establish(epoch, origin)
    }

    /// The peer has confirmed what we proposed.
    pub(crate) fn accepted(self, epoch: u32) -> Established {
        let origin = Origin {
            side: Side::Dialling,
            nonce: self.hello.nonce,
        };
        self.establish(epoch, origin)
    }

    /// The handshake is done.
    fn establish(self, epoch: u32, origin: Origin) -> Established {
        let Handshake {
            socket,
            mut send,
            receive,
            ..
        } = self.handshake;
        send.set_message_limit(self.hello.message_limit_bytes);
        Established {
            socket,
            send,
            receive,
            epoch,
            origin,
        }
    }

    /// Whether a better way to the peer is worth a look.
    pub(crate) fn is_tcp(&self) -> bool {
        matches!(self.handshake.socket, Socket::Tcp(_) | Socket::Tls(_))
    }

    /// Gives the connection up, and tells the peer why.
    pub(crate) fn refuse(mut self, reason: &CloseReason) {
        self.handshake.refuse(reason);
    }

    fn append_confirm(&mut self, epoch: u32) {
        self.handshake.send.confirm(self.hello.nonce, epoch);
    }
}

struct Handshake {
    socket: Socket,
    send: SendHalf,
    receive: ReceiveHalf,
    batch: AlignedVec<16>,
}

/// What a peer says in a handshake.
enum Word {
    Hello(Box<Hello>),
    Confirm { epoch: u32 },
}

impl Handshake {
    async fn greet(&mut self, hello: &Hello) -> Result<Hello, HandshakeError> {
        self.socket.secure().await?;
        self.send.hello(hello).map_err(io::Error::other)?;
        self.write().await?;
        match self.next().await? {
            Word::Hello(hello) => {
                self.socket.check_user().await?;
                self.socket.check_name(hello.node.name())?;
                Ok(*hello)
            }
            Word::Confirm { .. } => {
                unreachable!("the receiving half lets nothing in before the hello")
            }
        }
    }

    async fn confirmed(&mut self) -> Result<u32, HandshakeError> {
        match self.next().await? {
            Word::Confirm { epoch } => Ok(epoch),
            Word::Hello(_) => unreachable!("the receiving half lets one hello in"),
        }
    }

    async fn next(&mut self) -> Result<Word, HandshakeError> {
        loop {
            match self.receive.poll_event()? {
                Some(Event::Hello(hello)) => return Ok(Word::Hello(hello)),
                Some(Event::Up { epoch }) => return Ok(Word::Confirm { epoch }),
                Some(Event::Close(reason)) => return Err(reason.into()),
                Some(_) => unreachable!("the receiving half lets nothing else in before it is up"),
                None => {}
            }
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

    /// Tells the peer of an error that is for its ears.
    fn refuse_by(&mut self, error: HandshakeError) -> HandshakeError {
        if let HandshakeError::Closed(reason) = &error {
            self.refuse(reason);
        }
        error
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

async fn in_time<T>(
    part: impl Future<Output = Result<T, HandshakeError>>,
) -> Result<T, HandshakeError> {
    let done = time::timeout(HANDSHAKE_TIMEOUT, part).await;
    done.unwrap_or(Err(CloseReason::HandshakeTimeout.into()))
}
