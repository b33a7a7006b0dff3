//! Nodes in a directory of their own, and an actor that passes on what it handles.

use std::{fs::Permissions, os::unix::fs::PermissionsExt, time::Duration};

use mycelium_core::{Actor, ActorResult, Context, Node};
use mycelium_macros::message;
use mycelium_transport::{BuildTransport, PeerAddr};
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
        let dir = private_dir();
        let server = listening("server", &dir).await;
        let client = dialling("client", &dir, "server").await;
        Self {
            server,
            client,
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
pub(crate) const GRACE: Duration = Duration::from_secs(60);

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
        .peer(address)
        .start()
        .await
        .expect("the node starts")
}
