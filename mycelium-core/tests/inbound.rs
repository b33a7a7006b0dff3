//! What a link brings in is handled, refused or counted, and costs what is bounded.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows tests by their attribute, not their helpers"
)]

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use allocation_counter::measure;
use mycelium_core::{
    ActorRef, DeadLetterNotice, Encode, Inbound, InboundBinding, Inbox, Link, LinkFuture, LinkKind,
    LinkRefusal, LinkStats, LocalRef, Node, ObjectLink, OutgoingTransfer, Purpose, Remote,
    SpawnOptions, StopReason, TransferError,
};
use mycelium_wire::{
    Bind, BindingId, Check, CloseReason, Credit, Decline, EndReason, FrameDecoder, FrameExtensions,
    FrameKind, Header, Limits, NodeId, ReplyFailure, Resolved, Window,
};
use tokio::time::advance;
use tracing::subscriber;

use crate::{ended::ended, gated::Gate, node::node, warnings::Warnings};

#[path = "kit/ended.rs"]
mod ended;
#[path = "kit/gated.rs"]
mod gated;
#[path = "kit/node.rs"]
mod node;
#[path = "kit/warnings.rs"]
mod warnings;

/// A link whose peer notes what it is told.
struct Peer {
    id: NodeId,
    credit: Mutex<Credit>,
    ended: Mutex<Vec<EndReason>>,
}

impl Peer {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            id: NodeId::new("peer".parse().unwrap(), 1),
            credit: Mutex::default(),
            ended: Mutex::default(),
        })
    }

    fn credit(&self) -> (u64, u64) {
        let credit = self.credit.lock().unwrap();
        (credit.confirmed, credit.refused)
    }
}

impl Link for Peer {
    fn peer(&self) -> &NodeId {
        &self.id
    }

    fn kind(&self) -> LinkKind {
        LinkKind::Unix
    }

    fn attach(self: Arc<Self>, _actor: Resolved) -> Result<Arc<Remote>, LinkRefusal> {
        Err(LinkRefusal::NodeDown)
    }

    fn try_send(
        &self,
        _remote: &Remote,
        _purpose: Purpose,
        _extensions: FrameExtensions,
        _encode: Encode<'_>,
    ) -> Result<(), LinkRefusal> {
        Err(LinkRefusal::NodeDown)
    }

    fn watch(&self, _remote: &Remote) {}

    fn stop(&self, _remote: &Remote) {}

    fn kill(&self, _remote: &Remote) {}

    fn detach(&self, _remote: &Remote) {}

    fn bound(&self, _inbound: InboundBinding, _window: Window) {}

    fn credit(&self, _inbound: InboundBinding, credit: Credit) {
        *self.credit.lock().unwrap() = credit;
    }

    fn unbound(&self, _inbound: InboundBinding) {}

    fn ended(&self, _inbound: InboundBinding, reason: &EndReason) {
        self.ended.lock().unwrap().push(reason.clone());
    }

    fn fail(&self, _generation: u32, reason: CloseReason) {
        panic!("the link failed: {reason}");
    }

    fn resolve<'a>(
        &'a self,
        _name: &'a str,
    ) -> LinkFuture<'a, Result<Option<Resolved>, LinkRefusal>> {
        Box::pin(async { Ok(None) })
    }

    fn reply(&self, _: u32, _: u64, _: Encode<'_>) -> Result<(), LinkRefusal> {
        unreachable!("nobody asks in these tests")
    }

    fn reply_failed(&self, _: u32, _: u64, _: &ReplyFailure) {
        unreachable!("nobody asks in these tests")
    }

    fn forget(&self, _: u64) {}

    fn pending_asks(&self) -> usize {
        0
    }

    fn stats(&self) -> LinkStats {
        LinkStats::default()
    }

    fn bindings(&self) -> usize {
        0
    }
}

impl ObjectLink for Peer {
    fn widen(&self) -> LinkFuture<'_, ()> {
        unreachable!("nobody moves objects in these tests")
    }

    fn offer(&self, _: u64, _: u64, _: &Arc<OutgoingTransfer>) -> Result<u32, TransferError> {
        unreachable!("nobody moves objects in these tests")
    }

    fn part(&self, _: u32, _: u64, _: &[u8]) -> Result<(), LinkRefusal> {
        unreachable!("nobody moves objects in these tests")
    }

    fn withdraw(&self, _: u32, _: u64) {}

    fn taken(&self, _: u32, _: u64, _: u64) {}

    fn decline(&self, _: u32, _: u64, _: Decline) {}
}

