//! Every illegal frame in every state of the handshake, and the reason the link closes with.

use mycelium_wire::{
    Check, CloseReason, Credit, EndedBinding, Event, FRAGMENT_BYTES, FrameKind, HEADER_BYTES,
    HandshakeState, Header, Incompatibility, Limits, PROTOCOL_VERSION, ReceiveHalf, SendHalf,
    Window,
};

use crate::{
    golden::{frame_of, frame_with},
    support::{
        CASTAGNOLI, LOCAL_NONCE, PEER_NONCE, bind, binding, crc_register, handshake, hello, opened,
        read_all, send, written,
    },
};

/// Kinds that need no binding of the peer's.
const TAKEN_WHEN_OPEN: [FrameKind; 17] = [
    FrameKind::Bind,
    FrameKind::Bound,
    FrameKind::Credit,
    FrameKind::Ended,
    FrameKind::Unbound,
    FrameKind::Resolve,
    FrameKind::Resolved,
    FrameKind::Reply,
    FrameKind::ReplyFailed,
    FrameKind::Heartbeat,
    FrameKind::Fragment,
    FrameKind::Widen,
    FrameKind::Offer,
    FrameKind::Part,
    FrameKind::Taken,
    FrameKind::Withdraw,
    FrameKind::Decline,
];

pub(crate) const STATES: [HandshakeState; 4] = [
    HandshakeState::AwaitHello,
    HandshakeState::AwaitConfirm,
    HandshakeState::Open,
    HandshakeState::Closed,
];

pub(crate) fn half_in(state: HandshakeState) -> ReceiveHalf {
    half_with(Check::None, state)
}

fn half_with(check: Check, state: HandshakeState) -> ReceiveHalf {
    let mut half = ReceiveHalf::new(Limits::default(), LOCAL_NONCE, check);
    let before = match state {
        HandshakeState::AwaitHello => Vec::new(),
        HandshakeState::AwaitConfirm => frame_with(check, FrameKind::Hello),
        HandshakeState::Open => handshake(check),
        HandshakeState::Closed => [handshake(check), frame_with(check, FrameKind::Close)].concat(),
    };
    read_all(&mut half, &before, |_| {}).expect("legal so far");
    assert_eq!(half.state(), state);
    half
}

/// What the half says to these bytes: the reason, or nothing where they are legal.
fn answer(half: &mut ReceiveHalf, bytes: &[u8]) -> Option<CloseReason> {
    let reason = read_all(half, bytes, |_| {}).err();
    if reason.is_some() {
        assert_eq!(half.state(), HandshakeState::Closed);
        let more = read_all(half, &frame_of(FrameKind::Resolve), |event| {
            panic!("{event:?} after the end")
        });
        assert_eq!(more, Ok(()), "one reason is enough");
    }
    reason
}

#[test]
fn frames_out_of_state_close_the_link_with_the_documented_reason() {
    for check in [Check::None, Check::Crc32c] {
        for state in STATES {
            for &kind in FrameKind::ALL {
                let found = answer(&mut half_with(check, state), &frame_with(check, kind));
                assert_eq!(found, wanted(state, kind), "{kind} in {state:?}, {check:?}");
            }
        }
    }
}

/// What the examples of every kind are answered with.
fn wanted(state: HandshakeState, kind: FrameKind) -> Option<CloseReason> {
    use FrameKind as Kind;
    use HandshakeState::{AwaitConfirm, AwaitHello, Closed, Open};

    match (state, kind) {
        (Closed, _) | (_, Kind::Close) | (AwaitHello, Kind::Hello) => None,
        (Open, kind) if TAKEN_WHEN_OPEN.contains(&kind) => None,
        // The example confirms another nonce than ours.
        (AwaitConfirm, Kind::Confirm) => Some(CloseReason::Replayed),
        (Open, Kind::Message | Kind::Stop | Kind::Kill | Kind::Unbind | Kind::Cancel) => {
            Some(CloseReason::UnknownBinding(binding(3)))
        }
        _ => Some(CloseReason::Unexpected { kind, state }),
    }
}

