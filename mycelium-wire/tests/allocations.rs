//! What messages cost the allocator in steady state: nothing.

use allocation_counter::measure;
use mycelium_wire::{
    ActorId, Bind, BindingId, Check, Credit, Event, ExportKey, Hello, Limits, NodeId, ReceiveHalf,
    ReplyFailure, SendHalf, Window, frame_bytes, rkyv::util::AlignedVec,
};

const BINDING: BindingId = BindingId::from_u32(0);

/// 56 bytes, flat: the size of an order event.
type Order = (u64, u64, u64, u64, u64, (u64, u64));

const ORDER: Order = (1, 2, 3, 4, 5, (6, 7));

const CHECKS: [Check; 2] = [Check::None, Check::Crc32c];

/// A sender with a full window.
fn sender(check: Check) -> SendHalf {
    let mut half = SendHalf::new(Limits::default(), check);
    let bind = Bind {
        actor: ActorId::from_u64(1),
        key: ExportKey::from_u64(2),
        fingerprint: 3,
        type_name: "Order".into(),
    };
    half.bind(BINDING, &bind, 1_024);
    half.handle_bound(BINDING, Window::full(1_024, 1 << 20))
        .expect("bound once");
    half
}

/// A receiver whose peer's handshake is done.
fn receiver(check: Check) -> ReceiveHalf {
    let mut peer = SendHalf::new(Limits::default(), check);
    let hello = Hello {
        node: NodeId::new("peer".parse().expect("a valid name"), 1),
        nonce: 2,
        boot_id: 3,
        uid: 4,
        pid: 5,
        message_limit_bytes: 1 << 20,
        joins: 0,
        addresses: Vec::new(),
    };
    peer.hello(&hello).expect("fits");
    peer.confirm(1, 0);
    let mut half = ReceiveHalf::new(Limits::default(), 1, check);
    let mut spare = AlignedVec::new();
    peer.poll_transmit(&mut spare);
    read(&mut half, &spare, |_| {});
    half
}

fn send_order(half: &mut SendHalf) {
    half.send(BINDING, &mut (), &mut |encoder| encoder.encode(&ORDER))
        .expect("there is credit");
}

fn reply_order(half: &mut SendHalf, request: u64) {
    half.reply(request, &mut (), &mut |encoder| encoder.encode(&ORDER))
        .expect("below the limit");
}

