//! Objects let messages pass, and hold nothing back but themselves.

use mycelium_wire::{
    Check, CloseReason, Event, FRAGMENT_BYTES, FrameKind, HandshakeState, Limits, PART_BYTES, Part,
    rkyv::util::AlignedVec,
};
use proptest::prelude::*;

use crate::{
    fragments::{bound, next_batch},
    golden::frame_of,
    support::{binding, opened, read_all, send, written},
};

fn part(ticket: u64, bytes: &[u8]) -> Part {
    Part::new(ticket, bytes, Check::None)
}

#[test]
fn messages_and_control_pass_between_two_parts() {
    use FrameKind::{Ended, Heartbeat, Message, Part};

    let mut half = bound(1);
    half.part(part(9, &vec![1; PART_BYTES]));
    half.part(part(9, &[2]));
    assert_eq!(next_batch(&mut half), [(Part, 0)]);
    send(&mut half, 0, &7_u64);
    half.heartbeat();
    half.ended(binding(0), &mycelium_wire::EndReason::Stopped);
    let passed = [(Message, 0), (Heartbeat, 0), (Ended, 0), (Part, 0)];
    assert_eq!(next_batch(&mut half), passed);
    assert_eq!(half.pending_bytes(), 0);
}

#[test]
fn objects_and_long_messages_take_turns() {
    use FrameKind::{Fragment, Part};

    let mut half = bound(1);
    for _ in 0..3 {
        half.part(part(9, &[1; 100]));
    }
    half.part(part(8, &[1; 100]));
    send(&mut half, 0, &vec![1_u8; 2 * FRAGMENT_BYTES]);
    let mut order = Vec::new();
    while half.pending_bytes() > 0 {
        order.extend(next_batch(&mut half).into_iter().map(|(kind, _)| kind));
    }
    let wanted = [Part, Part, Fragment, Part, Fragment, Part, Fragment];
    assert_eq!(order, wanted);
}

#[test]
fn the_end_of_an_actor_waits_for_its_messages_beside_an_object() {
    use FrameKind::{Ended, Fragment, Part};

    let mut half = bound(1);
    half.part(part(9, &[1; 100]));
    send(&mut half, 0, &vec![1_u8; FRAGMENT_BYTES]);
    half.part(part(9, &[1; 100]));
    half.ended(binding(0), &mycelium_wire::EndReason::Stopped);
    let mut order = Vec::new();
    while half.pending_bytes() > 0 {
        order.extend(next_batch(&mut half).into_iter().map(|(kind, _)| kind));
    }
    assert_eq!(order, [Part, Fragment, Part, Fragment, Ended]);
}

#[test]
fn parts_of_an_object_that_is_given_up_are_dropped() {
    use FrameKind::{Part, Withdraw};

    let mut half = bound(0);
    half.part(part(9, &[1; 100]));
    half.part(part(8, &[1; 100]));
    half.part(part(7, &[1; 100]));
    half.withdraw(9);
    half.handle_declined(8);
    assert_eq!(next_batch(&mut half), [(Withdraw, 0), (Part, 0)]);
    assert_eq!(half.pending_bytes(), 0);
}

#[test]
fn a_part_without_bytes_is_refused() {
    let mut bytes = written(|half| half.part(part(9, &[1])));
    bytes[0] -= 1;
    bytes.truncate(32);
    let refused = read_all(&mut opened(Limits::default()), &bytes, |_| {});
    let kind = FrameKind::Part;
    assert!(matches!(refused, Err(CloseReason::Malformed { kind: found, .. }) if found == kind));
}

#[test]
fn a_connection_for_objects_admits_nothing_else() {
    for &kind in FrameKind::ALL {
        let mut half = opened(Limits::default());
        half.admit_only_objects();
        let answer = read_all(&mut half, &frame_of(kind), |_| {});
        let is_admitted = matches!(
            kind,
            FrameKind::Offer
                | FrameKind::Part
                | FrameKind::Taken
                | FrameKind::Withdraw
                | FrameKind::Decline
                | FrameKind::Heartbeat
                | FrameKind::Close
        );
        let state = HandshakeState::Open;
        let refused = Err(CloseReason::Unexpected { kind, state });
        assert_eq!(answer, if is_admitted { Ok(()) } else { refused }, "{kind}");
    }
}

proptest! {
    #[test]
    fn bytes_arrive_as_they_left(
        sizes in prop::collection::vec(1..PART_BYTES, 1..6),
        pieces in 1_usize..100_000,
    ) {
        let mut half = bound(0);
        let mut sent = Vec::new();
        for (number, &size) in sizes.iter().enumerate() {
            let bytes = vec![u8::try_from(number).expect("few"); size];
            half.part(part(9, &bytes));
            sent.extend_from_slice(&bytes);
        }
        let mut wire = Vec::new();
        let mut batch = AlignedVec::new();
        while half.poll_transmit(&mut batch) {
            wire.extend_from_slice(&batch);
        }
        let mut receiver = opened(Limits::default());
        let mut arrived = Vec::new();
        for piece in wire.chunks(pieces) {
            read_all(&mut receiver, piece, |event| {
                if let Event::Part { ticket: 9, frame } = event {
                    arrived.extend_from_slice(frame.payload());
                }
            })
            .expect("legal frames");
        }
        prop_assert!(arrived == sent);
    }
}