const BINDING: BindingId = BindingId::from_u32(1);

fn local<M>(actor: &ActorRef<M>) -> &LocalRef<M> {
    match actor {
        ActorRef::Local(local) => local,
        _ => unreachable!("the actor lives here"),
    }
}

fn connect(node: &Node, peer: &Arc<Peer>) -> Inbound {
    let link: Weak<dyn Link> = Arc::downgrade(&(Arc::clone(peer) as Arc<dyn Link>));
    let mut inbound = Inbound::new(node.clone(), link);
    inbound.connected(1);
    inbound
}

/// What the peer shows to reach the actor.
fn bind(node: &Node, actor: &ActorRef<u64>) -> Bind {
    let resolved = node.export(local(actor)).unwrap();
    Bind {
        actor: resolved.actor,
        key: resolved.key,
        fingerprint: resolved.fingerprint,
        type_name: resolved.type_name,
    }
}

fn receive(inbound: &mut Inbound, messages: impl IntoIterator<Item = u64>) {
    receive_with(inbound, 0, &[], messages);
}

/// As [`receive`], with these numbers as the extensions of each message.
fn receive_with(
    inbound: &mut Inbound,
    flags: u8,
    extensions: &[u64],
    messages: impl IntoIterator<Item = u64>,
) {
    let limits = Limits::default();
    let mut decoder = FrameDecoder::new(limits, Check::None);
    decoder.open();
    for message in messages {
        let header = Header {
            flags,
            ..Header::new(FrameKind::Message)
        }
        .with_payload(8);
        let mut frame = header.encode().to_vec();
        for number in extensions.iter().chain([&message]) {
            frame.extend_from_slice(&number.to_le_bytes());
        }
        frame.resize(header.frame_bytes(), 0);
        decoder.buffer().extend_from_slice(&frame);
        let frame = decoder.next_frame().unwrap().unwrap();
        inbound.message(BINDING, frame);
    }
    inbound.flush().unwrap();
}

#[tokio::test]
async fn what_arrives_is_handled_in_order_and_confirmed() {
    let (node, peer) = (node().await, Peer::new());
    let gate = Gate::spawn(&node, 1_024);
    let mut inbound = connect(&node, &peer);
    inbound.bind(BINDING, &bind(&node, &gate.actor), 1 << 20);
    receive(&mut inbound, 0..600);
    let actor = gate.actor.clone();
    assert_eq!(gate.rest().await, (0..600).collect::<Vec<_>>());
    assert_eq!(ended(&actor).await, StopReason::Stopped);
    assert_eq!(peer.credit(), (600, 0));
    assert_eq!(*peer.ended.lock().unwrap(), [EndReason::Stopped]);
}

/// The flag of the time of sending.
const SENT: u8 = 2;

#[tokio::test(start_paused = true)]
async fn what_has_expired_when_its_turn_comes_is_refused_and_a_dead_letter() {
    let (node, peer) = (node().await, Peer::new());
    let mut gate = Gate::spawn(&node, 1_024);
    gate.occupy().await;
    let mut inbound = connect(&node, &peer);
    inbound.bind(BINDING, &bind(&node, &gate.actor), 1 << 20);
    // Sent 3 s before it was written, and of use for 5 s and 6 s.
    let second = 1_000_000_000;
    receive_with(&mut inbound, SENT, &[3 * second, 5 * second], 1..=4);
    receive_with(&mut inbound, SENT, &[3 * second, 6 * second], 5..=6);
    receive(&mut inbound, [7]);
    advance(Duration::from_secs(2)).await;
    let actor = gate.actor.clone();
    assert_eq!(gate.rest().await, [5, 6, 7]);
    assert_eq!(ended(&actor).await, StopReason::Stopped);
    assert_eq!(peer.credit(), (3, 4));
    assert_eq!(node.stats().dead_letters.expired, 4);
}

