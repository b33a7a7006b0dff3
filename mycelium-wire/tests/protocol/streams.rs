//! Streams of bytes, cut anywhere and filled with anything.

use allocation_counter::measure;
use bytes::Bytes;
use mycelium_wire::{
    Check, CloseReason, Event, FrameKind, Header, Limits, ReceiveHalf, Wire, frame_bytes, open,
};
use proptest::prelude::*;

use crate::{
    golden::frame_of,
    support::{
        LOCAL_NONCE, bind, binding, describe, handshake, opened, read_all, read_some, send, written,
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

/// A legal stream: the handshake, then messages of these sizes among all other kinds.
fn stream(message_bytes: &[usize]) -> Vec<u8> {
    let mut bytes = handshake();
    bytes.extend(written(|half| {
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
            send(half, 3, &vec![filling; size]);
            if number % 3 == 0 {
                half.resolve(number as u64, "book/AAPL").expect("fits");
            }
        }
        half.send(binding(3), &mut (), &mut |_| Ok(()))
            .expect("there is credit");
        half.stop(binding(3));
        half.kill(binding(3));
        half.unbind(binding(3));
    }));
    for kind in [
        FrameKind::Bound,
        FrameKind::Credit,
        FrameKind::Ended,
        FrameKind::Unbound,
    ] {
        bytes.extend(frame_of(kind));
    }
    bytes.extend(frame_of(FrameKind::Resolved));
    bytes.extend(frame_of(FrameKind::Close));
    bytes
}

/// What is done with the messages of a stream.
#[derive(Clone, Copy)]
enum Consumer {
    /// Reads them in place.
    KeepsUp,
    /// Detaches every second one and keeps it to the end.
    Lags,
}

/// The events of a stream that is read in pieces of these sizes, over and over.
fn events(bytes: &[u8], pieces: &[usize], consumer: Consumer) -> Result<Vec<String>, CloseReason> {
    let mut half = ReceiveHalf::new(limits(), LOCAL_NONCE, Check::None);
    let mut seen = Vec::new();
    let mut held: Vec<(usize, Bytes)> = Vec::new();
    let mut rest = bytes;
    let mut pieces = pieces.iter().cycle();
    while !rest.is_empty() {
        let piece = *pieces.next().expect("cycles");
        let count = read_some(&mut half, &rest[..piece.min(rest.len())]);
        rest = &rest[count..];
        while let Some(event) = half.poll_event()? {
            seen.push(describe(&event));
            if let (Event::Message { frame, .. }, Consumer::Lags, 0) =
                (event, consumer, seen.len() % 2)
            {
                held.push((seen.len() - 1, frame.detach()));
            }
        }
    }
    for (at, payload) in held {
        assert!(seen[at].ends_with(&format!("{payload:?}", payload = &payload[..])));
    }
    Ok(seen)
}

proptest! {
    #[test]
    fn any_cut_of_a_stream_gives_the_same_events(
        sizes in prop::collection::vec(prop_oneof![0_usize..200, 0_usize..20_000, 60_000_usize..149_000], 0..8),
        pieces in prop::collection::vec(prop_oneof![1_usize..40, 1_usize..70_000], 1..20),
        lags: bool,
    ) {
        let bytes = stream(&sizes);
        let whole = events(&bytes, &[usize::MAX], Consumer::KeepsUp).expect("a legal stream");
        prop_assert_eq!(whole.len(), 2 + 1 + sizes.len() + sizes.len().div_ceil(3) + 4 + 6);
        let consumer = if lags { Consumer::Lags } else { Consumer::KeepsUp };
        let cut = events(&bytes, &pieces, consumer).expect("the same stream");
        prop_assert!(cut == whole, "a cut changes the events");
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
            (prop::sample::select(FrameKind::ALL), 32_u32..200_000, 0_u32..4, 0_u32..3, any::<u8>()),
            1..12,
        ),
        is_open: bool,
    ) {
        let mut bytes = Vec::new();
        for (kind, length, number, sequence, filling) in frames {
            let header = Header { length, binding: binding(number), sequence, ..Header::new(kind) };
            bytes.extend(header.encode());
            bytes.resize(bytes.len() + header.frame_bytes() - 32, filling & 0x7f);
        }
        assert_bounded(&bytes, is_open);
    }
}

/// Reads the bytes; the half must not hold more than the longest frame and a normal buffer.
fn assert_bounded(bytes: &[u8], is_open: bool) {
    let mut half = ReceiveHalf::new(limits(), LOCAL_NONCE, Check::None);
    let handshake = handshake();
    let allocated = measure(|| {
        if is_open {
            read_all(&mut half, &handshake, |_| {}).expect("a legal handshake");
        }
        let _reason = read_all(&mut half, bytes, |_| {});
    });
    // Texts in events and reasons, and the table of bindings.
    let small = 8 << 10;
    let most = frame_bytes(limits().message_bytes as usize) as u64 + NORMAL_BYTES + small;
    assert!(allocated.bytes_max <= most, "{allocated:?}");
}

#[test]
fn a_claim_of_four_gigabytes_takes_no_memory() {
    let header = Header {
        length: u32::MAX,
        ..Header::new(FrameKind::Message)
    };
    let bytes = header.encode();
    let handshake = handshake();
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
fn long_messages_take_one_buffer_each_and_never_two_at_a_time() {
    let sizes = [
        149_000, 10, 70_000, 120_000, 65_000, 149_900, 66_000, 3, 140_000,
    ];
    let bytes = stream(&sizes);
    let long = sizes.iter().filter(|size| **size > 65_000).count() as u64;
    for piece in [1_000, 4_096, 65_536, 1 << 20] {
        let mut half = ReceiveHalf::new(limits(), LOCAL_NONCE, Check::None);
        let mut count = 0;
        let allocated = measure(|| {
            for piece in bytes.chunks(piece) {
                read_all(&mut half, piece, |event| {
                    count += usize::from(matches!(event, Event::Message { .. }));
                })
                .expect("a legal stream");
            }
        });
        assert_eq!(count, sizes.len() + 1);
        let small = 1 << 10;
        let most = frame_bytes(limits().message_bytes as usize) as u64 + NORMAL_BYTES + small;
        assert!(allocated.bytes_max <= most, "{piece}: {allocated:?}");
        // The normal buffer, and what the other kinds of events are made of.
        let other = 40;
        assert!(
            allocated.count_total <= long + other,
            "{piece}: {allocated:?}"
        );
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