fn read(half: &mut ReceiveHalf, mut bytes: &[u8], mut handle: impl FnMut(Event<'_>)) {
    while !bytes.is_empty() {
        let buffer = half.buffer();
        let count = bytes.len().min(buffer.capacity() - buffer.len());
        buffer.extend_from_slice(&bytes[..count]);
        bytes = &bytes[count..];
        while let Some(event) = half.poll_event().expect("legal frames") {
            handle(event);
        }
    }
}

/// Sends and returns credit in rounds of half a window, and gives each round's bytes on.
fn rounds(
    half: &mut SendHalf,
    count: u64,
    spare: &mut AlignedVec<16>,
    mut take: impl FnMut(&[u8]),
) {
    for _ in 0..count {
        for _ in 0..512 {
            send_order(half);
        }
        half.poll_transmit(spare);
        take(spare);
        let confirmed = half.totals().accepted;
        let credit = Credit {
            confirmed,
            refused: 0,
            returned_bytes: confirmed * frame_bytes(size_of::<Order>()) as u64,
        };
        half.handle_credit(BINDING, credit).expect("true credit");
    }
}

#[test]
fn sending_allocates_nothing_in_steady_state() {
    for check in CHECKS {
        let mut half = sender(check);
        let mut spare = AlignedVec::new();
        rounds(&mut half, 4, &mut spare, |_| {});
        let allocated = measure(|| rounds(&mut half, 100, &mut spare, |_| {}));
        assert_eq!(allocated.count_total, 0, "{check:?}: {allocated:?}");
    }
}

#[test]
fn receiving_allocates_nothing_while_messages_are_read_in_place() {
    for check in CHECKS {
        let mut sender = sender(check);
        let mut receiver = receiver(check);
        let mut spare = AlignedVec::new();
        let mut received = 0_usize;
        let mut read_round = |bytes: &[u8]| {
            // Odd pieces: most reads end within a frame.
            for piece in bytes.chunks(4_099) {
                read(&mut receiver, piece, |event| {
                    if let Event::Message { frame, .. } = event {
                        received += frame.payload().len();
                    }
                });
            }
        };
        rounds(&mut sender, 4, &mut spare, &mut read_round);
        let allocated = measure(|| rounds(&mut sender, 100, &mut spare, &mut read_round));
        assert_eq!(allocated.count_total, 0, "{check:?}: {allocated:?}");
        assert_eq!(received, 104 * 512 * size_of::<Order>());
    }
}

#[test]
fn replies_cost_no_allocation_on_either_side() {
    for check in CHECKS {
        let mut sender = SendHalf::new(Limits::default(), check);
        let mut receiver = receiver(check);
        let mut spare = AlignedVec::new();
        let mut received = 0_usize;
        let mut round = || {
            for request in 0..512 {
                reply_order(&mut sender, request);
                sender.reply_failed(request, &ReplyFailure::NoReply);
            }
            sender.poll_transmit(&mut spare);
            read(&mut receiver, &spare, |event| {
                if let Event::Reply { frame, .. } = event {
                    received += frame.payload().len();
                }
            });
        };
        (0..4).for_each(|_| round());
        let allocated = measure(|| (0..100).for_each(|_| round()));
        assert_eq!(allocated.count_total, 0, "{check:?}: {allocated:?}");
        assert_eq!(received, 104 * 512 * size_of::<Order>());
    }
}

#[test]
fn receiving_allocates_nothing_while_detached_messages_are_dropped_at_once() {
    let mut sender = sender(Check::None);
    let mut receiver = receiver(Check::None);
    let mut spare = AlignedVec::new();
    let mut read_round = |bytes: &[u8]| {
        read(&mut receiver, bytes, |event| {
            if let Event::Message { frame, .. } = event {
                drop(frame.detach());
            }
        });
    };
    rounds(&mut sender, 4, &mut spare, &mut read_round);
    let allocated = measure(|| rounds(&mut sender, 100, &mut spare, &mut read_round));
    assert_eq!(allocated.count_total, 0, "{allocated:?}");
}

#[test]
fn messages_that_are_kept_cost_two_allocations_per_buffer() {
    let mut sender = sender(Check::None);
    let mut receiver = receiver(Check::None);
    let mut spare = AlignedVec::new();
    let mut kept = Vec::with_capacity(512 * 20);
    let mut buffers = 0;
    rounds(&mut sender, 20, &mut spare, |bytes| {
        let allocated = measure(|| {
            read(&mut receiver, bytes, |event| {
                if let Event::Message { frame, .. } = event {
                    kept.push(frame.detach());
                }
            });
        });
        buffers += allocated.count_total;
    });
    let bytes = kept.len() * frame_bytes(size_of::<Order>());
    // A buffer is left when less than 4 KiB of it are free.
    let most = 2 * (bytes / (60 << 10) + 1) as u64;
    assert!(buffers <= most, "{buffers} allocations for {bytes} bytes");
}

#[test]
fn credit_costs_no_allocation_on_either_side() {
    let mut sender = SendHalf::new(Limits::default(), Check::None);
    let mut receiver = receiver(Check::None);
    let mut spare = AlignedVec::new();
    let mut round = || {
        for _ in 0..16 {
            sender.credit(BINDING, Credit::default());
        }
        sender.poll_transmit(&mut spare);
        read(&mut receiver, &spare, |_| {});
    };
    (0..8).for_each(|_| round());
    let allocated = measure(|| (0..1_000).for_each(|_| round()));
    assert_eq!(allocated.count_total, 0, "{allocated:?}");
}

#[test]
fn a_refused_message_leaves_nothing_behind() {
    let mut half = sender(Check::None);
    let mut spare = AlignedVec::new();
    half.poll_transmit(&mut spare);
    half.set_message_limit(1_000);
    let result = half.send(BINDING, &mut (), &mut |encoder| {
        encoder.encode(&[7_u8; 2_000].to_vec())
    });
    assert!(result.is_err());
    assert_eq!(half.pending_bytes(), 0);
    assert!(!half.poll_transmit(&mut spare));
    send_order(&mut half);
    assert!(half.poll_transmit(&mut spare));
    assert_eq!(spare.len(), frame_bytes(size_of::<Order>()));
    assert_eq!(half.totals().accepted, 1);
}

#[test]
fn a_failed_reply_leaves_nothing_behind() {
    let mut half = SendHalf::new(Limits::default(), Check::Crc32c);
    half.set_message_limit(1_000);
    let mut spare = AlignedVec::new();
    let result = half.reply(7, &mut (), &mut |encoder| {
        encoder.encode(&[7_u8; 2_000].to_vec())
    });
    assert!(result.is_err());
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        half.reply(7, &mut (), &mut |encoder| {
            encoder.encode(&ORDER)?;
            panic!("a port that panics")
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(half.pending_bytes(), 0);
    assert!(!half.poll_transmit(&mut spare));
    reply_order(&mut half, 7);
    assert!(half.poll_transmit(&mut spare));
    assert_eq!(spare.len(), frame_bytes(size_of::<Order>()));
}

#[test]
fn a_panic_while_encoding_leaves_nothing_behind() {
    let mut half = sender(Check::None);
    let mut spare = AlignedVec::new();
    half.poll_transmit(&mut spare);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        half.send(BINDING, &mut (), &mut |encoder| {
            encoder.encode(&ORDER)?;
            panic!("a port that panics")
        })
    }));
    assert!(panicked.is_err());
    assert!(!half.poll_transmit(&mut spare));
    send_order(&mut half);
    assert!(half.poll_transmit(&mut spare));
    assert_eq!(spare.len(), frame_bytes(size_of::<Order>()));
}
