//! A peer that shakes hands properly, as far as it is told, and then sends what it should not.
//!
//! Read [`Peer`] first: a connection to a node, from either side, over a raw socket. What is legal
//! is written by the protocol's own [`SendHalf`]; what is not is a [`Forged`] frame, of which every
//! field can be set.

mod forged;

use std::{io, path::Path, time::Duration};

use mycelium::{
    NodeId, PeerAddr,
    wire::{
        Check, CloseReason, Event, FrameKind, Hello, Limits, ReceiveHalf, Resolved, SendHalf,
        rkyv::util::AlignedVec,
    },
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    time,
};

pub use crate::hostile::forged::Forged;
use crate::{Reach, bed::unique};

/// The nonce of every [`Peer`]: it has no need to be fresh.
const NONCE: u128 = 0x1112_1314_1516_1718_191a_1b1c_1d1e_1f20;

/// How long a node may take for its reason before it is asked whether it has one. A slow one is
/// only asked in vain.
const LONG_SILENCE: Duration = Duration::from_secs(20);

/// The request of that question.
const ARE_YOU_THERE: u64 = u64::MAX;

/// A peer's end of a connection.
pub struct Peer {
    stream: Box<dyn Stream>,
    check: Check,
    /// What this peer says of itself; may be changed before it is said.
    pub hello: Hello,
    /// What the node said of itself.
    node: Option<Hello>,
    send: SendHalf,
    receive: ReceiveHalf,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Where a hostile peer waits for a node that dials it.
pub struct Ambush {
    listener: Listener,
    address: PeerAddr,
}

enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

/// How a node ended a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The code of the reason, as `docs/wire-format.md` lists it.
    pub code: u8,
    /// The node's words.
    pub text: Box<str>,
}

impl Ambush {
    /// Listens at a loopback port, or at a socket in `dir`.
    ///
    /// # Panics
    ///
    /// Where the transport has no socket.
    pub async fn lay(reach: Reach, dir: &Path) -> Self {
        match reach {
            Reach::Unix => {
                let place = dir.join(format!("{}.sock", unique("ambush")));
                let listener = UnixListener::bind(&place).expect("the path is free");
                Self {
                    listener: Listener::Unix(listener),
                    address: PeerAddr::Unix(place),
                }
            }
            Reach::Tcp => {
                let listener = TcpListener::bind("127.0.0.1:0").await;
                let listener = listener.expect("loopback has a free port");
                let place = listener.local_addr().expect("it is bound");
                Self {
                    listener: Listener::Tcp(listener),
                    address: format!("tcp:{place}").parse().expect("an address"),
                }
            }
            _ => panic!("{reach:?} has no socket of its own"),
        }
    }

    /// What a node is to dial.
    pub fn address(&self) -> PeerAddr {
        self.address.clone()
    }

    /// Takes the next connection in, and says nothing.
    pub async fn accept(&self) -> Peer {
        match &self.listener {
            Listener::Unix(listener) => {
                let (stream, _) = listener.accept().await.expect("it listens");
                Peer::over(Box::new(stream), Check::None)
            }
            Listener::Tcp(listener) => {
                let (stream, _) = listener.accept().await.expect("it listens");
                Peer::over_tcp(stream)
            }
        }
    }
}

