//! Frames that are illegal in themselves, whatever came before.

use mycelium::wire::{Check, FrameKind, HandshakeState, Limits, SendHalf, rkyv::util::AlignedVec};
use mycelium_testkit::{
    Reach,
    hostile::{Forged, Peer},
};

use crate::{
    handshake::confirmation,
    victim::{Victim, over_sockets},
};

over_sockets!(
    every_kind_in_every_state_is_answered_as_the_table_says,
    headers_with_fields_that_must_be_zero_are_malformed,
    lengths_above_the_limit_of_phase_and_kind_are_refused,
    kinds_that_nobody_knows_are_refused,
    payloads_that_are_not_laid_out_as_their_kind_are_malformed,
    checks_that_are_wrong_are_refused,
);

pub(crate) const STATES: [HandshakeState; 3] = [
    HandshakeState::AwaitHello,
    HandshakeState::AwaitConfirm,
    HandshakeState::Open,
];

/// Kinds that an open link takes whatever is bound.
const NEED_NO_BINDING: [FrameKind; 12] = [
    FrameKind::Bind,
    FrameKind::Resolve,
    FrameKind::Resolved,
    FrameKind::Reply,
    FrameKind::ReplyFailed,
    FrameKind::Heartbeat,
    FrameKind::Fragment,
    FrameKind::Offer,
    FrameKind::Part,
    FrameKind::Taken,
    FrameKind::Withdraw,
    FrameKind::Decline,
];

/// The table of `docs/wire-format.md`: the reason why the link closes, or nothing where the frame
/// is taken. In the last state no id is bound.
pub(crate) fn wanted(state: HandshakeState, kind: FrameKind) -> Option<&'static str> {
    use FrameKind as Kind;
    use HandshakeState::{AwaitConfirm, AwaitHello, Open};

    match (state, kind) {
        (_, Kind::Close) | (AwaitHello, Kind::Hello) | (AwaitConfirm, Kind::Confirm) => None,
        // It is the peer that dialled, to whom `Widen` is to be said.
        (Open, Kind::Hello | Kind::Confirm | Kind::Widen) | (AwaitHello | AwaitConfirm, _) => {
            Some("Unexpected")
        }
        (Open, kind) if NEED_NO_BINDING.contains(&kind) => None,
        _ => Some("UnknownBinding"),
    }
}

/// A peer that has brought the node to this state.
async fn peer_in(state: HandshakeState, victim: &Victim) -> Peer {
    match state {
        HandshakeState::AwaitHello => {
            let mut peer = Peer::dial(&victim.address).await;
            peer.hear_hello().await;
            peer
        }
        HandshakeState::AwaitConfirm => {
            let mut peer = Peer::dial(&victim.address).await;
            peer.say_hello().await;
            peer
        }
        _ => Peer::link(&victim.address).await,
    }
}

/// A frame of this kind that would be legal somewhere.
pub(crate) fn legal(kind: FrameKind, peer: &Peer) -> Forged {
    let frame = Forged::of(kind);
    match kind {
        FrameKind::Hello => frame.payload(hello_payload(peer)),
        FrameKind::Confirm => frame.payload(confirmation(peer.node().nonce)),
        FrameKind::Bind => frame.binding(3).payload([1; 30]),
        FrameKind::Message => frame.binding(3).sequence(1).payload([0; 16]),
        FrameKind::Bound => frame.binding(3).payload([1; 8]),
        FrameKind::Credit => frame.binding(3).payload([0; 24]),
        FrameKind::Stop
        | FrameKind::Kill
        | FrameKind::Cancel
        | FrameKind::Unbind
        | FrameKind::Unbound => frame.binding(3),
        FrameKind::Ended => frame.binding(3).payload([1]),
        FrameKind::Resolve => frame.request(9).payload(*b"nobody"),
        FrameKind::Close => frame.payload(*b"\x01bye"),
        FrameKind::Heartbeat | FrameKind::Widen => frame,
        FrameKind::Fragment => {
            frame.payload(Forged::of(FrameKind::Reply).request(9).sealed(Check::None))
        }
        FrameKind::ReplyFailed | FrameKind::Decline => frame.request(9).payload([1]),
        FrameKind::Resolved | FrameKind::Withdraw => frame.request(9),
        FrameKind::Reply => frame.request(9).payload([0; 16]),
        FrameKind::Offer | FrameKind::Taken => frame.request(9).payload([1; 8]),
        FrameKind::Part => frame.request(9).payload([1; 16]),
        other => panic!("no example of {other}"),
    }
}

