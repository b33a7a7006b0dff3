//! [`Scripted`]: a peer that speaks the protocol by hand, rightly or wrongly.

use std::path::Path;

use mycelium_wire::{
    Bind, BindingId, Check, CloseReason, EndReason, Event, Hello, Limits, NodeId, ReceiveHalf,
    Resolved, SendHalf, Window, Wire, rkyv::util::AlignedVec,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

/// One connection of a peer without a node.
pub(crate) struct Scripted {
    stream: UnixStream,
    pub(crate) send: SendHalf,
    receive: ReceiveHalf,
}

/// What a node said, as far as the tests look at it.
#[derive(Debug)]
pub(crate) enum Heard {
    Bind(BindingId),
    Ended(EndReason),
    Resolve(u64, String),
    Resolved(Option<Resolved>),
    Other,
    Close(CloseReason),
}

impl Scripted {
    /// A connection to the node at `path`, handshake done, by a node of this name.
    pub(crate) async fn dial(path: &Path, name: &str) -> Self {
        let stream = UnixStream::connect(path).await.expect("a node listens");
        Self::introduced(stream, name).await
    }

    /// A fresh connection, handshake done, by a node of this name.
    pub(crate) async fn introduced(stream: UnixStream, name: &str) -> Self {
        let introduced = Self::try_introduce(stream, name).await;
        introduced.unwrap_or_else(|reason| panic!("the node refuses: {reason}"))
    }

    /// A fresh connection, handshake done, or the reason why there is none.
    pub(crate) async fn try_introduce(stream: UnixStream, name: &str) -> Result<Self, CloseReason> {
        let hello = hello(name, rand::random());
        let mut peer = Self::silent(stream, hello.nonce);
        peer.send.hello(&hello).expect("it fits");
        peer.flush().await;
        loop {
            match peer.receive.poll_event().expect("the node is well-behaved") {
                Some(Event::Hello(hello)) => {
                    peer.send.confirm(hello.nonce, 0);
                    peer.flush().await;
                }
                Some(Event::Up { .. }) => return Ok(peer),
                Some(Event::Close(reason)) => return Err(reason),
                Some(event) => panic!("{event:?} during the handshake"),
                None => assert!(peer.read().await, "the connection is lost"),
            }
        }
    }

    /// A fresh connection on which nothing was said.
    pub(crate) fn silent(stream: UnixStream, nonce: u128) -> Self {
        Self {
            stream,
            send: SendHalf::new(Limits::default(), Check::None),
            receive: ReceiveHalf::new(Limits::default(), nonce, Check::None),
        }
    }

    /// What the calls put on the wire.
    pub(crate) fn written_by(calls: impl FnOnce(&mut SendHalf)) -> Vec<u8> {
        let mut send = SendHalf::new(Limits::default(), Check::None);
        calls(&mut send);
        let mut bytes = AlignedVec::new();
        send.poll_transmit(&mut bytes);
        bytes.to_vec()
    }

    /// The connection as plain bytes.
    pub(crate) fn into_stream(self) -> UnixStream {
        self.stream
    }

    /// Writes what was put into `send`; the node may have gone.
    pub(crate) async fn flush(&mut self) {
        let mut bytes = AlignedVec::new();
        while self.send.poll_transmit(&mut bytes) {
            self.write(&bytes).await;
        }
    }

    /// Writes, and says whether the node was still there.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    /// The next thing the node says; `None` at the end of the stream.
    pub(crate) async fn hear(&mut self) -> Option<Heard> {
        loop {
            if let Some(event) = self.receive.poll_event().expect("the node is well-behaved") {
                return Some(heard(event));
            }
            if !self.read().await {
                return None;
            }
        }
    }

    /// Why the node closed the connection, whatever it said before.
    pub(crate) async fn closed(&mut self) -> CloseReason {
        loop {
            match self.hear().await {
                Some(Heard::Close(reason)) => return reason,
                Some(_) => {}
                None => panic!("the node hung up without a word"),
            }
        }
    }

    /// Waits for the end of the stream.
    pub(crate) async fn hung_up(&mut self) {
        while self.hear().await.is_some() {}
    }

    pub(crate) async fn resolve(&mut self, name: &str) -> Resolved {
        self.send.resolve(7, name).expect("it fits");
        self.flush().await;
        loop {
            match self.hear().await {
                Some(Heard::Resolved(found)) => return found.expect("it is registered"),
                Some(_) => {}
                None => panic!("the node hung up"),
            }
        }
    }

    /// Resolves a name and binds it under an id.
    pub(crate) async fn bind(&mut self, number: u32, name: &str) -> BindingId {
        let actor = self.resolve(name).await;
        self.bind_to(number, &actor)
    }

    /// Puts a bind frame into `send`.
    pub(crate) fn bind_to(&mut self, number: u32, actor: &Resolved) -> BindingId {
        bind_to(&mut self.send, number, actor)
    }

    /// Puts a message into `send`, credit or not.
    pub(crate) fn message<M: Wire>(&mut self, binding: BindingId, message: &M) {
        // A window of our own making: whoever cheats does not count.
        let endless = Window {
            messages: u32::MAX,
            bytes: u32::MAX,
        };
        let _ = self.send.handle_bound(binding, endless);
        let sent = self
            .send
            .send(binding, &mut (), &mut |encoder| encoder.encode(message));
        sent.expect("the window is endless");
    }

    async fn read(&mut self) -> bool {
        matches!(self.stream.read_buf(self.receive.buffer()).await, Ok(1..))
    }
}

pub(crate) fn bind_to(send: &mut SendHalf, number: u32, actor: &Resolved) -> BindingId {
    let binding = BindingId::from_u32(number);
    let bind = Bind {
        actor: actor.actor,
        key: actor.key,
        fingerprint: actor.fingerprint,
        type_name: actor.type_name.clone(),
    };
    send.bind(binding, &bind, actor.capacity_messages);
    binding
}

pub(crate) fn hello(name: &str, nonce: u128) -> Hello {
    Hello {
        node: NodeId::new(name.parse().expect("a valid name"), rand::random()),
        nonce,
        boot_id: 0,
        uid: 0,
        pid: 1,
        message_limit_bytes: Limits::default().message_bytes,
        joins: 0,
        addresses: Vec::new(),
    }
}

fn heard(event: Event<'_>) -> Heard {
    match event {
        Event::Bind { binding, .. } => Heard::Bind(binding),
        Event::Ended { reason, .. } => Heard::Ended(reason),
        Event::Resolve { request, name } => Heard::Resolve(request, name.to_owned()),
        Event::Resolved { resolved, .. } => Heard::Resolved(resolved),
        Event::Bound { .. }
        | Event::Message { .. }
        | Event::Credit { .. }
        | Event::Unbind { .. }
        | Event::Unbound { .. }
        | Event::Stop { .. }
        | Event::Kill { .. }
        | Event::Cancel { .. }
        | Event::Heartbeat
        | Event::LongMessage { .. }
        | Event::LongReply { .. }
        | Event::Fragment
        | Event::Widen
        | Event::Offer { .. }
        | Event::Part { .. }
        | Event::Withdrawn { .. }
        | Event::Taken { .. }
        | Event::Declined { .. }
        | Event::Reply { .. }
        | Event::ReplyFailed { .. } => Heard::Other,
        Event::Close(reason) => Heard::Close(reason),
        Event::Hello(_) | Event::Up { .. } => unreachable!("the handshake is done"),
    }
}