#[test]
fn a_check_is_refused_on_a_link_without_checks() {
    for state in STATES {
        for &kind in FrameKind::ALL {
            // The header is enough.
            let bytes = &frame_with(Check::Crc32c, kind)[..HEADER_BYTES];
            let found = answer(&mut half_in(state), bytes);
            let wanted = (state != HandshakeState::Closed).then_some(CloseReason::Malformed {
                kind,
                what: "a check is set on a link without checks",
            });
            assert_eq!(found, wanted, "{kind} in {state:?}");
        }
    }
}

#[test]
fn a_frame_without_its_check_is_corrupt_on_a_link_with_checks() {
    for state in STATES {
        for &kind in FrameKind::ALL {
            let found = answer(&mut half_with(Check::Crc32c, state), &frame_of(kind));
            let is_corrupt =
                matches!(&found, Some(CloseReason::Corrupt(text)) if text.contains("check"));
            let is_closed = state == HandshakeState::Closed;
            assert!(
                is_corrupt || is_closed && found.is_none(),
                "{kind} in {state:?}: {found:?}"
            );
        }
    }
}

/// Four bytes that take the CRC of what comes before them to zero.
fn bytes_for_a_check_of_zero(before: &[u8]) -> [u8; 4] {
    let backwards = (0..32).fold(u32::MAX, |register, _| {
        if register >> 31 == 1 {
            ((register ^ CASTAGNOLI) << 1) | 1
        } else {
            register << 1
        }
    });
    (backwards ^ crc_register(before)).to_le_bytes()
}

#[test]
fn a_check_of_zero_is_a_check_like_any_other() {
    let header = Header {
        request: 9,
        ..Header::new(FrameKind::Reply).with_payload(4)
    };
    let payload = bytes_for_a_check_of_zero(&header.encode());
    let mut bytes = [&header.encode()[..], &payload].concat();
    bytes.resize(header.frame_bytes(), 0);
    let mut half = half_with(Check::Crc32c, HandshakeState::Open);
    assert_eq!(answer(&mut half, &bytes), None);
    bytes[HEADER_BYTES] ^= 1;
    let found = answer(&mut half, &bytes);
    assert!(matches!(found, Some(CloseReason::Corrupt(_))), "{found:?}");
}

