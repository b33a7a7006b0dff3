//! Streams of bytes, cut anywhere and filled with anything.

use std::collections::HashSet;

use allocation_counter::measure;
use bytes::Bytes;
use mycelium_wire::{
    Check, CloseReason, Event, FrameExtensions, FrameKind, Header, Limits, ReceiveHalf, Wire,
    frame_bytes, open,
};
use proptest::prelude::*;

use crate::{
    golden::{frame_of, frame_with},
    support::{
        EXTENSIONS, LOCAL_NONCE, bind, binding, describe, handshake, opened, read_all, read_some,
        reply, send, send_with, written, written_with,
    },
};

/// What a read buffer of the normal size takes.
const NORMAL_BYTES: u64 = 64 << 10;

fn limits() -> Limits {
    Limits {
        message_bytes: 150_000,
        ..Limits::default()
    }
}

const ONLY_TRACE: FrameExtensions = FrameExtensions {
    sent: None,
    ..EXTENSIONS
};

/// A legal stream: the handshake, then messages of these sizes among all other kinds. Each frame is
/// one event.
fn stream(check: Check, message_bytes: &[usize]) -> Vec<u8> {
    let mut bytes = handshake(check);
    bytes.extend(written_with(check, |half| {
        half.bind(binding(3), &bind(), 1_024);
        half.handle_bound(
            binding(3),
            mycelium_wire::Window {
                messages: 1_024,
                bytes: u32::MAX,
            },
        )
        .expect("bound once");
        for (number, &size) in message_bytes.iter().enumerate() {
            let filling = u8::try_from(number % 251).expect("below 251");
            let extensions = [FrameExtensions::default(), EXTENSIONS, ONLY_TRACE][number % 3];
            send_with(half, 3, extensions, &vec![filling; size]);
            if number % 3 == 0 {
                half.resolve(number as u64, "book/AAPL").expect("fits");
            }
            if number % 4 == 1 {
                reply(half, number as u64, &vec![filling; size]);
            }
        }
        half.send(binding(3), &mut (), &mut |_| Ok(()))
            .expect("there is credit");
        half.stop(binding(3));
        half.kill(binding(3));
        half.cancel(binding(3), 1);
        half.unbind(binding(3));
    }));
    for kind in [
        FrameKind::Bound,
        FrameKind::Credit,
        FrameKind::Ended,
        FrameKind::Unbound,
        FrameKind::Resolved,
        FrameKind::ReplyFailed,
        FrameKind::Heartbeat,
        FrameKind::Fragment,
        FrameKind::Widen,
        FrameKind::Offer,
        FrameKind::Part,
        FrameKind::Taken,
        FrameKind::Withdraw,
        FrameKind::Decline,
        FrameKind::Close,
    ] {
        bytes.extend(frame_with(check, kind));
    }
    bytes
}

/// The sizes of the messages that the stream repeats as replies.
fn replied(message_bytes: &[usize]) -> impl Iterator<Item = &usize> {
    message_bytes.iter().skip(1).step_by(4)
}

/// What is done with the messages of a stream.
#[derive(Clone, Copy)]
enum Consumer {
    /// Reads them in place.
    KeepsUp,
    /// Detaches every second one and keeps it to the end.
    Lags,
}

/// What came of a stream: its events, and why they end early.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    events: Vec<String>,
    reason: Option<CloseReason>,
}

/// Reads a stream in pieces of these sizes, over and over.
fn seen(check: Check, bytes: &[u8], pieces: &[usize], consumer: Consumer) -> Seen {
    let mut half = ReceiveHalf::new(limits(), LOCAL_NONCE, check);
    let mut events = Vec::new();
    let mut held = Vec::new();
    let mut reason = None;
    let mut rest = bytes;
    let mut pieces = pieces.iter().cycle();
    while !rest.is_empty() && reason.is_none() {
        let piece = *pieces.next().expect("cycles");
        let count = read_some(&mut half, &rest[..piece.min(rest.len())]);
        rest = &rest[count..];
        reason = poll_all(&mut half, consumer, &mut events, &mut held).err();
    }
    for (at, payload) in held {
        assert!(events[at].ends_with(&format!("{payload:?}", payload = &payload[..])));
    }
    Seen { events, reason }
}

fn poll_all(
    half: &mut ReceiveHalf,
    consumer: Consumer,
    events: &mut Vec<String>,
    held: &mut Vec<(usize, Bytes)>,
) -> Result<(), CloseReason> {
    while let Some(event) = half.poll_event()? {
        events.push(describe(&event));
        if let (Event::Message { frame, .. } | Event::Reply { frame, .. }, Consumer::Lags, 0) =
            (event, consumer, events.len() % 2)
        {
            held.push((events.len() - 1, frame.detach()));
        }
    }
    Ok(())
}

