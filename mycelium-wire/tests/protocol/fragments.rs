//! Long messages let others pass, and keep their order among their own.

use std::collections::{HashMap, VecDeque};

use mycelium_wire::{
    Check, CloseReason, Event, FRAGMENT_BYTES, FrameKind, HEADER_BYTES, Header, Limits, SendHalf,
    Window, Wire, open, rkyv::util::AlignedVec,
};
use proptest::prelude::*;

use crate::{
    golden::{fragment, frame_of},
    support::{
        EXTENSIONS, bind, binding, opened, read_all, reply, send, send_with, transmit, written,
    },
};

const ENDLESS: Window = Window {
    messages: u32::MAX,
    bytes: u32::MAX,
};

/// A half with these ids bound, and nothing to send.
pub(crate) fn bound(ids: u32) -> SendHalf {
    let mut half = SendHalf::new(Limits::default(), Check::None);
    let mut spare = AlignedVec::new();
    for id in 0..ids {
        half.bind(binding(id), &bind(), u32::MAX);
        half.handle_bound(binding(id), ENDLESS).expect("bound once");
    }
    half.poll_transmit(&mut spare);
    half
}

/// The kinds of the frames in a batch, with their bindings.
fn kinds(bytes: &[u8]) -> Vec<(FrameKind, u32)> {
    let mut found = Vec::new();
    let mut start = 0;
    while let Some(header) = bytes[start..].first_chunk() {
        let header = Header::decode(header).expect("legal frames");
        found.push((header.kind, header.binding.as_u32()));
        start += header.frame_bytes();
    }
    found
}

pub(crate) fn next_batch(half: &mut SendHalf) -> Vec<(FrameKind, u32)> {
    let mut spare = AlignedVec::new();
    half.poll_transmit(&mut spare);
    kinds(&spare)
}

#[test]
fn other_bindings_and_control_pass_between_two_fragments() {
    use FrameKind::{Fragment, Heartbeat, Message};

    let mut half = bound(2);
    send(&mut half, 0, &vec![1_u8; 2 * FRAGMENT_BYTES]);
    assert_eq!(next_batch(&mut half), [(Fragment, 0)]);
    send(&mut half, 1, &7_u64);
    half.heartbeat();
    let passed = [(Message, 1), (Heartbeat, 0), (Fragment, 0)];
    assert_eq!(next_batch(&mut half), passed);
    assert_eq!(next_batch(&mut half), [(Fragment, 0)]);
    assert_eq!(half.pending_bytes(), 0);
}

#[test]
fn what_a_binding_sends_later_does_not_pass_its_long_message() {
    use FrameKind::{Cancel, Close, Fragment, Kill, Message, Stop, Unbind};

    let mut half = bound(1);
    send(&mut half, 0, &vec![1_u8; FRAGMENT_BYTES]);
    send(&mut half, 0, &7_u64);
    half.cancel(binding(0), 1);
    half.stop(binding(0));
    half.kill(binding(0));
    half.unbind(binding(0));
    half.close(&CloseReason::Requested);
    // A kill waits for nothing.
    assert_eq!(next_batch(&mut half), [(Kill, 0), (Fragment, 0)]);
    let rest = [
        (Fragment, 0),
        (Message, 0),
        (Cancel, 0),
        (Stop, 0),
        (Unbind, 0),
        (Close, 0),
    ];
    assert_eq!(next_batch(&mut half), rest);
    assert_eq!(half.pending_bytes(), 0);
}

#[test]
fn frames_that_are_no_parts_of_a_message_are_refused() {
    let reply = frame_of(FrameKind::Reply);
    let no_header = &reply[..HEADER_BYTES - 1];
    let of_another_kind = frame_of(FrameKind::Resolve);
    let nested = fragment(Check::None, 0, &reply);
    let too_much = [&reply[..], &[0; 16]].concat();
    for (lane, part) in [
        (0, no_header),
        (0, &[]),
        (0, &of_another_kind[..]),
        (0, &nested[..]),
        (0, &too_much[..]),
        (16, &reply[..]),
    ] {
        let bytes = fragment(Check::None, lane, part);
        let refused = read_all(&mut opened(Limits::default()), &bytes, |_| {});
        let named = matches!(
            refused,
            Err(CloseReason::Malformed {
                kind: FrameKind::Fragment,
                ..
            })
        );
        assert!(named, "{refused:?}");
    }
}