#[test]
fn other_protocols_are_named_by_their_first_bytes() {
    let others: [(&[u8], &str); 6] = [
        (b"GET / HTTP/1.1\r\n", r#""GET / HTTP/1.1\r\n" (HTTP)"#),
        (b"GET /", r#""GET /" (HTTP)"#),
        (b"SSH-2.0-OpenSSH_9.6\r\n", r#""SSH-2.0-OpenSSH_" (SSH)"#),
        (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
            r#""\x16\x03\x01\x02\x00\x01\x00\x01\xfc" (TLS)"#,
        ),
        (b"*1\r\n$4\r\nPING\r\n", r#""*1\r\n$4\r\nPING\r\n""#),
        (
            &[0xff; 64],
            r#""\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff""#,
        ),
    ];
    for (bytes, wanted) in others {
        let found = answer(&mut half_in(HandshakeState::AwaitHello), bytes);
        assert_eq!(found, Some(CloseReason::NotMycelium(wanted.into())));
    }
}

#[test]
fn four_bytes_may_be_a_length_and_the_fifth_tells() {
    for bytes in [b"GET /", b"SSH-2", b"*1\r\n$", &[0xff; 5]] {
        let mut half = half_in(HandshakeState::AwaitHello);
        assert_eq!(answer(&mut half, &bytes[..4]), None);
        let found = answer(&mut half, &bytes[4..]);
        assert!(
            matches!(found, Some(CloseReason::NotMycelium(_))),
            "{found:?}"
        );
    }
}

#[test]
fn a_hello_without_our_magic_is_not_ours() {
    let mut bytes = frame_of(FrameKind::Hello);
    bytes[HEADER_BYTES] = b'M';
    let found = answer(&mut half_in(HandshakeState::AwaitHello), &bytes);
    assert!(
        matches!(found, Some(CloseReason::NotMycelium(_))),
        "{found:?}"
    );
}

#[test]
fn versions_that_do_not_meet_are_incompatible() {
    let ours = (PROTOCOL_VERSION, PROTOCOL_VERSION);
    let hello_of = |theirs: (u16, u16)| {
        let mut bytes = frame_of(FrameKind::Hello);
        bytes[HEADER_BYTES + 8..HEADER_BYTES + 10].copy_from_slice(&theirs.0.to_le_bytes());
        bytes[HEADER_BYTES + 10..HEADER_BYTES + 12].copy_from_slice(&theirs.1.to_le_bytes());
        answer(&mut half_in(HandshakeState::AwaitHello), &bytes)
    };
    for theirs in [(ours.1 + 1, ours.1 + 1), (0, ours.0 - 1)] {
        let wanted = Incompatibility::Versions { ours, theirs };
        assert_eq!(hello_of(theirs), Some(CloseReason::Incompatible(wanted)));
    }
    assert_eq!(hello_of((0, u16::MAX)), None);
}

#[test]
fn any_other_byte_in_the_probe_is_an_incompatible_build() {
    let bytes = frame_of(FrameKind::Hello);
    let probe_bytes = usize::from(u16::from_le_bytes([bytes[44], bytes[45]]));
    assert!(probe_bytes > 80, "the probe has all of its fields");
    let wanted = Some(CloseReason::Incompatible(Incompatibility::ArchiveFormat));
    for at in 0..probe_bytes {
        let mut bytes = bytes.clone();
        bytes[HEADER_BYTES + 96 + at] ^= 1;
        let found = answer(&mut half_in(HandshakeState::AwaitHello), &bytes);
        assert_eq!(found, wanted, "byte {at}");
    }
}

#[test]
fn our_own_hello_sent_back_is_a_replay() {
    let bytes = written(|half| half.hello(&hello("book-1", LOCAL_NONCE)).expect("fits"));
    let found = answer(&mut half_in(HandshakeState::AwaitHello), &bytes);
    assert_eq!(found, Some(CloseReason::Replayed));
}

#[test]
fn a_recorded_handshake_does_not_open_another_connection() {
    let mut half = ReceiveHalf::new(Limits::default(), LOCAL_NONCE + 1, Check::None);
    assert_eq!(
        answer(&mut half, &handshake(Check::None)),
        Some(CloseReason::Replayed)
    );
}

#[test]
fn lengths_above_the_limit_of_phase_and_kind_are_refused() {
    let limits = Limits::default();
    let control = 4_096;
    let message = u32::try_from(FRAGMENT_BYTES).expect("64 KiB");
    let cases = [
        (
            HandshakeState::AwaitHello,
            FrameKind::Hello,
            limits.handshake_frame_bytes,
        ),
        (
            HandshakeState::AwaitConfirm,
            FrameKind::Message,
            limits.handshake_frame_bytes,
        ),
        (
            HandshakeState::AwaitConfirm,
            FrameKind::Reply,
            limits.handshake_frame_bytes,
        ),
        (HandshakeState::Open, FrameKind::Resolve, control),
        (HandshakeState::Open, FrameKind::ReplyFailed, control),
        (HandshakeState::Open, FrameKind::Message, message),
        (HandshakeState::Open, FrameKind::Reply, message),
    ];
    for (state, kind, limit) in cases {
        for length in [limit + 1, u32::MAX] {
            let header = Header {
                length,
                ..Header::new(kind)
            };
            let found = answer(&mut half_in(state), &header.encode());
            assert_eq!(found, Some(CloseReason::FrameTooLarge { length, limit }));
        }
    }
}

#[test]
fn extensions_longer_than_their_frame_are_malformed_from_the_header_on() {
    for (flags, least_bytes) in [(1, 48), (2, 48), (3, 64)] {
        for length in 32..least_bytes {
            let header = Header {
                flags,
                length,
                ..Header::new(FrameKind::Message)
            };
            let found = answer(&mut half_in(HandshakeState::Open), &header.encode());
            let wanted = CloseReason::Malformed {
                kind: FrameKind::Message,
                what: "the extensions are longer than the frame",
            };
            assert_eq!(found, Some(wanted), "{flags} in {length} bytes");
        }
    }
}

#[test]
fn extensions_may_hold_any_number() {
    let mut half = half_in(HandshakeState::Open);
    let bind = frame_of(FrameKind::Bind);
    assert_eq!(answer(&mut half, &bind), None);
    let header = Header {
        flags: 3,
        binding: binding(3),
        sequence: 1,
        ..Header::new(FrameKind::Message)
    };
    let bytes = [&header.with_payload(0).encode()[..], &[0xff; 32]].concat();
    let mut extensions = None;
    read_all(&mut half, &bytes, |event| {
        if let Event::Message { frame, .. } = event {
            assert_eq!(frame.payload(), []);
            extensions = Some(frame.extensions());
        }
    })
    .expect("legal");
    let extensions = extensions.expect("it arrived");
    assert_eq!(extensions.sent.map(|sent| sent.ttl_ns), Some(u64::MAX));
    assert_eq!(extensions.trace.map(|trace| trace.span_id), Some(u64::MAX));
}

#[test]
fn payloads_that_do_not_fit_their_kind_are_malformed() {
    let two_hundred = [0xff; 200];
    for &kind in FrameKind::ALL {
        let state = match kind {
            FrameKind::Hello => HandshakeState::AwaitHello,
            FrameKind::Confirm => HandshakeState::AwaitConfirm,
            // Others are told of the frame that the fragment begins.
            FrameKind::Message | FrameKind::Reply | FrameKind::Fragment | FrameKind::Part => {
                continue;
            }
            _ => HandshakeState::Open,
        };
        let mut bytes = Header::new(kind).with_payload(200).encode().to_vec();
        bytes.extend_from_slice(&two_hundred);
        bytes.resize(240, 0);
        let found = answer(&mut half_in(state), &bytes);
        match kind {
            FrameKind::Hello => assert!(matches!(found, Some(CloseReason::NotMycelium(_)))),
            _ => assert!(
                matches!(found, Some(CloseReason::Malformed { kind: named, .. }) if named == kind),
                "{kind}: {found:?}"
            ),
        }
    }
}

#[test]
fn payloads_cut_short_are_malformed() {
    for &kind in FrameKind::ALL {
        let state = match kind {
            FrameKind::Hello => HandshakeState::AwaitHello,
            FrameKind::Confirm => HandshakeState::AwaitConfirm,
            // A name has no least length, the others have no payload or any.
            FrameKind::Resolve
            | FrameKind::Unbound
            | FrameKind::Message
            | FrameKind::Reply
            | FrameKind::Stop
            | FrameKind::Kill
            | FrameKind::Fragment
            | FrameKind::Withdraw
            | FrameKind::Widen
            | FrameKind::Unbind => continue,
            _ => HandshakeState::Open,
        };
        let whole = frame_of(kind);
        let shortest = usize::from(kind == FrameKind::Resolved);
        let longest = match kind {
            FrameKind::Bind => 24,
            FrameKind::Resolved => 40,
            FrameKind::Ended | FrameKind::Close | FrameKind::ReplyFailed | FrameKind::Part => 1,
            _ => u32::from_le_bytes([whole[0], whole[1], whole[2], whole[3]]) as usize - 32,
        };
        for payload_bytes in shortest..longest {
            let mut bytes = whole.clone();
            let length = u32::try_from(HEADER_BYTES + payload_bytes).expect("short");
            bytes[0..4].copy_from_slice(&length.to_le_bytes());
            bytes.truncate((length as usize).next_multiple_of(16));
            let found = answer(&mut half_in(state), &bytes);
            let named = matches!(
                found,
                Some(CloseReason::Malformed { kind: named, .. }) if named == kind
            );
            let early = kind == FrameKind::Hello && payload_bytes < 8;
            assert!(
                named || early && matches!(found, Some(CloseReason::NotMycelium(_))),
                "{kind} of {payload_bytes}: {found:?}"
            );
        }
    }
}

#[test]
fn ids_are_bound_once_and_below_the_limit() {
    let limits = Limits {
        bindings: 4,
        ..Limits::default()
    };
    let bound = |number| written(|half: &mut SendHalf| half.bind(binding(number), &bind(), 16));
    let mut half = opened(limits);
    assert_eq!(answer(&mut half, &bound(3)), None);
    let twice = answer(&mut half, &bound(3));
    assert_eq!(twice, Some(CloseReason::BindingInUse(binding(3))));
    let beyond = answer(&mut opened(limits), &bound(4));
    assert_eq!(beyond, Some(CloseReason::TooManyBindings { limit: 4 }));
}

#[test]
fn an_unbound_id_is_free_for_the_next_binding() {
    let bytes = written(|half| {
        half.bind(binding(0), &bind(), 16);
        send(half, 0, &1_u64);
        half.unbind(binding(0));
        half.handle_credit(
            binding(0),
            Credit {
                confirmed: 1,
                refused: 0,
                returned_bytes: 48,
            },
        )
        .expect("true credit");
        half.handle_unbound(binding(0)).expect("asked for");
        half.bind(binding(0), &bind(), 16);
        send(half, 0, &2_u64);
    });
    assert_eq!(answer(&mut opened(Limits::default()), &bytes), None);
}

/// A message on binding 3, then a frame that carries one less than the sequence it should.
fn one_behind(calls: fn(&mut SendHalf)) -> Vec<u8> {
    let mut start = 0;
    let mut bytes = written(|half| {
        half.bind(binding(3), &bind(), 16);
        send(half, 3, &1_u64);
        start = half.pending_bytes();
        calls(half);
    });
    bytes[start + 12] -= 1;
    bytes
}

#[test]
fn what_follows_a_message_names_it() {
    let out_of_order = |wanted, found| CloseReason::OutOfOrder {
        binding: binding(3),
        wanted,
        found,
    };
    let cases: [(fn(&mut SendHalf), _); 3] = [
        (|half| send(half, 3, &2_u64), out_of_order(2, 1)),
        (|half| half.stop(binding(3)), out_of_order(1, 0)),
        (|half| half.unbind(binding(3)), out_of_order(1, 0)),
    ];
    for (calls, wanted) in cases {
        let found = answer(&mut opened(Limits::default()), &one_behind(calls));
        assert_eq!(found, Some(wanted));
    }
}

#[test]
fn answers_about_bindings_that_are_not_ours_are_refused() {
    let mut half = SendHalf::new(Limits::default(), Check::None);
    let unknown = Err(CloseReason::UnknownBinding(binding(5)));
    let window = Window::full(16, 1 << 20);
    assert_eq!(half.handle_bound(binding(5), window), unknown);
    assert_eq!(half.handle_credit(binding(5), Credit::default()), unknown);
    assert_eq!(half.handle_ended(binding(5)).map(drop), unknown);
    assert_eq!(half.handle_unbound(binding(5)), unknown);
}

#[test]
fn a_target_answers_a_binding_once() {
    let mut half = SendHalf::new(Limits::default(), Check::None);
    let window = Window::full(16, 1 << 20);
    half.bind(binding(0), &bind(), 16);
    half.bind(binding(1), &bind(), 16);
    assert_eq!(half.handle_bound(binding(0), window), Ok(()));
    let again = half
        .handle_bound(binding(0), window)
        .map_err(|reason| reason.code());
    let malformed = CloseReason::Malformed {
        kind: FrameKind::Bound,
        what: "",
    }
    .code();
    assert_eq!(again, Err(malformed));
    assert_eq!(half.handle_ended(binding(0)), Ok(EndedBinding::Lived));
    assert_eq!(half.handle_ended(binding(1)), Ok(EndedBinding::Refused));
    assert!(half.handle_bound(binding(1), window).is_err());
    assert!(half.handle_ended(binding(1)).is_err());
}

#[test]
fn a_binding_is_not_let_go_with_messages_outstanding() {
    let mut half = SendHalf::new(Limits::default(), Check::None);
    half.bind(binding(0), &bind(), 16);
    send(&mut half, 0, &1_u64);
    assert!(half.handle_unbound(binding(0)).is_err(), "nobody asked");
    half.unbind(binding(0));
    assert!(
        half.handle_unbound(binding(0)).is_err(),
        "one is outstanding"
    );
    let forged = Credit {
        confirmed: 2,
        refused: 0,
        returned_bytes: 96,
    };
    let refused = half.handle_credit(binding(0), forged);
    assert_eq!(
        refused,
        Err(CloseReason::CreditForged {
            binding: binding(0)
        })
    );
    assert_eq!(half.totals().in_flight, 1);
}

/// Every reason with the code and name that the document lists.
pub(crate) fn reasons() -> [(u8, &'static str, CloseReason); 23] {
    [
        (1, "Requested", CloseReason::Requested),
        (2, "NotMycelium", CloseReason::NotMycelium("\"x\"".into())),
        (3, "Incompatible", Incompatibility::ArchiveFormat.into()),
        (4, "Replayed", CloseReason::Replayed),
        (
            5,
            "WrongNode",
            CloseReason::WrongNode {
                wanted: "a".into(),
                found: "b".into(),
            },
        ),
        (
            6,
            "DuplicateNode",
            CloseReason::DuplicateNode("a".parse().expect("valid")),
        ),
        (7, "HandshakeTimeout", CloseReason::HandshakeTimeout),
        (8, "UnknownKind", CloseReason::UnknownKind(99)),
        (
            9,
            "Malformed",
            CloseReason::Malformed {
                kind: FrameKind::Bind,
                what: "x",
            },
        ),
        (
            10,
            "Unexpected",
            CloseReason::Unexpected {
                kind: FrameKind::Bind,
                state: HandshakeState::AwaitHello,
            },
        ),
        (
            11,
            "FrameTooLarge",
            CloseReason::FrameTooLarge {
                length: 2,
                limit: 1,
            },
        ),
        (
            12,
            "UnknownBinding",
            CloseReason::UnknownBinding(binding(1)),
        ),
        (13, "BindingInUse", CloseReason::BindingInUse(binding(1))),
        (
            14,
            "TooManyBindings",
            CloseReason::TooManyBindings { limit: 1 },
        ),
        (15, "TooManyWrongKeys", CloseReason::TooManyWrongKeys),
        (
            16,
            "OutOfOrder",
            CloseReason::OutOfOrder {
                binding: binding(1),
                wanted: 2,
                found: 1,
            },
        ),
        (
            17,
            "CreditExceeded",
            CloseReason::CreditExceeded {
                binding: binding(1),
            },
        ),
        (
            18,
            "CreditForged",
            CloseReason::CreditForged {
                binding: binding(1),
            },
        ),
        (
            19,
            "Corrupt",
            CloseReason::Corrupt("é".repeat(3_000).into()),
        ),
        (
            20,
            "TooManyQuestions",
            CloseReason::TooManyQuestions { limit: 1 },
        ),
        (21, "Silent", CloseReason::Silent { silent_ms: 2_000 }),
        (22, "TooManyLinks", CloseReason::TooManyLinks { limit: 1 }),
        (
            23,
            "WrongCertificateName",
            CloseReason::WrongCertificateName {
                certified: "book-2".into(),
                claimed: "book-1".parse().expect("a name"),
            },
        ),
    ]
}

#[test]
fn the_peer_reads_code_and_text_of_every_reason() {
    for (code, _, reason) in reasons() {
        assert_eq!(reason.code(), code);
        assert_eq!(reason.is_orderly(), code == 1);
        let mut seen = None;
        let bytes = written(|half| half.close(&reason));
        read_all(&mut opened(Limits::default()), &bytes, |event| {
            if let Event::Close(reason) = event {
                seen = Some(reason);
            }
        })
        .expect("legal");
        assert_eq!(seen, Some(reason.seen_by_peer()));
    }
}

#[test]
fn confirming_twice_is_unexpected() {
    let confirm = written(|half| half.confirm(LOCAL_NONCE, 0));
    let hello = written(|half| half.hello(&hello("peer", PEER_NONCE)).expect("fits"));
    let mut half = half_in(HandshakeState::AwaitHello);
    let found = answer(&mut half, &[hello, confirm.clone(), confirm].concat());
    let wanted = CloseReason::Unexpected {
        kind: FrameKind::Confirm,
        state: HandshakeState::Open,
    };
    assert_eq!(found, Some(wanted));
}
