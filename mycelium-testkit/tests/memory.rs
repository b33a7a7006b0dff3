//! What hostile peers can make a node hold. Alone in its program: it measures the whole process.

use std::{fs, num::NonZeroUsize, time::Duration};

use mycelium::{
    LivenessConfig, Transport,
    prelude::*,
    wire::{Check, FrameKind},
};
use mycelium_testkit::{
    hostile::{Forged, Peer},
    watched,
};

/// What the node may grow by; the least of the attacks asks for many times as much.
const GROWTH_BYTES: usize = 64 << 20;

/// Handles nothing, ever.
struct Stuck;

impl Actor for Stuck {
    type Message = u64;

    async fn started(&mut self, cx: &mut Context<Self>) -> ActorResult {
        cx.cancelled().await;
        Ok(())
    }

    async fn handle(&mut self, _message: u64, _cx: &mut Context<Self>) -> ActorResult {
        Ok(())
    }
}

#[test]
fn a_node_grows_by_no_more_than_its_bounds_whatever_its_peers_announce_and_send() {
    watched(async {
        let patient = LivenessConfig::default().down_after(Duration::from_hours(1));
        let node = Node::builder("bounded")
            .tcp("127.0.0.1:0")
            .liveness(patient);
        let node = node.transport(Transport::Tcp).start().await;
        let node = node.expect("loopback has a free port");
        let room = SpawnOptions::default().capacity(NonZeroUsize::MAX);
        let stuck = node.spawn_with(room, Stuck);
        node.register("stuck", &stuck).expect("the name is free");
        let address = node.addresses().remove(0);
        drop(Peer::link(&address).await);

        let before = resident_bytes();
        announce_more_than_there_is(&address).await;
        announce_and_never_send(&address).await;
        send_more_than_the_window(&address).await;
        let grown = resident_bytes().saturating_sub(before);
        assert!(grown < GROWTH_BYTES, "by {} MiB", grown >> 20);
    });
}

async fn announce_more_than_there_is(address: &PeerAddr) {
    for length in [1 << 30, u32::MAX] {
        let mut peer = Peer::link(address).await;
        let frame = Forged::of(FrameKind::Message).length(length);
        peer.forge(&frame).await;
        peer.hear_close().await.expect("it is too large");
    }
}

/// Frames of the limit, of which only the beginnings come, in every lane.
async fn announce_and_never_send(address: &PeerAddr) {
    let mut peers = Vec::new();
    for _ in 0..300 {
        let mut peer = Peer::link(address).await;
        let begun = Forged::of(FrameKind::Reply)
            .length(1 << 20)
            .sealed(Check::None);
        for lane in 0..16 {
            let part = Forged::of(FrameKind::Fragment).sequence(lane);
            peer.forge(&part.payload(begun.clone())).await;
        }
        peers.push(peer);
    }
}

async fn send_more_than_the_window(address: &PeerAddr) {
    for _ in 0..10 {
        let mut peer = Peer::link(address).await;
        let actor = peer.resolve("stuck").await.expect("it is registered");
        let ids = [actor.actor.as_u64(), actor.key.as_u64(), actor.fingerprint];
        let bind = Forged::of(FrameKind::Bind).payload(ids.map(u64::to_le_bytes).concat());
        peer.forge(&bind).await;
        for sequence in 1..=100 {
            let message = Forged::of(FrameKind::Message).sequence(sequence);
            let message = message.payload(vec![1; 1 << 20]);
            let parts = message.in_fragments();
            let bytes: Vec<u8> = parts.flat_map(|part| part.sealed(peer.check())).collect();
            if peer.try_write(&bytes).await.is_err() {
                break;
            }
        }
        // Over TCP a reset may overtake the reason.
        peer.hear_close().await;
    }
}

/// What the process holds in memory, by proc(5).
fn resident_bytes() -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    kib.and_then(|kib| kib.parse::<usize>().ok())
        .expect("a number")
        * 1_024
}
