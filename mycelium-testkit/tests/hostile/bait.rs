//! What a linked peer may say about actors of its own, to which the node sends.

use std::time::Duration;

use mycelium::{
    prelude::*,
    wire::{Event, ExportKey, FrameKind, Resolved},
};
use mycelium_testkit::{
    Reach,
    hostile::{Forged, Peer},
};
use tokio::task::JoinHandle;

use crate::victim::{Ping, Victim, over_sockets};

over_sockets!(
    credit_that_cannot_be_true_is_forged,
    words_about_a_binding_that_were_said_are_not_said_again,
    an_answer_that_is_none_is_corrupt,
);

/// Has the victim resolve a name, which the peer pretends to have.
async fn bait<M: Wire>(victim: &Victim, peer: &mut Peer) -> ActorRef<M> {
    let node = victim.node.clone();
    let seeking = tokio::spawn(async move { node.resolve::<M>("bait").await });
    let request = peer
        .hear_until(|event| match event {
            Event::Resolve {
                request,
                name: "bait",
            } => Some(request),
            _ => None,
        })
        .await;
    let resolved = Resolved {
        actor: mycelium::ActorId::from_u64(7),
        key: ExportKey::from_u64(9),
        fingerprint: M::FINGERPRINT,
        capacity_messages: 16,
        also_takes: Box::default(),
        type_name: M::NAME.into(),
    };
    peer.tell(|half| half.resolved(request, Some(&resolved)))
        .await;
    seeking.await.expect("no panic").expect("it was answered")
}

/// A peer to which one message of 48 bytes is under way; the ref that it was sent by keeps the
/// binding.
async fn baited(victim: &Victim) -> (Peer, ActorRef<u64>) {
    let mut peer = Peer::link(&victim.address).await;
    let bait = bait(victim, &mut peer).await;
    bait.send(1).await.expect("the first window is open");
    hear_message(&mut peer).await;
    (peer, bait)
}

async fn hear_message(peer: &mut Peer) {
    peer.hear_until(|event| matches!(event, Event::Message { .. }).then_some(()))
        .await;
}

fn credit(confirmed: u64, refused: u64, bytes: u64) -> Forged {
    let counts = [confirmed, refused, bytes].map(u64::to_le_bytes);
    Forged::of(FrameKind::Credit).payload(counts.concat())
}

async fn credit_that_cannot_be_true_is_forged(reach: Reach) {
    let victim = Victim::start(reach).await;
    for (case, frames) in [
        ("more than was sent", vec![credit(2, 0, 96)]),
        ("handled and refused", vec![credit(1, 1, 48)]),
        ("more bytes", vec![credit(1, 0, 64)]),
        ("bytes of no message", vec![credit(0, 0, 48)]),
        ("a message without bytes", vec![credit(1, 0, 0)]),
        (
            "counts that go back",
            vec![credit(1, 0, 48), credit(0, 1, 48)],
        ),
        ("all there is", vec![credit(u64::MAX, 1, u64::MAX)]),
    ] {
        let (mut peer, _bait) = baited(&victim).await;
        for frame in frames {
            peer.forge(&frame).await;
        }
        victim.closes(&mut peer, "CreditForged", case).await;
    }
    victim.end().await;
}

async fn words_about_a_binding_that_were_said_are_not_said_again(reach: Reach) {
    let victim = Victim::start(reach).await;
    let window = || Forged::of(FrameKind::Bound).payload([16, 0, 0, 0, 0, 0, 4, 0]);
    let ended = || Forged::of(FrameKind::Ended).payload([1]);
    let unbound = || Forged::of(FrameKind::Unbound);
    for (case, frames) in [
        ("a second window", vec![window(), window()]),
        ("a window after the end", vec![ended(), window()]),
        ("a second end", vec![ended(), ended()]),
        ("an answer that nobody asked for", vec![unbound()]),
    ] {
        let (mut peer, _bait) = baited(&victim).await;
        for frame in frames {
            peer.forge(&frame).await;
        }
        victim.closes(&mut peer, "Malformed", case).await;
    }
    victim.end().await;
}

async fn an_answer_that_is_none_is_corrupt(reach: Reach) {
    let victim = Victim::start(reach).await;
    for bytes in [0, 1, 16, 1_000] {
        let mut peer = Peer::link(&victim.address).await;
        let bait = bait(&victim, &mut peer).await;
        let asking = ask(bait);
        hear_message(&mut peer).await;
        // Which request it was lies in the archive; the first of a link is one of these.
        for request in 0..16 {
            let answer = Forged::of(FrameKind::Reply).request(request);
            peer.forge(&answer.payload(vec![0xff; bytes])).await;
        }
        let case = format!("{bytes} bytes");
        victim.closes(&mut peer, "Corrupt", &case).await;
        let outcome = asking.await.expect("no panic");
        assert!(outcome.is_err(), "{outcome:?}");
    }
    victim.end().await;
}

/// Asks for a list of bytes that will never be right.
fn ask(bait: ActorRef<Ping>) -> JoinHandle<Result<Vec<u8>, String>> {
    tokio::spawn(async move {
        let ask = bait.ask(|reply| Ping::Long { bytes: 1, reply });
        let answer = ask.timeout(Duration::from_hours(1)).await;
        answer.map_err(|error| error.to_string())
    })
}