/// The frames of a stream: where each starts, and its header.
fn frames(bytes: &[u8]) -> Vec<(usize, Header)> {
    let mut frames = Vec::new();
    let mut start = 0;
    while let Some(header) = bytes[start..].first_chunk() {
        let header = Header::decode(header).expect("legal frames");
        frames.push((start, header));
        start += header.frame_bytes();
    }
    frames
}

/// Flips one bit of a stream with checks: what was before it arrives, and nothing else, unless it
/// is padding.
fn assert_a_flip_is_found(bytes: &[u8], whole: &[String], bit: usize, pieces: &[usize]) {
    let mut broken = bytes.to_vec();
    broken[bit / 8] ^= 1 << (bit % 8);
    let frames = frames(bytes);
    let number = frames.partition_point(|(start, _)| *start <= bit / 8) - 1;
    let (start, header) = frames[number];
    let at = bit / 8 - start;
    let Seen { events, reason } = seen(Check::Crc32c, &broken, pieces, Consumer::KeepsUp);
    if at >= header.length as usize {
        assert!(
            events == whole && reason.is_none(),
            "padding is not looked at"
        );
        return;
    }
    assert!(
        events == whole[..number],
        "byte {at} of {header:?} changes the events"
    );
    // A length that grew waits for bytes that do not come.
    assert!(
        reason.is_some() || at < 4,
        "byte {at} of {header:?} is not found"
    );
}

#[test]
fn every_flipped_bit_of_every_kind_is_found() {
    let bytes = stream(Check::Crc32c, &[0, 3, 40]);
    let kinds: HashSet<_> = frames(&bytes)
        .iter()
        .map(|(_, header)| header.kind)
        .collect();
    assert_eq!(kinds.len(), FrameKind::ALL.len());
    let whole = seen(Check::Crc32c, &bytes, &[usize::MAX], Consumer::KeepsUp);
    for bit in 0..bytes.len() * 8 {
        assert_a_flip_is_found(&bytes, &whole.events, bit, &[usize::MAX]);
    }
}

proptest! {
    #[test]
    fn any_cut_of_a_stream_gives_the_same_events(
        sizes in prop::collection::vec(prop_oneof![0_usize..200, 0_usize..20_000, 60_000_usize..149_000], 0..8),
        pieces in prop::collection::vec(prop_oneof![1_usize..40, 1_usize..70_000], 1..20),
        lags: bool,
        is_checked: bool,
    ) {
        let check = if is_checked { Check::Crc32c } else { Check::None };
        let bytes = stream(check, &sizes);
        let whole = seen(check, &bytes, &[usize::MAX], Consumer::KeepsUp);
        prop_assert_eq!(&whole.reason, &None);
        prop_assert_eq!(whole.events.len(), frames(&bytes).len());
        let arrived = |what: &str| whole.events.iter().filter(|event| event.starts_with(what)).count();
        prop_assert_eq!(arrived("Message") + arrived("LongMessage"), sizes.len() + 1);
        prop_assert_eq!(arrived("Resolve {"), sizes.len().div_ceil(3));
        // The example of a fragment is a reply.
        prop_assert_eq!(arrived("Reply ") + arrived("LongReply"), replied(&sizes).count() + 1);
        let consumer = if lags { Consumer::Lags } else { Consumer::KeepsUp };
        let cut = seen(check, &bytes, &pieces, consumer);
        prop_assert!(cut == whole, "a cut changes the events");
    }

    #[test]
    fn a_flipped_bit_of_any_stream_is_found(
        sizes in prop::collection::vec(prop_oneof![0_usize..200, 0_usize..20_000, 60_000_usize..149_000], 0..6),
        pieces in prop::collection::vec(1_usize..70_000, 1..20),
        at: prop::sample::Index,
    ) {
        let bytes = stream(Check::Crc32c, &sizes);
        let whole = seen(Check::Crc32c, &bytes, &[usize::MAX], Consumer::KeepsUp);
        assert_a_flip_is_found(&bytes, &whole.events, at.index(bytes.len() * 8), &pieces);
    }

    #[test]
    fn random_bytes_neither_panic_nor_take_memory(
        bytes in prop::collection::vec(any::<u8>(), 0..5_000),
        is_open: bool,
    ) {
        assert_bounded(&bytes, is_open);
    }

    #[test]
    fn random_frames_neither_panic_nor_take_memory(
        frames in prop::collection::vec(
            (prop::sample::select(FrameKind::ALL), 32_u32..200_000, 0_u32..4, 0_u32..3, any::<u8>(), 0_u8..4),
            1..12,
        ),
        is_open: bool,
    ) {
        let mut bytes = Vec::new();
        for (kind, length, number, sequence, filling, flags) in frames {
            let flags = if kind == FrameKind::Message { flags } else { 0 };
            let header = Header { length, flags, binding: binding(number), sequence, ..Header::new(kind) };
            bytes.extend(header.encode());
            bytes.resize(bytes.len() + header.frame_bytes() - 32, filling & 0x7f);
        }
        assert_bounded(&bytes, is_open);
    }
}