impl Peer {
    /// Connects to a node, and says nothing.
    ///
    /// # Panics
    ///
    /// Where the node does not listen there.
    pub async fn dial(address: &PeerAddr) -> Self {
        match address {
            PeerAddr::Unix(place) => {
                let stream = UnixStream::connect(place).await.expect("the node listens");
                Self::over(Box::new(stream), Check::None)
            }
            PeerAddr::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await;
                Self::over_tcp(stream.expect("the node listens"))
            }
            other => panic!("{other} has no socket"),
        }
    }

    /// Connects to a node and shakes hands: the link is up.
    pub async fn link(address: &PeerAddr) -> Self {
        let mut peer = Self::dial(address).await;
        peer.say_hello().await;
        peer.confirm().await;
        peer.hear_until(|event| matches!(event, Event::Up { .. }).then_some(()))
            .await;
        peer
    }

    fn over_tcp(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("the socket is open");
        Self::over(Box::new(stream), Check::Crc32c)
    }

    fn over(stream: Box<dyn Stream>, check: Check) -> Self {
        let limits = Limits::default();
        let name = unique("hostile").parse().expect("a name");
        Self {
            stream,
            check,
            hello: Hello {
                node: NodeId::new(name, 1),
                nonce: NONCE,
                boot_id: 0,
                uid: 0,
                pid: 1,
                message_limit_bytes: limits.message_bytes,
                joins: 0,
                addresses: Vec::new(),
            },
            node: None,
            send: SendHalf::new(limits, check),
            receive: ReceiveHalf::new(limits, NONCE, check),
        }
    }

    /// Whether frames of this connection carry a check.
    pub fn check(&self) -> Check {
        self.check
    }

    /// The node's words about itself, once they were heard.
    ///
    /// # Panics
    ///
    /// Before.
    pub fn node(&self) -> &Hello {
        self.node.as_ref().expect("the node has said hello")
    }

    /// Introduces itself, and hears the node's introduction.
    pub async fn say_hello(&mut self) {
        let hello = self.hello.clone();
        self.tell(|half| half.hello(&hello).expect("it is short"))
            .await;
        self.hear_hello().await;
    }

    /// Hears the node's introduction.
    pub async fn hear_hello(&mut self) {
        let node = self
            .hear_until(|event| match event {
                Event::Hello(hello) => Some(*hello),
                _ => None,
            })
            .await;
        self.node = Some(node);
    }

    /// Confirms the node.
    pub async fn confirm(&mut self) {
        let nonce = self.node().nonce;
        self.tell(|half| half.confirm(nonce, 0)).await;
    }

    /// What the node says of the actor that it has under a name.
    pub async fn resolve(&mut self, name: &str) -> Option<Resolved> {
        self.tell(|half| half.resolve(1, name).expect("a short name"))
            .await;
        self.hear_until(|event| match event {
            Event::Resolved { resolved, .. } => Some(resolved),
            _ => None,
        })
        .await
    }

    /// Writes what is legal, as far as the halves are asked.
    pub async fn tell(&mut self, calls: impl FnOnce(&mut SendHalf)) {
        calls(&mut self.send);
        let mut batch = AlignedVec::new();
        while self.send.poll_transmit(&mut batch) {
            self.write(&batch).await;
        }
    }

    /// Writes a frame that may be legal or not, with the check that the link wants.
    pub async fn forge(&mut self, frame: &Forged) {
        let bytes = frame.sealed(self.check);
        self.write(&bytes).await;
    }

    /// Writes any bytes. A node that has hung up by then is no surprise.
    pub async fn write(&mut self, bytes: &[u8]) {
        // What the node says about it is read elsewhere.
        let _ = self.try_write(bytes).await;
    }

    /// Writes any bytes, all of them.
    ///
    /// # Errors
    ///
    /// The node has hung up.
    pub async fn try_write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Hears on until `pick` has found what it looks for.
    ///
    /// # Panics
    ///
    /// When the node ends the connection instead.
    pub async fn hear_until<T>(&mut self, mut pick: impl FnMut(Event<'_>) -> Option<T>) -> T {
        loop {
            while let Some(event) = self
                .receive
                .poll_event()
                .expect("the node keeps to the protocol")
            {
                if let Event::Close(reason) = event {
                    panic!("the node hung up: {reason}");
                }
                if let Some(found) = pick(event) {
                    return found;
                }
            }
            let read = self.read().await;
            assert_ne!(read.expect("the node is there"), 0, "the node hung up");
        }
    }

    /// Hears on until the node says why it ends the connection; nothing where it does not say.
    ///
    /// # Panics
    ///
    /// When the node answers a question instead that it is asked after a long silence, or breaks
    /// the protocol itself.
    pub async fn hear_close(&mut self) -> Option<Closed> {
        loop {
            while let Some(event) = self
                .receive
                .poll_event()
                .expect("the node keeps to the protocol")
            {
                match event {
                    Event::Close(CloseReason::ByPeer { code, text }) => {
                        return Some(Closed { code, text });
                    }
                    Event::Resolved { request, .. } if request == ARE_YOU_THERE => {
                        panic!("the node did not mind")
                    }
                    _ => {}
                }
            }
            match time::timeout(LONG_SILENCE, self.read()).await {
                // A node that hangs up with our bytes unread may reset a TCP connection.
                Ok(Ok(0) | Err(_)) => return None,
                Ok(Ok(_)) => {}
                Err(_silence) => self.ask_whether_it_is_there().await,
            }
        }
    }

    async fn ask_whether_it_is_there(&mut self) {
        let question = Forged::of(FrameKind::Resolve).request(ARE_YOU_THERE);
        self.forge(&question.payload(*b"nobody")).await;
    }

    async fn read(&mut self) -> io::Result<usize> {
        self.stream.read_buf(self.receive.buffer()).await
    }
}
