//! [`Victim`]: a node of this process that is lied to, and an honest one that is linked to it.

use std::time::Duration;

use mycelium::{
    prelude::*,
    wire::{FrameKind, Resolved},
};
use mycelium_testkit::hostile::{Forged, Peer};

use crate::{
    packet::Packet,
    rows::{Failure, ensure, fail},
};

/// Longer than the nodes of a row take to drain.
const GRACE: Duration = Duration::from_secs(20);

/// Longer than an answer of a node that is well takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Reasons to close a link, by the codes of `docs/wire-format.md`.
pub(crate) const INCOMPATIBLE: u8 = 3;
pub(crate) const REPLAYED: u8 = 4;
pub(crate) const DUPLICATE_NODE: u8 = 6;
pub(crate) const MALFORMED: u8 = 9;
pub(crate) const FRAME_TOO_LARGE: u8 = 11;
pub(crate) const CORRUPT: u8 = 19;

/// A node under attack, over plain TCP.
pub(crate) struct Victim {
    pub(crate) node: Node,
    pub(crate) address: PeerAddr,
    honest: Node,
    /// The honest node's ref to the victim's actor.
    pub(crate) echo: ActorRef<Packet>,
    /// What the victim's actor was sent.
    pub(crate) ticks: tokio::sync::watch::Receiver<u64>,
}

/// Answers echoes, counts ticks and drops the rest.
struct Echo(tokio::sync::watch::Sender<u64>);

impl Actor for Echo {
    type Message = Packet;

    async fn handle(&mut self, packet: Packet, _cx: &mut Context<Self>) -> ActorResult {
        match packet {
            Packet::Echo { number, reply, .. } => reply.send(number),
            Packet::Tick { .. } => self.0.send_modify(|ticks| *ticks += 1),
            Packet::Never { .. } => {}
        }
        Ok(())
    }
}

impl Victim {
    pub(crate) async fn start() -> Result<Self, Failure> {
        let node = tcp("victim").start().await?;
        let (count, ticks) = tokio::sync::watch::channel(0);
        node.register("echo", &node.spawn(Echo(count)))?;
        let address = node.addresses().remove(0);
        let honest = tcp("honest").peer(address.clone()).start().await?;
        let echo = honest.wait_for("echo", PATIENCE).await?;
        Ok(Self {
            node,
            address,
            honest,
            echo,
            ticks,
        })
    }

    /// The honest link and the node's actors are what they were.
    pub(crate) async fn is_well(&self) -> Result<(), Failure> {
        let number = 4;
        let ask = self.echo.ask(|reply| Packet::Echo {
            sender: 0,
            number,
            reply,
        });
        let answer = ask.timeout(PATIENCE).await?;
        ensure(answer == number, || "the answer is another's".to_owned())
    }

    /// What the honest node finds that takes the actor for one of another type.
    pub(crate) async fn other_type(&self) -> Result<ActorRef<u64>, ResolveError> {
        self.honest.resolve("echo").await
    }

    /// The node closes the peer's connection with this code, and is well.
    pub(crate) async fn closes(
        &self,
        peer: &mut Peer,
        code: u8,
        case: &str,
    ) -> Result<(), Failure> {
        let closed = peer.hear_close().await;
        ensure(
            closed.as_ref().is_some_and(|closed| closed.code == code),
            || format!("{case}: closed with {closed:?}, not with code {code}"),
        )?;
        self.is_well().await
    }

    pub(crate) async fn end(self) -> Result<(), Failure> {
        self.is_well().await?;
        self.honest.shutdown(GRACE).await?;
        Ok(self.node.shutdown(GRACE).await?)
    }
}

/// A node that can be linked over plain TCP only.
pub(crate) fn tcp(name: &str) -> mycelium::NodeBuilder {
    let builder = Node::builder(name).tcp("127.0.0.1:0");
    builder.transport(Transport::Tcp)
}

/// What the node says of the actor that it has under a name.
pub(crate) async fn resolve(peer: &mut Peer, name: &str) -> Result<Resolved, Failure> {
    let found = peer.resolve(name).await;
    found.ok_or_else(|| fail(format!("{name} is not found")))
}

/// Binds an actor under an id, as one that takes this schema.
pub(crate) fn bind(actor: &Resolved, id: u32, fingerprint: u64) -> Forged {
    let fields = [actor.actor.as_u64(), actor.key.as_u64(), fingerprint];
    let mut payload = fields.map(u64::to_le_bytes).concat();
    payload.extend_from_slice(actor.type_name.as_bytes());
    Forged::of(FrameKind::Bind).binding(id).payload(payload)
}