#[tokio::test(start_paused = true)]
async fn no_time_that_a_peer_may_name_does_any_harm() {
    let (node, peer) = (node().await, Peer::new());
    let gate = Gate::spawn(&node, 1_024);
    let mut inbound = connect(&node, &peer);
    inbound.bind(BINDING, &bind(&node, &gate.actor), 1 << 20);
    // Sent before time began, or no time ago; of use for as long as can be, for ever, or no time.
    for (number, times) in (0..).zip([[u64::MAX; 2], [u64::MAX, 0], [0, u64::MAX], [0, 0], [0, 1]])
    {
        receive_with(&mut inbound, SENT, &times, [number]);
    }
    advance(Duration::from_hours(24 * 365)).await;
    let actor = gate.actor.clone();
    assert_eq!(gate.rest().await, [1, 2, 3]);
    assert_eq!(ended(&actor).await, StopReason::Stopped);
    assert_eq!(peer.credit(), (3, 2));
}

/// Once a queue that the actor had in its hands took frames in although the actor was stopping: a
/// peer that kept sending kept it from ever ending.
#[tokio::test]
async fn what_arrives_after_a_stop_is_refused() {
    let (node, peer) = (node().await, Peer::new());
    let mut gate = Gate::spawn(&node, 1_024);
    let mut inbound = connect(&node, &peer);
    inbound.bind(BINDING, &bind(&node, &gate.actor), 1 << 20);
    receive(&mut inbound, 0..3);
    assert_eq!(gate.entered.recv().await, Some(0));
    gate.actor.stop();
    receive(&mut inbound, 3..5);
    let actor = gate.actor.clone();
    assert_eq!(gate.rest().await, [1, 2]);
    assert_eq!(ended(&actor).await, StopReason::Stopped);
    assert_eq!(peer.credit(), (3, 2));
}

#[tokio::test]
async fn what_is_left_of_a_killed_actor_is_refused_and_a_dead_letter() {
    let (node, peer) = (node().await, Peer::new());
    let mut letters = node.dead_letters();
    let mut gate = Gate::spawn(&node, 1_024);
    let mut inbound = connect(&node, &peer);
    inbound.bind(BINDING, &bind(&node, &gate.actor), 1 << 20);
    receive(&mut inbound, 0..100);
    assert_eq!(gate.entered.recv().await, Some(0));
    receive(&mut inbound, 100..150);
    gate.actor.kill();
    assert_eq!(ended(&gate.actor).await, StopReason::Killed);
    assert_eq!(peer.credit(), (1, 149));
    assert_eq!(*peer.ended.lock().unwrap(), [EndReason::Killed]);
    let Some(DeadLetterNotice::Letter(letter)) = letters.next().await else {
        panic!("no dead letter")
    };
    assert_eq!(letter.count, 149);
}

/// Once every binding left a hook in the actor's cell for as long as the actor lived.
#[tokio::test]
async fn a_peer_that_binds_and_unbinds_for_ever_leaves_nothing_behind() {
    let (node, peer) = (node().await, Peer::new());
    let gate = Gate::spawn(&node, 1);
    let shown = bind(&node, &gate.actor);
    let mut inbound = connect(&node, &peer);
    let mut bind_and_unbind = |times: usize| {
        for _ in 0..times {
            inbound.bind(BINDING, &shown, 1 << 20);
            inbound.unbind(BINDING);
        }
    };
    bind_and_unbind(1_000);
    let held = measure(|| bind_and_unbind(10_000));
    assert!(held.bytes_current.abs() < 4_096, "{held:?}");
    assert_eq!(*peer.ended.lock().unwrap(), []);
}

/// Once such an entry stayed in the node's table for good.
#[tokio::test]
async fn an_actor_that_ended_cannot_be_bound() {
    let (node, peer) = (node().await, Peer::new());
    let gate = Gate::spawn(&node, 1);
    gate.actor.stop();
    ended(&gate.actor).await;
    let mut inbound = connect(&node, &peer);
    inbound.bind(BINDING, &bind(&node, &gate.actor), 1 << 20);
    assert_eq!(*peer.ended.lock().unwrap(), [EndReason::NoSuchActor]);
    receive(&mut inbound, 0..2);
    assert_eq!(peer.credit(), (0, 2));
}

