//! Strangers, impostors and those who never finish.

use mycelium::wire::FrameKind;
use mycelium_testkit::{
    Reach,
    hostile::{Forged, Peer},
};
use tokio::task::JoinSet;

use crate::{
    frames::hello_payload,
    victim::{Victim, assert_closed, over_sockets},
};

over_sockets!(
    what_is_not_our_protocol_is_told_so,
    hellos_that_cannot_be_understood_are_refused,
    handshakes_of_other_connections_are_replays,
    a_name_that_is_taken_is_refused,
    handshakes_that_are_not_finished_end_in_time,
);

async fn what_is_not_our_protocol_is_told_so(reach: Reach) {
    let victim = Victim::start(reach).await;
    let others: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\nHost: book-1\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"*1\r\n$4\r\nPING\r\n",
        &[0xff; 4_096],
    ];
    for other in others {
        let mut peer = Peer::dial(&victim.address).await;
        peer.write(other).await;
        let case = other[..5].escape_ascii().to_string();
        victim.closes(&mut peer, "NotMycelium", &case).await;
    }
    victim.end().await;
}

async fn hellos_that_cannot_be_understood_are_refused(reach: Reach) {
    type Fault = fn(&mut Vec<u8>);
    let victim = Victim::start(reach).await;
    let faults: [(&str, &str, Fault); 9] = [
        ("NotMycelium", "the magic", |hello| hello[0] = b'M'),
        ("Incompatible", "later versions only", |hello| {
            hello[8..12].copy_from_slice(&[99, 0, 99, 0]);
        }),
        ("Incompatible", "earlier versions only", |hello| {
            hello[8..12].copy_from_slice(&[0; 4]);
        }),
        ("Incompatible", "the probe", |hello| hello[96] ^= 1),
        ("Malformed", "half of it", |hello| hello.truncate(70)),
        ("Malformed", "more than it", |hello| hello.push(0)),
        ("Malformed", "a name that is none", |hello| {
            let probe_bytes = usize::from(u16::from_le_bytes([hello[12], hello[13]]));
            hello[96 + probe_bytes] = b'H';
        }),
        ("Malformed", "addresses that are not there", |hello| {
            hello[76..80].copy_from_slice(&u32::MAX.to_le_bytes());
        }),
        ("Malformed", "a name longer than all", |hello| {
            hello[14..16].copy_from_slice(&u16::MAX.to_le_bytes());
        }),
    ];
    for (reason, case, fault) in faults {
        let mut peer = Peer::dial(&victim.address).await;
        let mut payload = hello_payload(&peer);
        fault(&mut payload);
        let frame = Forged::of(FrameKind::Hello).payload(payload);
        peer.forge(&frame).await;
        victim.closes(&mut peer, reason, case).await;
    }
    victim.end().await;
}

async fn handshakes_of_other_connections_are_replays(reach: Reach) {
    let victim = Victim::start(reach).await;
    // Our own hello, sent back.
    let mut mirror = Peer::dial(&victim.address).await;
    mirror.hear_hello().await;
    mirror.hello.nonce = mirror.node().nonce;
    let frame = Forged::of(FrameKind::Hello).payload(hello_payload(&mirror));
    mirror.forge(&frame).await;
    victim.closes(&mut mirror, "Replayed", "a mirror").await;

    // A confirmation that was recorded from another connection.
    let mut recorded = Peer::dial(&victim.address).await;
    recorded.say_hello().await;
    let nonce = recorded.node().nonce;
    let mut replayed = Peer::dial(&victim.address).await;
    replayed.say_hello().await;
    assert_ne!(replayed.node().nonce, nonce);
    let frame = Forged::of(FrameKind::Confirm).payload(confirmation(nonce));
    replayed.forge(&frame).await;
    victim.closes(&mut replayed, "Replayed", "a record").await;
    victim.end().await;
}

/// What a `Confirm` of the first epoch holds.
pub(crate) fn confirmation(nonce: u128) -> Vec<u8> {
    [&nonce.to_le_bytes()[..], &[0; 4]].concat()
}

async fn a_name_that_is_taken_is_refused(reach: Reach) {
    let victim = Victim::start(reach).await;
    for (case, node) in [
        ("the node's own", victim.node.id().clone()),
        ("the honest peer's", {
            let name = victim.honest().id().name().clone();
            mycelium::NodeId::new(name, 1)
        }),
    ] {
        let mut peer = Peer::dial(&victim.address).await;
        peer.hello.node = node;
        peer.say_hello().await;
        peer.confirm().await;
        victim.closes(&mut peer, "DuplicateNode", case).await;
    }
    assert_eq!(victim.node.links().len(), 1, "the honest link");
    victim.end().await;
}

async fn handshakes_that_are_not_finished_end_in_time(reach: Reach) {
    let victim = Victim::start(reach).await;
    let mut silent = JoinSet::new();
    for says_hello in [false, true] {
        let mut peer = Peer::dial(&victim.address).await;
        if says_hello {
            peer.say_hello().await;
        }
        silent.spawn(async move { (says_hello, peer.hear_close().await) });
    }
    // One that drips its hello.
    let mut slow = Peer::dial(&victim.address).await;
    let hello = Forged::of(FrameKind::Hello).payload(hello_payload(&slow));
    slow.write(&hello.sealed(slow.check())[..50]).await;
    silent.spawn(async move { (false, slow.hear_close().await) });
    for (says_hello, closed) in silent.join_all().await {
        let case = format!("says hello: {says_hello}");
        assert_closed(closed, "HandshakeTimeout", &case);
    }
    victim.end().await;
}
