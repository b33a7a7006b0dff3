//! What a linked peer may do with the objects that the node waits for.

use std::time::Duration;

use mycelium::{
    BuildTransport, LinkEvent, LinkNotice, LivenessConfig, PeerAddr, TransferError, TransferTicket,
    TransportNode,
    wire::{
        Encoder, FrameKind, NodeId, PART_BYTES, TRANSFER_WINDOW_BYTES,
        rkyv::{ser::allocator::Arena, util::AlignedVec},
    },
};
use mycelium_testkit::{
    Reach,
    hostile::{Forged, Peer},
};

use crate::victim::{GRACE, Victim, able, assert_closed, over_sockets, private_dir};

over_sockets!(
    parts_beyond_their_object_are_malformed,
    parts_beyond_their_window_are_malformed,
    objects_that_nobody_waits_for_are_declined_and_cost_nothing,
    words_about_objects_that_are_not_under_way_have_no_effect,
    a_connection_for_objects_takes_nothing_else,
    a_connection_joins_that_of_its_own_link_only,
    a_connection_beside_one_that_is_lost_is_not_needed,
    a_connection_for_objects_ends_alone,
    a_peer_that_is_gone_after_an_object_is_down,
);

/// What a holder of the ticket shows.
fn key_of(ticket: &TransferTicket) -> u64 {
    let mut archive = AlignedVec::new();
    let (mut arena, mut ports) = (Arena::new(), ());
    let mut encoder = Encoder::new(&mut archive, &mut arena, &mut ports, 1_024);
    encoder.encode(ticket).expect("it is short");
    // The record lies at the end, and the key at its end, but for padding.
    let key = archive[archive.len() - 16..].first_chunk();
    u64::from_le_bytes(*key.expect("it is longer"))
}

fn offer(key: u64, length_bytes: u64) -> Forged {
    let frame = Forged::of(FrameKind::Offer).request(key);
    frame.payload(length_bytes.to_le_bytes())
}

fn part(key: u64, bytes: usize) -> Forged {
    Forged::of(FrameKind::Part)
        .request(key)
        .payload(vec![7; bytes])
}

async fn parts_beyond_their_object_are_malformed(reach: Reach) {
    let victim = Victim::start(reach).await;
    for (length_bytes, lengths) in [
        (10, &[11][..]),
        (PART_BYTES + 10, &[PART_BYTES, 11]),
        // Each would keep a whole receive buffer in memory.
        (10, &[5, 5]),
        (2 * PART_BYTES, &[PART_BYTES - 1, PART_BYTES + 1]),
    ] {
        let (ticket, mut object) = victim.node.expect_transfer(1 << 30);
        let mut peer = Peer::link(&victim.address).await;
        let length_bytes = length_bytes as u64;
        peer.forge(&offer(key_of(&ticket), length_bytes)).await;
        for &length in lengths {
            peer.forge(&part(key_of(&ticket), length)).await;
        }
        let case = format!("{lengths:?}");
        victim.closes(&mut peer, "Malformed", &case).await;
        let ended = loop {
            match object.next().await {
                Ok(part) => assert_eq!(part.map(|part| part.len()), Some(PART_BYTES)),
                Err(ended) => break ended,
            }
        };
        assert!(matches!(ended, TransferError::LinkDown), "{ended:?}");
    }
    victim.end().await;
}

async fn parts_beyond_their_window_are_malformed(reach: Reach) {
    let victim = Victim::start(reach).await;
    let (ticket, _untouched) = victim.node.expect_transfer(u64::MAX);
    let mut peer = Peer::link(&victim.address).await;
    peer.forge(&offer(key_of(&ticket), u64::MAX)).await;
    for _ in 0..=TRANSFER_WINDOW_BYTES / PART_BYTES as u64 {
        peer.forge(&part(key_of(&ticket), PART_BYTES)).await;
    }
    victim.closes(&mut peer, "Malformed", "unread").await;
    victim.end().await;
}

async fn objects_that_nobody_waits_for_are_declined_and_cost_nothing(reach: Reach) {
    let victim = Victim::start(reach).await;
    let (ticket, mut object) = victim.node.expect_transfer(10);
    let mut peer = Peer::link(&victim.address).await;
    for key in [0, 1, !key_of(&ticket)] {
        peer.forge(&offer(key, 1)).await;
        peer.forge(&part(key, 100)).await;
    }
    // The one that is awaited is as it was.
    peer.forge(&offer(key_of(&ticket), 3)).await;
    peer.forge(&part(key_of(&ticket), 3)).await;
    let part = object.next().await.expect("it comes");
    assert_eq!(part.as_deref(), Some(&[7; 3][..]));
    assert!(object.next().await.expect("it is whole").is_none());
    // Good once.
    peer.forge(&offer(key_of(&ticket), 3)).await;
    assert!(peer.resolve("echo").await.is_some());
    victim.end().await;
}