#[tokio::test]
async fn an_inbox_receives_what_arrives_and_confirms_it() {
    let (node, peer) = (node().await, Peer::new());
    let mut inbox: Inbox<u64> = node.inbox();
    let mut inbound = connect(&node, &peer);
    inbound.bind(BINDING, &bind(&node, &inbox.actor_ref()), 1 << 20);
    receive(&mut inbound, 0..600);
    for message in 0..600 {
        assert_eq!(inbox.try_recv(), Ok(Some(message)));
    }
    inbox.actor_ref().stop();
    assert_eq!(inbox.try_recv(), Err(StopReason::Stopped));
    assert_eq!(peer.credit(), (600, 0));
    assert_eq!(*peer.ended.lock().unwrap(), [EndReason::Stopped]);
}

/// A peer whose window is used up waits for credit, and the holder of an inbox may stay away.
#[tokio::test]
async fn an_inbox_returns_credit_with_the_last_message_at_hand() {
    let (node, peer) = (node().await, Peer::new());
    let one = SpawnOptions::default().capacity(NonZeroUsize::MIN);
    let mut inbox: Inbox<u64> = node.inbox_with(one);
    let mut inbound = connect(&node, &peer);
    inbound.bind(BINDING, &bind(&node, &inbox.actor_ref()), 1 << 20);
    receive(&mut inbound, 0..1);
    assert_eq!(inbox.try_recv(), Ok(Some(0)));
    assert_eq!(peer.credit(), (1, 0));
}

#[tokio::test]
async fn what_an_inbox_leaves_of_another_node_is_refused_and_a_dead_letter() {
    let (node, peer) = (node().await, Peer::new());
    let mut letters = node.dead_letters();
    let mut inbox: Inbox<u64> = node.inbox();
    let mut inbound = connect(&node, &peer);
    inbound.bind(BINDING, &bind(&node, &inbox.actor_ref()), 1 << 20);
    receive(&mut inbound, 0..100);
    assert_eq!(inbox.try_recv(), Ok(Some(0)));
    drop(inbox);
    assert_eq!(peer.credit(), (1, 99));
    let Some(DeadLetterNotice::Letter(letter)) = letters.next().await else {
        panic!("no dead letter")
    };
    assert_eq!(letter.count, 99);
}

#[tokio::test]
async fn the_depth_of_a_mailbox_counts_what_arrived() {
    let (node, peer) = (node().await, Peer::new());
    let mut inbox: Inbox<u64> = node.inbox();
    let actor = inbox.actor_ref();
    let mut inbound = connect(&node, &peer);
    inbound.bind(BINDING, &bind(&node, &actor), 1 << 20);
    receive(&mut inbound, 0..100);
    actor.try_send(0).unwrap();
    assert_eq!(inbox.mailbox_len(), 101);
    for left in (0..=100).rev() {
        assert!(matches!(inbox.try_recv(), Ok(Some(_))));
        assert_eq!(inbox.mailbox_len(), left);
    }
    receive(&mut inbound, 0..100);
    actor.kill();
    assert_eq!(inbox.try_recv(), Err(StopReason::Killed));
    assert_eq!(local(&actor).mailbox_len(), 0);
}

#[tokio::test]
async fn a_backlog_of_other_nodes_is_told_of_once() {
    let warnings = Warnings::default();
    let _listening = subscriber::set_default(warnings.clone());
    let (node, peer) = (node().await, Peer::new());
    let hundred = SpawnOptions::default().capacity(NonZeroUsize::new(100).unwrap());
    let mut inbox: Inbox<u64> = node.inbox_with(hundred);
    let mut inbound = connect(&node, &peer);
    inbound.bind(BINDING, &bind(&node, &inbox.actor_ref()), 1 << 20);
    receive(&mut inbound, 0..49);
    assert_eq!(warnings.count(), 0);
    receive(&mut inbound, 49..70);
    receive(&mut inbound, 70..100);
    assert_eq!(warnings.count(), 1);
    while let Ok(Some(_)) = inbox.try_recv() {}
    receive(&mut inbound, 0..60);
    assert_eq!(warnings.count(), 2);
}
