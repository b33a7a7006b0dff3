//! What a linked peer may do to the node's actors.

use std::{num::NonZeroUsize, time::Duration};

use mycelium::{
    prelude::*,
    wire::{Bind, BindingId, Check, Event, ExportKey, FrameKind, ReplyFailure, Resolved},
};
use mycelium_testkit::{
    Reach,
    hostile::{Forged, Peer},
};
use tokio::time;

use crate::victim::{Stuck, Victim, assert_closed, over_sockets};

over_sockets!(
    ids_are_bound_once_and_below_the_limit,
    sequences_that_do_not_follow_are_out_of_order,
    archives_that_are_none_are_corrupt_and_never_reach_the_actor,
    messages_beyond_the_window_are_refused,
    bytes_beyond_the_window_are_refused,
    keys_that_open_nothing_are_tried_in_vain,
    questions_whose_answers_are_not_read_end_the_link,
    answers_that_are_not_read_are_refused_beyond_a_bound,
);

fn capacity(messages: usize) -> SpawnOptions {
    SpawnOptions::default().capacity(NonZeroUsize::new(messages).expect("room for one"))
}

/// What the node says of the actor that it has under a name.
async fn resolve(peer: &mut Peer, name: &str) -> Resolved {
    let found = peer.resolve(name).await;
    found.expect("it is registered")
}

fn bind(actor: &Resolved, id: u32) -> Forged {
    let fields = [actor.actor.as_u64(), actor.key.as_u64(), actor.fingerprint];
    let mut payload: Vec<u8> = fields.into_iter().flat_map(u64::to_le_bytes).collect();
    payload.extend_from_slice(actor.type_name.as_bytes());
    Forged::of(FrameKind::Bind).binding(id).payload(payload)
}

fn message(id: u32, sequence: u32, bytes: usize) -> Forged {
    let frame = Forged::of(FrameKind::Message).binding(id);
    frame.sequence(sequence).payload(vec![0xff; bytes])
}

/// A linked peer that has bound an actor of this node as 0.
async fn bound(victim: &Victim, name: &str) -> (Peer, Resolved) {
    let mut peer = Peer::link(&victim.address).await;
    let actor = resolve(&mut peer, name).await;
    peer.forge(&bind(&actor, 0)).await;
    (peer, actor)
}

/// A victim with an actor that handles nothing.
async fn with_stuck(reach: Reach, options: SpawnOptions) -> Victim {
    let victim = Victim::start(reach).await;
    let stuck = victim.node.spawn_with(options, Stuck);
    let named = victim.node.register("stuck", &stuck);
    named.expect("the name is free");
    victim
}

async fn ids_are_bound_once_and_below_the_limit(reach: Reach) {
    let victim = Victim::start(reach).await;
    let (mut peer, actor) = bound(&victim, "echo").await;
    peer.forge(&bind(&actor, 0)).await;
    victim.closes(&mut peer, "BindingInUse", "twice").await;
    for id in [65_536, u32::MAX] {
        let (mut peer, actor) = bound(&victim, "echo").await;
        peer.forge(&bind(&actor, id)).await;
        let case = format!("id {id}");
        victim.closes(&mut peer, "TooManyBindings", &case).await;
    }
    victim.end().await;
}

async fn sequences_that_do_not_follow_are_out_of_order(reach: Reach) {
    let victim = with_stuck(reach, capacity(16)).await;
    for (case, kind, sequence) in [
        ("a message again", FrameKind::Message, 1),
        ("a message left out", FrameKind::Message, 3),
        ("a message before all", FrameKind::Message, 0),
        ("a stop before the last", FrameKind::Stop, 0),
        ("a stop after more than came", FrameKind::Stop, 2),
        ("an end before the last", FrameKind::Unbind, 0),
        ("an end after more than came", FrameKind::Unbind, u32::MAX),
    ] {
        let (mut peer, _) = bound(&victim, "stuck").await;
        peer.forge(&message(0, 1, 16)).await;
        peer.forge(&Forged::of(kind).binding(0).sequence(sequence))
            .await;
        victim.closes(&mut peer, "OutOfOrder", case).await;
    }
    victim.end().await;
}

async fn archives_that_are_none_are_corrupt_and_never_reach_the_actor(reach: Reach) {
    let victim = Victim::start(reach).await;
    for bytes in [0, 1, 15, 16, 17, 48, 255, 4_096, 100_000, 1 << 20] {
        let (mut peer, _) = bound(&victim, "echo").await;
        for part in message(0, 1, bytes).in_fragments() {
            peer.forge(&part).await;
        }
        let case = format!("{bytes} bytes");
        victim.closes(&mut peer, "Corrupt", &case).await;
    }
    victim.end().await;
}