async fn words_about_objects_that_are_not_under_way_have_no_effect(reach: Reach) {
    let victim = Victim::start(reach).await;
    let mut peer = Peer::link(&victim.address).await;
    let frame = |kind| Forged::of(kind).request(9);
    peer.forge(&frame(FrameKind::Taken).payload([0xff; 8]))
        .await;
    peer.forge(&frame(FrameKind::Withdraw)).await;
    peer.forge(&frame(FrameKind::Decline).payload([3])).await;
    assert!(peer.resolve("echo").await.is_some());
    victim.end().await;
}

/// A second connection of a peer that is linked, whose hello joins the connection of this nonce.
async fn beside(address: &PeerAddr, node: NodeId, joins: u128) -> Peer {
    let mut beside = Peer::dial(address).await;
    beside.hello.node = node;
    beside.hello.joins = joins;
    beside.say_hello().await;
    beside.confirm().await;
    beside
}

async fn a_connection_for_objects_takes_nothing_else(reach: Reach) {
    let victim = Victim::start(reach).await;
    let mut peer = Peer::link(&victim.address).await;
    let (ticket, mut object) = victim.node.expect_transfer(10);
    let mut second = beside(&victim.address, peer.hello.node.clone(), peer.node().nonce).await;
    second.forge(&offer(key_of(&ticket), 3)).await;
    second.forge(&part(key_of(&ticket), 3)).await;
    assert!(object.next().await.expect("it comes").is_some());
    second
        .forge(&Forged::of(FrameKind::Resolve).request(1))
        .await;
    victim.closes(&mut second, "Unexpected", "a question").await;
    // The first connection is as it was.
    assert!(peer.resolve("echo").await.is_some());
    victim.end().await;
}

async fn a_connection_joins_that_of_its_own_link_only(reach: Reach) {
    let victim = Victim::start(reach).await;
    let peer = Peer::link(&victim.address).await;
    let other = Peer::link(&victim.address).await;
    for (case, of, joins) in [
        ("a guess", &peer, 1),
        ("that of another", &peer, other.node().nonce),
        ("another's link", &other, peer.node().nonce),
    ] {
        let mut second = beside(&victim.address, of.hello.node.clone(), joins).await;
        victim.closes(&mut second, "Replayed", case).await;
    }
    let mut stranger = Peer::dial(&victim.address).await;
    stranger.hello.joins = peer.node().nonce;
    stranger.say_hello().await;
    stranger.confirm().await;
    victim.closes(&mut stranger, "Replayed", "a stranger").await;
    victim.end().await;
}

// Refused as a replay, and warned of, though nobody erred.
async fn a_connection_beside_one_that_is_lost_is_not_needed(reach: Reach) {
    let dir = private_dir();
    let awaits = LivenessConfig::default().down_after(Duration::from_hours(1));
    let node = able(reach, "server", &dir).liveness(awaits).start().await;
    let node = node.expect("the node starts");
    let mut events = node.link_events();
    let address = node.addresses().remove(0);
    let peer = Peer::link(&address).await;
    let (node_id, joins) = (peer.hello.node.clone(), peer.node().nonce);
    drop(peer);
    while !matches!(
        events.next().await,
        Some(LinkNotice::Event(LinkEvent::Lost { .. }))
    ) {}
    let mut second = beside(&address, node_id, joins).await;
    assert_closed(second.hear_close().await, "Requested", "too late");
    node.shutdown(GRACE).await.expect("it has no actors");
}

async fn a_connection_for_objects_ends_alone(reach: Reach) {
    let victim = Victim::start(reach).await;
    let mut peer = Peer::link(&victim.address).await;
    for _ in 0..2 {
        let (ticket, mut object) = victim.node.expect_transfer(10);
        let mut second = beside(&victim.address, peer.hello.node.clone(), peer.node().nonce).await;
        second.forge(&offer(key_of(&ticket), 3)).await;
        assert_eq!(object.length_bytes().await.expect("it is offered"), 3);
        drop(second);
        let ended = object.next().await;
        assert!(matches!(ended, Err(TransferError::LinkDown)), "{ended:?}");
        assert!(peer.resolve("echo").await.is_some());
    }
    victim.end().await;
}

// The number of the second connection was taken for that of the link's own: its peer was awaited for
// ever.
async fn a_peer_that_is_gone_after_an_object_is_down(reach: Reach) {
    let dir = private_dir();
    let soon = LivenessConfig::default().down_after(Duration::from_millis(1_500));
    let node = able(reach, "server", &dir).liveness(soon).start().await;
    let node = node.expect("the node starts");
    let mut events = node.link_events();
    let address = node.addresses().remove(0);
    let peer = Peer::link(&address).await;
    let (ticket, mut object) = node.expect_transfer(10);
    let mut second = beside(&address, peer.hello.node.clone(), peer.node().nonce).await;
    second.forge(&offer(key_of(&ticket), 3)).await;
    assert_eq!(object.length_bytes().await.expect("it is offered"), 3);
    drop((peer, second));
    while !matches!(
        events.next().await,
        Some(LinkNotice::Event(LinkEvent::Down { .. }))
    ) {}
    node.shutdown(GRACE).await.expect("it has no actors");
}