/// Reads the bytes; the half must not hold more than the longest frame and a normal buffer.
fn assert_bounded(bytes: &[u8], is_open: bool) {
    for check in [Check::None, Check::Crc32c] {
        let mut half = ReceiveHalf::new(limits(), LOCAL_NONCE, check);
        let handshake = handshake(check);
        let allocated = measure(|| {
            if is_open {
                read_all(&mut half, &handshake, |_| {}).expect("a legal handshake");
            }
            let _reason = read_all(&mut half, bytes, |_| {});
        });
        // Texts in events and reasons, and the table of bindings.
        let small = 8 << 10;
        // What is put together is no more than twice what has come.
        let most = 2 * bytes.len() as u64 + NORMAL_BYTES + small;
        assert!(allocated.bytes_max <= most, "{allocated:?}");
    }
}

#[test]
fn a_claim_of_four_gigabytes_takes_no_memory() {
    let header = Header {
        length: u32::MAX,
        ..Header::new(FrameKind::Message)
    };
    let bytes = header.encode();
    let handshake = handshake(Check::None);
    let allocated = measure(|| {
        let mut half = ReceiveHalf::new(Limits::default(), LOCAL_NONCE, Check::None);
        read_all(&mut half, &handshake, |_| {}).expect("a legal handshake");
        let refused = read_all(&mut half, &bytes, |_| {});
        assert!(matches!(refused, Err(CloseReason::FrameTooLarge { .. })));
        assert!(half.buffer().capacity() as u64 <= NORMAL_BYTES);
    });
    let small = 4 << 10;
    assert!(allocated.bytes_max <= NORMAL_BYTES + small, "{allocated:?}");
}

#[test]
fn long_messages_take_no_more_than_twice_what_has_come_of_them() {
    let sizes = [
        149_000, 10, 70_000, 120_000, 65_000, 149_900, 66_000, 3, 140_000,
    ];
    let bytes = stream(Check::None, &sizes);
    for piece in [1_000, 4_096, 65_536, 1 << 20] {
        let mut half = ReceiveHalf::new(limits(), LOCAL_NONCE, Check::None);
        let mut count = 0;
        let allocated = measure(|| {
            for piece in bytes.chunks(piece) {
                read_all(&mut half, piece, |event| {
                    count += usize::from(matches!(
                        event,
                        Event::Message { .. } | Event::LongMessage { .. }
                    ));
                })
                .expect("a legal stream");
            }
        });
        assert_eq!(count, sizes.len() + 1);
        // Twice what has come of a frame, while it grows, in every lane that the stream uses: one for
        // the binding, one for the answers.
        let frame = frame_bytes(limits().message_bytes as usize) as u64;
        let most = 2 * 3 * frame + NORMAL_BYTES;
        assert!(allocated.bytes_max <= most, "{piece}: {allocated:?}");
    }
}

#[test]
fn a_closed_half_holds_nothing_however_much_is_read() {
    let mut half = opened(Limits::default());
    let close = frame_of(FrameKind::Close);
    let allocated = measure(|| {
        for _ in 0..10_000 {
            read_all(&mut half, &close, |_| {}).expect("nothing is looked at");
        }
    });
    assert!(allocated.bytes_max <= NORMAL_BYTES, "{allocated:?}");
}

#[test]
fn messages_lie_aligned_whether_read_in_place_or_kept() {
    type Sent = (u64, i128);
    let message: Sent = (7, 1);
    let mut half = opened(Limits::default());
    let bytes = written(|half| {
        half.bind(binding(0), &bind(), 1_024);
        for _ in 0..16 {
            send(half, 0, &message);
        }
    });
    let mut count = 0;
    for piece in bytes.chunks(23) {
        read_all(&mut half, piece, |event| {
            let Event::Message { frame, .. } = event else {
                return;
            };
            count += 1;
            open::<Sent>(frame.payload(), Sent::FINGERPRINT).expect("aligned in place");
            if count % 2 == 0 {
                open::<Sent>(&frame.detach(), Sent::FINGERPRINT).expect("aligned when kept");
            }
        })
        .expect("legal");
    }
    assert_eq!(count, 16);
}
