//! Nodes in a directory of their own, and an actor that passes on what it handles.

#![allow(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "each test file uses a part of it"
)]

pub(crate) mod child;
pub(crate) mod proxy;

use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use mycelium_core::{Actor, ActorRef, ActorResult, Context, Message, Node};
use mycelium_macros::message;
use mycelium_transport::{BuildTransport, PeerAddr, Transport, TransportNode};
use tempfile::TempDir;
use tokio::sync::mpsc;

/// A message of a fixed size, like a market-data tick.
#[message(crate = mycelium_wire)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tick {
    pub(crate) sequence: u64,
    pub(crate) price: i64,
    pub(crate) size: u32,
    pub(crate) side: i8,
}

impl Tick {
    pub(crate) fn number(sequence: u64) -> Self {
        Self {
            sequence,
            price: -5,
            size: 100,
            side: 1,
        }
    }
}

/// Passes every message on to the test.
pub(crate) struct Probe<M>(pub(crate) mpsc::UnboundedSender<M>);

impl<M: Send + 'static> Actor for Probe<M> {
    type Message = M;

    async fn handle(&mut self, message: M, _cx: &mut Context<Self>) -> ActorResult {
        // The test may have seen enough.
        let _ = self.0.send(message);
        Ok(())
    }
}

pub(crate) fn probe<M: Send + 'static>() -> (Probe<M>, mpsc::UnboundedReceiver<M>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Probe(sender), receiver)
}

/// Two linked nodes: the first listens, the second dials.
pub(crate) struct Pair {
    pub(crate) server: Node,
    pub(crate) client: Node,
    pub(crate) dir: TempDir,
}

impl Pair {
    pub(crate) async fn start() -> Self {
        Self::over(Transport::Unix).await
    }

    pub(crate) async fn over(transport: Transport) -> Self {
        let dir = private_dir();
        let able = |name: &str| {
            let builder = Node::builder(unique(name)).transport(transport);
            builder.unix(dir.path()).tcp("127.0.0.1:0")
        };
        let server = able("server").start().await.expect("the node starts");
        let address = server.addresses().remove(0);
        let client = able("client").peer(address).start().await;
        Self {
            server,
            client: client.expect("the node starts"),
            dir,
        }
    }

    pub(crate) async fn shutdown(self) {
        self.client
            .shutdown(GRACE)
            .await
            .expect("the client's actors end");
        self.server
            .shutdown(GRACE)
            .await
            .expect("the server's actors end");
    }
}

/// Longer than any actor of these tests takes to end.
pub(crate) const GRACE: Duration = Duration::from_mins(1);

pub(crate) fn private_dir() -> TempDir {
    let private = Permissions::from_mode(0o700);
    let dir = tempfile::Builder::new().permissions(private).tempdir();
    dir.expect("the system has room for a directory")
}

pub(crate) async fn listening(name: &str, dir: &TempDir) -> Node {
    Node::builder(name)
        .unix(dir.path())
        .start()
        .await
        .expect("the node starts")
}

pub(crate) async fn dialling(name: &str, dir: &TempDir, peer: &str) -> Node {
    let address = PeerAddr::unix(dir.path(), peer);
    Node::builder(name)
        .unix(dir.path())
        .peer(address)
        .start()
        .await
        .expect("the node starts")
}

/// A name that no other node of this process has.
pub(crate) fn unique(name: &str) -> String {
    static NODES: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}", NODES.fetch_add(1, Ordering::Relaxed))
}

/// Whether a ref says what it goes through.
pub(crate) fn is_over<M: Message>(transport: Transport, actor: &ActorRef<M>) -> bool {
    match transport {
        Transport::Tcp => matches!(actor, ActorRef::Tcp(_)),
        _ => matches!(actor, ActorRef::Unix(_)),
    }
}

/// Makes a test of each of these facts for every transport.
macro_rules! over_every_transport {
    ($($fact:ident),+ $(,)?) => {
        over_every_transport!(@over unix, Unix, $($fact),+);
        over_every_transport!(@over tcp, Tcp, $($fact),+);
        over_every_transport!(@over memory, Memory, $($fact),+);
    };
    (@over $name:ident, $transport:ident, $($fact:ident),+) => {
        mod $name {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $fact() {
                    super::$fact(mycelium_transport::Transport::$transport).await;
                }
            )+
        }
    };
}
pub(crate) use over_every_transport;