#[test]
fn the_extensions_of_a_long_message_come_along() {
    let mut half = bound(1);
    let longest = Limits::default().message_bytes as usize - 8;
    send_with(&mut half, 0, EXTENSIONS, &vec![7_u8; longest]);
    let mut bytes = written(|half| half.bind(binding(0), &bind(), u32::MAX));
    bytes.extend(transmit(&mut half));
    let mut arrived = 0;
    read_all(&mut opened(Limits::default()), &bytes, |event| {
        if let Event::LongMessage {
            extensions,
            archive,
            ..
        } = event
        {
            assert_eq!(extensions, EXTENSIONS);
            let view = open::<Vec<u8>>(&archive, Vec::<u8>::FINGERPRINT);
            arrived = view.expect("aligned, and ours").len();
        }
    })
    .expect("legal");
    assert_eq!(arrived, longest);
}

#[test]
fn a_claim_beyond_the_limit_is_refused_with_the_first_fragment() {
    let limits = Limits {
        message_bytes: 100_000,
        ..Limits::default()
    };
    let header = Header {
        length: 100_000 + 33,
        ..Header::new(FrameKind::Reply)
    };
    let bytes = fragment(Check::None, 0, &header.encode());
    let refused = read_all(&mut opened(limits), &bytes, |_| {});
    let wanted = CloseReason::FrameTooLarge {
        length: 100_033,
        limit: 100_032,
    };
    assert_eq!(refused, Err(wanted));
}

#[derive(Clone, Debug)]
enum Step {
    Send { id: u32, bytes: usize },
    Answer { bytes: usize },
    Batch,
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = prop_oneof![0_usize..500, 60_000_usize..70_000, 0_usize..400_000];
    prop_oneof![
        (0_u32..20, bytes.clone()).prop_map(|(id, bytes)| Step::Send { id, bytes }),
        bytes.prop_map(|bytes| Step::Answer { bytes }),
        Just(Step::Batch),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_mix_of_long_and_short_messages_arrives_whole_and_in_order(
        steps in prop::collection::vec(step(), 1..60),
        piece in 1_usize..200_000,
    ) {
        let mut half = bound(20);
        let mut sent: HashMap<u32, VecDeque<usize>> = HashMap::new();
        let mut answers = Vec::new();
        let mut bytes = written(|half| {
            for id in 0..20 {
                half.bind(binding(id), &bind(), u32::MAX);
            }
        });
        let mut spare = AlignedVec::new();
        for step in steps {
            match step {
                Step::Send { id, bytes } => {
                    send(&mut half, id, &vec![id.to_le_bytes()[0]; bytes]);
                    sent.entry(id).or_default().push_back(bytes);
                }
                Step::Answer { bytes } => {
                    reply(&mut half, answers.len() as u64, &vec![1_u8; bytes]);
                    answers.push(bytes);
                }
                Step::Batch => {
                    if half.poll_transmit(&mut spare) {
                        bytes.extend_from_slice(&spare);
                    }
                }
            }
        }
        while half.poll_transmit(&mut spare) {
            bytes.extend_from_slice(&spare);
        }
        prop_assert_eq!(half.pending_bytes(), 0);

        let mut receiver = opened(Limits::default());
        let mut arrive = |id: u32, archive: &[u8]| {
            let view = open::<Vec<u8>>(archive, Vec::<u8>::FINGERPRINT);
            let message = view.expect("it is ours").as_slice();
            assert!(message.iter().all(|byte| *byte == id.to_le_bytes()[0]));
            assert_eq!(sent.get_mut(&id).and_then(VecDeque::pop_front), Some(message.len()));
        };
        let mut answered = 0;
        for piece in bytes.chunks(piece) {
            let read = read_all(&mut receiver, piece, |event| match event {
                Event::Message { binding, frame } => arrive(binding.as_u32(), frame.payload()),
                Event::LongMessage { binding, archive, .. } => arrive(binding.as_u32(), &archive),
                Event::Reply { .. } | Event::LongReply { .. } => answered += 1,
                _ => {}
            });
            prop_assert_eq!(read, Ok(()));
        }
        prop_assert!(sent.values().all(VecDeque::is_empty));
        prop_assert_eq!(answered, answers.len());
    }
}