/// What the peer's `Hello` carries.
pub(crate) fn hello_payload(peer: &Peer) -> Vec<u8> {
    let mut half = SendHalf::new(Limits::default(), Check::None);
    half.hello(&peer.hello).expect("it is short");
    let mut frame = AlignedVec::new();
    half.poll_transmit(&mut frame);
    let length = u32::from_le_bytes([frame[0], frame[1], frame[2], frame[3]]) as usize;
    frame[32..length].to_vec()
}

async fn every_kind_in_every_state_is_answered_as_the_table_says(reach: Reach) {
    let victim = Victim::start(reach).await;
    for state in STATES {
        for &kind in FrameKind::ALL {
            let mut peer = peer_in(state, &victim).await;
            let frame = legal(kind, &peer);
            peer.forge(&frame).await;
            let case = format!("{kind} in {state:?}");
            match wanted(state, kind) {
                Some(reason) => victim.closes(&mut peer, reason, &case).await,
                None if kind == FrameKind::Close => {
                    assert_eq!(peer.hear_close().await, None, "{case}");
                }
                None => {
                    // The rest of the handshake is still to be had, and then the link.
                    if state == HandshakeState::AwaitHello {
                        peer.confirm().await;
                    }
                    let question = Forged::of(FrameKind::Resolve).payload(*b"nobody");
                    peer.forge(&question).await;
                    peer.forge(&Forged::of(FrameKind::Kill).binding(77)).await;
                    victim.closes(&mut peer, "UnknownBinding", &case).await;
                }
            }
        }
    }
    victim.end().await;
}

async fn headers_with_fields_that_must_be_zero_are_malformed(reach: Reach) {
    use FrameKind::{Bind, Credit, Kill, Message, Reply, Resolve, Stop};

    type Fault = fn(Forged) -> Forged;
    let victim = Victim::start(reach).await;
    let faults: [(FrameKind, Fault); 18] = [
        (Resolve, |frame| frame.byte(5, 0x01)),
        (Resolve, |frame| frame.byte(5, 0x80)),
        // Extensions in a kind that has none, unknown ones, and ones longer than their frame.
        (Reply, |frame| frame.byte(5, 0x02)),
        (Message, |frame| frame.byte(5, 0x04)),
        (Message, |frame| frame.byte(5, 0x01).payload([0; 15])),
        (Message, |frame| frame.byte(5, 0x03).length(48)),
        (Message, |frame| frame.byte(5, 0x02).length(32)),
        (Stop, |frame| frame.byte(6, 1)),
        (Stop, |frame| frame.byte(7, 1)),
        (Reply, |frame| frame.byte(28, 1)),
        (Reply, |frame| frame.byte(31, 0xff)),
        (Resolve, |frame| frame.binding(1)),
        (Bind, |frame| frame.sequence(1)),
        (Credit, |frame| frame.request(1)),
        (Kill, |frame| frame.sequence(u32::MAX)),
        (Resolve, |frame| frame.length(31)),
        (Resolve, |frame| frame.length(0)),
        (Bind, |frame| frame.length(1)),
    ];
    for (number, (kind, fault)) in faults.into_iter().enumerate() {
        let mut peer = Peer::link(&victim.address).await;
        let frame = fault(legal(kind, &peer));
        peer.forge(&frame).await;
        let case = format!("fault {number} in {kind}");
        victim.closes(&mut peer, "Malformed", &case).await;
    }
    victim.end().await;
}

async fn lengths_above_the_limit_of_phase_and_kind_are_refused(reach: Reach) {
    let victim = Victim::start(reach).await;
    let (control, message) = (4_096, 65_536);
    let cases = [
        (HandshakeState::AwaitHello, FrameKind::Hello, control),
        (HandshakeState::AwaitConfirm, FrameKind::Confirm, control),
        (HandshakeState::AwaitConfirm, FrameKind::Message, control),
        (HandshakeState::Open, FrameKind::Resolve, control),
        (HandshakeState::Open, FrameKind::ReplyFailed, control),
        (HandshakeState::Open, FrameKind::Message, message),
        (HandshakeState::Open, FrameKind::Reply, message),
    ];
    for (state, kind, limit) in cases {
        for length in [limit + 1, u32::MAX] {
            let mut peer = peer_in(state, &victim).await;
            // The header is enough.
            peer.forge(&Forged::of(kind).length(length)).await;
            let case = format!("{kind} of {length} bytes in {state:?}");
            victim.closes(&mut peer, "FrameTooLarge", &case).await;
        }
    }
    victim.end().await;
}