async fn messages_beyond_the_window_are_refused(reach: Reach) {
    let victim = with_stuck(reach, capacity(20)).await;
    let (mut peer, _) = bound(&victim, "stuck").await;
    for sequence in 1..=20 {
        peer.forge(&message(0, sequence, 16)).await;
    }
    // All that the window holds is taken.
    resolve(&mut peer, "echo").await;
    peer.forge(&message(0, 21, 16)).await;
    victim.closes(&mut peer, "CreditExceeded", "one more").await;

    for (case, last) in [
        ("and a stop", FrameKind::Stop),
        ("and an end", FrameKind::Unbind),
    ] {
        let (mut peer, _) = bound(&victim, "stuck").await;
        let messages = (1..=1_000).map(|sequence| message(0, sequence, 16));
        let mut burst: Vec<u8> = messages
            .flat_map(|message| message.sealed(peer.check()))
            .collect();
        let last = Forged::of(last).binding(0).sequence(1_000);
        burst.extend(last.sealed(peer.check()));
        peer.write(&burst).await;
        victim.closes(&mut peer, "CreditExceeded", case).await;
    }
    victim.end().await;
}

async fn bytes_beyond_the_window_are_refused(reach: Reach) {
    let victim = with_stuck(reach, capacity(1_024)).await;
    let (mut peer, _) = bound(&victim, "stuck").await;
    // One of the limit, and what is left beside it.
    for part in message(0, 1, 1 << 20).in_fragments() {
        peer.forge(&part).await;
    }
    peer.forge(&message(0, 2, 60_000)).await;
    resolve(&mut peer, "echo").await;
    peer.forge(&message(0, 3, 60_000)).await;
    victim
        .closes(&mut peer, "CreditExceeded", "too many bytes")
        .await;
    victim.end().await;
}

async fn keys_that_open_nothing_are_tried_in_vain(reach: Reach) {
    let victim = Victim::start(reach).await;
    let mut peer = Peer::link(&victim.address).await;
    let actor = resolve(&mut peer, "echo").await;
    for id in 0..16 {
        let guess = Resolved {
            key: ExportKey::from_u64(actor.key.as_u64() ^ (1 << id)),
            ..actor.clone()
        };
        peer.forge(&bind(&guess, id)).await;
    }
    victim
        .closes(&mut peer, "TooManyWrongKeys", "16 guesses")
        .await;
    victim.end().await;
}

/// Writes these bytes over and over, and reads only when nothing is taken any more, until the
/// node says why it ends the connection.
async fn drown(victim: &Victim, peer: &mut Peer, bytes: &[u8], reason: &str) {
    // Long enough for a node that still reads; what it says does not depend on it.
    let stalled = Duration::from_millis(300);
    while let Ok(Ok(())) = time::timeout(stalled, peer.try_write(bytes)).await {}
    let closed = peer.hear_close().await;
    // Over TCP a reset may overtake the words, because ours were not all read.
    if peer.check() == Check::None || closed.is_some() {
        assert_closed(closed, reason, "unread");
    }
    victim.is_well().await;
}

async fn questions_whose_answers_are_not_read_end_the_link(reach: Reach) {
    let victim = Victim::start(reach).await;
    let mut peer = Peer::link(&victim.address).await;
    let question = Forged::of(FrameKind::Resolve).payload(*b"echo");
    let questions = question.sealed(peer.check()).repeat(1_000);
    drown(&victim, &mut peer, &questions, "TooManyQuestions").await;
    victim.end().await;
}

/// A reply port as it travels.
#[message]
struct Port {
    request: u64,
    fingerprint: u64,
    remaining_ns: u64,
}

/// `Ping` as its archive is laid out, with ports that no ask is behind.
#[message]
enum PortlessPing {
    Twice { number: u64, reply: Port },
    Long { bytes: u32, reply: Port },
    Longs { reply: Port },
}

async fn answers_that_are_not_read_are_refused_beyond_a_bound(reach: Reach) {
    const ASKS: u64 = 100;
    let victim = Victim::start(reach).await;
    let mut peer = Peer::link(&victim.address).await;
    let actor = resolve(&mut peer, "echo").await;
    let id = BindingId::from_u32(0);
    let ask = PortlessPing::Long {
        bytes: 1_000_000,
        reply: Port {
            request: 1,
            fingerprint: <Vec<u8> as Wire>::FINGERPRINT,
            remaining_ns: u64::MAX,
        },
    };
    let bind = Bind {
        actor: actor.actor,
        key: actor.key,
        fingerprint: actor.fingerprint,
        type_name: actor.type_name.clone(),
    };
    peer.tell(|half| half.bind(id, &bind, 1_024)).await;
    let window = peer
        .hear_until(|event| match event {
            Event::Bound { window, .. } => Some(window),
            _ => None,
        })
        .await;
    peer.tell(|half| {
        half.handle_bound(id, window).expect("it is the first");
        for _ in 0..ASKS {
            half.send(id, &mut (), &mut |encoder| encoder.encode(&ask))
                .expect("the window holds them");
        }
    })
    .await;
    victim.has_answered(ASKS).await;
    let (mut answered, mut refused) = (0, 0);
    while answered + refused < ASKS {
        peer.hear_until(|event| {
            match event {
                Event::Reply { .. } | Event::LongReply { .. } => answered += 1,
                Event::ReplyFailed { failure, .. } => {
                    assert!(matches!(failure, ReplyFailure::Refused(_)), "{failure}");
                    refused += 1;
                }
                _ => return None,
            }
            Some(())
        })
        .await;
    }
    assert!(refused > 0, "{ASKS} MB were kept for a peer that read none");
    victim.end().await;
}