async fn kinds_that_nobody_knows_are_refused(reach: Reach) {
    let victim = Victim::start(reach).await;
    for state in STATES {
        for code in [0, 100, 200, 255] {
            let mut peer = peer_in(state, &victim).await;
            peer.forge(&Forged::of(FrameKind::Stop).kind(code)).await;
            // The first frame of a stranger is no frame at all.
            let reason = match state {
                HandshakeState::AwaitHello => "NotMycelium",
                _ => "UnknownKind",
            };
            let case = format!("kind {code} in {state:?}");
            victim.closes(&mut peer, reason, &case).await;
        }
    }
    victim.end().await;
}

async fn payloads_that_are_not_laid_out_as_their_kind_are_malformed(reach: Reach) {
    use FrameKind as Kind;

    let victim = Victim::start(reach).await;
    let long_text = |fixed: usize| [vec![1; fixed], vec![b'a'; 1_025]].concat();
    let no_text = |fixed: usize| [vec![1; fixed], vec![0xff]].concat();
    let cases: [(FrameKind, Vec<u8>); 27] = [
        (Kind::Bind, vec![0; 23]),
        (Kind::Bind, long_text(24)),
        (Kind::Bind, no_text(24)),
        (Kind::Bound, vec![0; 7]),
        (Kind::Bound, vec![0; 9]),
        (Kind::Credit, vec![0; 23]),
        (Kind::Credit, vec![0; 25]),
        (Kind::Stop, vec![0]),
        (Kind::Kill, vec![0]),
        (Kind::Unbind, vec![0]),
        (Kind::Unbound, vec![0]),
        (Kind::Ended, vec![]),
        (Kind::Ended, vec![0]),
        (Kind::Ended, vec![8]),
        (Kind::Ended, b"\x01a stop has no text".to_vec()),
        (Kind::Ended, b"\x02\xff".to_vec()),
        (Kind::Resolve, long_text(0)),
        (Kind::Resolve, no_text(0)),
        (Kind::Resolved, vec![1; 27]),
        (Kind::Resolved, long_text(28)),
        (Kind::Resolved, no_text(28)),
        (Kind::Close, vec![]),
        (Kind::Close, b"\x01\xff".to_vec()),
        (Kind::ReplyFailed, vec![]),
        (Kind::ReplyFailed, vec![0]),
        (Kind::ReplyFailed, vec![5]),
        (Kind::ReplyFailed, b"\x01no text".to_vec()),
    ];
    for (number, (kind, payload)) in cases.into_iter().enumerate() {
        let mut peer = Peer::link(&victim.address).await;
        let frame = legal(kind, &peer).payload(payload);
        peer.forge(&frame).await;
        let case = format!("case {number}, {kind}");
        victim.closes(&mut peer, "Malformed", &case).await;
    }
    for nonce_bytes in [0, 15, 17] {
        let mut peer = peer_in(HandshakeState::AwaitConfirm, &victim).await;
        let frame = Forged::of(Kind::Confirm).payload(vec![0; nonce_bytes]);
        peer.forge(&frame).await;
        let case = format!("a nonce of {nonce_bytes} bytes");
        victim.closes(&mut peer, "Malformed", &case).await;
    }
    victim.end().await;
}

async fn checks_that_are_wrong_are_refused(reach: Reach) {
    let victim = Victim::start(reach).await;
    for state in STATES {
        for &kind in FrameKind::ALL {
            let mut peer = peer_in(state, &victim).await;
            let frame = legal(kind, &peer).check(0xdead_beef);
            let reason = match peer.check() {
                Check::None => "Malformed",
                Check::Crc32c => "Corrupt",
            };
            peer.forge(&frame).await;
            let case = format!("{kind} in {state:?}");
            victim.closes(&mut peer, reason, &case).await;
        }
    }
    victim.end().await;
}
