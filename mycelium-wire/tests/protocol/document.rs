//! The tables and drawings of `docs/wire-format.md`, compared with what the code does.

use mycelium_wire::{
    ACCEPTED_LIMIT, BindingId, Check, CloseReason, Decline, EndReason, Event, FrameKind,
    HEADER_BYTES, HandshakeState, Header, Limits, ReplyFailure, TEXT_LIMIT_BYTES,
    TRANSFER_WINDOW_BYTES, Window, frame_bytes,
};

use crate::{
    drawing::{Field, fields_of},
    golden::{extended_message, fragment, frame_of, resolved},
    hostile::{STATES, half_in, reasons},
    support::{
        EXTENSIONS, LOCAL_NONCE, PEER_NONCE, bind, binding, hello, opened, read_all, written,
    },
};

pub(crate) const DOCUMENT: &str = include_str!("../../../docs/wire-format.md");

/// Where limits are kept that are not of this crate.
const INBOUND: &str = include_str!("../../../mycelium-core/src/inbound.rs");
const PENDING: &str = include_str!("../../../mycelium-core/src/pending.rs");
const CONNECTION: &str = include_str!("../../../mycelium-transport/src/connection.rs");

/// The cells of the table with this head.
fn table(head: &str) -> Vec<Vec<&'static str>> {
    let mut tables = DOCUMENT.split(head);
    let rows = tables.nth(1).expect("the page has the table").lines();
    assert!(tables.next().is_none(), "{head} stands there twice");
    rows.skip(2)
        .take_while(|row| row.starts_with('|'))
        .map(|row| {
            let cells = row.trim_matches('|').split('|');
            cells.map(str::trim).collect()
        })
        .collect()
}

#[test]
fn kinds_are_listed_with_what_their_header_may_hold() {
    let rows =
        table("| code | kind | travels | binding | sequence | request | payload |").into_iter();
    let listed: Vec<_> = rows
        .map(|row| {
            let is_filled = [3, 4, 5, 6].map(|column: usize| !row[column].is_empty());
            (row[0].to_owned(), row[1].to_owned(), is_filled)
        })
        .collect();
    let kinds = FrameKind::ALL.iter().map(|&kind| {
        let plain = Header::new(kind);
        let takes = |header: Header| Header::decode(&header.encode()).is_ok();
        let may_hold = [
            takes(Header {
                binding: binding(1),
                ..plain
            }),
            takes(Header {
                sequence: 1,
                ..plain
            }),
            takes(Header {
                request: 1,
                ..plain
            }),
            frame_of(kind).len() > HEADER_BYTES,
        ];
        (kind.as_u8().to_string(), format!("`{kind}`"), may_hold)
    });
    assert_eq!(listed, kinds.collect::<Vec<_>>());
}

#[test]
fn limits_are_those_in_force() {
    let limits = Limits::default();
    let initial = Window::initial(u32::MAX);
    let least = Window::full(u32::MAX, 0);
    let full = Window::full(u32::MAX, limits.message_bytes);
    let beside_the_frame = full.bytes as usize - frame_bytes(limits.message_bytes as usize);
    let in_force = [
        format!("{HEADER_BYTES} bytes"),
        format!("{} bytes with header", limits.handshake_frame_bytes),
        format!("{} bytes with header", longest_frame(FrameKind::Resolve)),
        format!("{} bytes with header", longest_frame(FrameKind::Fragment)),
        lanes().to_string(),
        format!("{} bytes", limits.message_bytes),
        format!("{TEXT_LIMIT_BYTES} bytes"),
        limits.bindings.to_string(),
        format!(
            "the actor's capacity, at most {} messages; {} bytes",
            initial.messages, initial.bytes
        ),
        format!(
            "the actor's capacity, at most {} messages; {} bytes, or the frame of the longest \
             message and {beside_the_frame} bytes if that is more",
            least.messages, least.bytes
        ),
        format!("{TRANSFER_WINDOW_BYTES} bytes"),
        ACCEPTED_LIMIT.to_string(),
        constant(INBOUND, "WRONG_KEYS").to_string(),
        constant(CONNECTION, "OPEN_QUESTIONS").to_string(),
        constant(CONNECTION, "UNREAD_ANSWERS").to_string(),
        format!("{} bytes", constant(CONNECTION, "UNREAD_REPLY_BYTES")),
        constant(PENDING, "LIMIT").to_string(),
    ];
    let listed: Vec<_> = table("| what | limit |").iter().map(|row| row[1]).collect();
    assert_eq!(listed, in_force);
}

/// How many lanes an open link takes fragments of.
fn lanes() -> u32 {
    let takes = |lane: &u32| {
        let part = fragment(Check::None, *lane, &frame_of(FrameKind::Reply));
        read_all(&mut opened(Limits::default()), &part, |_| {}).is_ok()
    };
    (0..u32::MAX)
        .find(|lane| !takes(lane))
        .expect("there is a last one")
}

/// What an open link says to a frame of four gigabytes.
fn longest_frame(kind: FrameKind) -> u32 {
    let header = Header {
        length: u32::MAX,
        ..Header::new(kind)
    };
    match read_all(&mut opened(Limits::default()), &header.encode(), |_| {}) {
        Err(CloseReason::FrameTooLarge { limit, .. }) => limit,
        other => panic!("{other:?}"),
    }
}

/// A constant of a crate above, which this one cannot ask: `1_024` or `1 << 18`.
fn constant(source: &str, name: &str) -> u64 {
    let (_, declared) = source
        .split_once(&format!("const {name}: "))
        .expect("the constant is where it was");
    let (_, value) = declared.split_once(" = ").expect("it has a value");
    let value = value.split(';').next().expect("it ends").replace('_', "");
    let (number, shift) = value.split_once(" << ").unwrap_or((&value, "0"));
    let parse = |text: &str| text.parse::<u64>().expect("a number");
    parse(number) << parse(shift)
}

#[test]
fn states_take_refuse_and_ignore_what_the_table_says() {
    let names = [
        "waits for `Hello`",
        "waits for `Confirm`",
        "open",
        "closed: after a `Close` or the first error",
    ];
    let rows = table("| state | `Hello` | `Confirm` | `Close` | all others |");
    assert_eq!(rows.len(), STATES.len());
    for ((row, state), name) in rows.iter().zip(STATES).zip(names) {
        assert_eq!(row[0], name);
        for &kind in FrameKind::ALL {
            let column = match kind {
                FrameKind::Hello => 1,
                FrameKind::Confirm => 2,
                FrameKind::Close => 3,
                _ => 4,
            };
            assert_eq!(row[column], outcome(state, kind), "{kind} in {state:?}");
        }
    }
}

/// What a state makes of a kind; a frame may be refused for what it says even so.
fn outcome(state: HandshakeState, kind: FrameKind) -> &'static str {
    let frame = match kind {
        FrameKind::Confirm => written(|half| half.confirm(LOCAL_NONCE, 0)),
        other => frame_of(other),
    };
    let mut events = 0;
    match read_all(&mut half_in(state), &frame, |_| events += 1) {
        Err(CloseReason::Unexpected { .. }) => "`Unexpected`",
        Ok(()) if events == 0 => "ignored",
        _ => "taken",
    }
}

#[test]
fn end_reasons_have_the_codes_and_texts_of_the_table() {
    let text = || "a text".into();
    let ends = [
        ("stopped", EndReason::Stopped),
        ("failed", EndReason::Failed(text())),
        ("panicked", EndReason::Panicked(text())),
        ("killed", EndReason::Killed),
        (
            "no such actor, or the key does not open it",
            EndReason::NoSuchActor,
        ),
        ("wrong type", EndReason::WrongType { found: text() }),
        ("an actor it was linked to ended", EndReason::Linked(text())),
    ];
    let payloads = ends.map(|(name, end)| {
        let frame = written(|half| half.ended(binding(3), &end));
        (name, payload_of(&frame).to_vec())
    });
    check_codes(
        &table("| code | end reason | text |"),
        FrameKind::Ended,
        &payloads,
    );
}

#[test]
fn reply_failures_have_the_codes_and_texts_of_the_table() {
    let text = || "a text".into();
    let failures = [
        ("no reply: the port was dropped", ReplyFailure::NoReply),
        ("wrong type", ReplyFailure::WrongType { found: text() }),
        (
            "too large: the reply passes the message limit",
            ReplyFailure::TooLarge,
        ),
        (
            "refused by the answerer's node",
            ReplyFailure::Refused(text()),
        ),
    ];
    let payloads = failures.map(|(name, failure)| {
        let frame = written(|half| half.reply_failed(9, &failure));
        (name, payload_of(&frame).to_vec())
    });
    check_codes(
        &table("| code | reply failure | text |"),
        FrameKind::ReplyFailed,
        &payloads,
    );
}

#[test]
fn reasons_to_decline_have_the_codes_and_limits_of_the_table() {
    let reasons = [
        ("nobody waits for it", Decline::NotExpected),
        ("it is too long", Decline::TooLarge { limit_bytes: 7 }),
        ("it is not wanted any more", Decline::NoLonger),
    ];
    let listed = table("| code | why an object is declined | limit |");
    assert_eq!(listed.len(), reasons.len());
    for (row, (name, why)) in listed.iter().zip(reasons) {
        let frame = written(|half| half.decline(9, why));
        let payload = payload_of(&frame);
        let written = (payload[0].to_string(), payload.len() == 9);
        assert_eq!((row[0].to_owned(), !row[2].is_empty()), written, "{name}");
        assert_eq!(row[1], name);
    }
    for code in 0..=u8::MAX {
        assert_eq!(is_taken(FrameKind::Decline, &[code]), matches!(code, 1 | 3));
        let with_limit = [&[code][..], &[0; 8]].concat();
        assert_eq!(is_taken(FrameKind::Decline, &with_limit), code == 2);
    }
}

/// The rows are these payloads' codes, with a text where they have one, and there is no other code.
fn check_codes(rows: &[Vec<&str>], kind: FrameKind, payloads: &[(&str, Vec<u8>)]) {
    let listed: Vec<_> = rows
        .iter()
        .map(|row| (row[0].to_owned(), row[1], !row[2].is_empty()))
        .collect();
    let written = payloads
        .iter()
        .map(|(name, payload)| (payload[0].to_string(), *name, payload.len() > 1));
    assert_eq!(listed, written.collect::<Vec<_>>());
    for code in 0..=u8::MAX {
        let is_listed = payloads.iter().any(|(_, payload)| payload[0] == code);
        let has_text = payloads
            .iter()
            .any(|(_, payload)| payload[0] == code && payload.len() > 1);
        assert_eq!(is_taken(kind, &[code]), is_listed, "{code}");
        assert_eq!(is_taken(kind, &[code, b'a']), has_text, "{code}");
    }
}

fn is_taken(kind: FrameKind, payload: &[u8]) -> bool {
    let header = Header::new(kind).with_payload(payload.len());
    let mut frame = [&header.encode(), payload].concat();
    frame.resize(header.frame_bytes(), 0);
    read_all(&mut opened(Limits::default()), &frame, |_| {}).is_ok()
}

fn payload_of(frame: &[u8]) -> &[u8] {
    let length = u32::from_le_bytes([frame[0], frame[1], frame[2], frame[3]]);
    &frame[HEADER_BYTES..length as usize]
}

#[test]
fn close_reasons_are_listed_with_their_codes() {
    let rows = table("| code | reason | sent when |");
    let listed: Vec<_> = rows
        .iter()
        .map(|row| (row[0].to_owned(), row[1].to_owned()))
        .collect();
    let reasons = reasons().into_iter();
    let written: Vec<_> = reasons
        .map(|(code, name, _)| (code.to_string(), format!("`{name}`")))
        .collect();
    assert_eq!(listed, written);
}

/// The fields lie where they are drawn, without a gap, and hold these values.
fn check_drawing(fields: &[Field], bytes: &[u8], values: &[(&str, &[u8])]) {
    let names: Vec<_> = fields.iter().map(|field| &field.name).collect();
    let wanted: Vec<_> = values.iter().map(|(name, _)| name).collect();
    assert_eq!(names, wanted);
    let mut next = 0;
    for (field, (_, value)) in fields.iter().zip(values) {
        assert_eq!(field.offset, Some(next), "{field:?}");
        let size_bytes = field.size_bytes().unwrap_or(value.len());
        assert_eq!(&bytes[next..next + size_bytes], *value, "{field:?}");
        next += size_bytes;
    }
}

#[test]
fn the_header_is_laid_out_as_it_is_drawn() {
    let mut fields = fields_of(DOCUMENT, "| length |kind |flags |");
    let behind = fields.split_off(9);
    let names: Vec<_> = behind.iter().map(|field| &*field.name).collect();
    assert_eq!(names, ["payload", "padding"]);
    assert_eq!(behind[0].offset, Some(HEADER_BYTES));
    let header = Header {
        length: 0x0102_0304,
        kind: FrameKind::Message,
        flags: 0x03,
        binding: BindingId::from_u32(0x0506_0708),
        sequence: 0x090a_0b0c,
        request: 0x0d0e_0f10_1112_1314,
        check: 0x1516_1718,
    };
    check_drawing(
        &fields,
        &header.encode(),
        &[
            ("length", &header.length.to_le_bytes()),
            ("kind", &[header.kind.as_u8()]),
            ("flags", &[header.flags]),
            ("reserved", &[0; 2]),
            ("binding", &header.binding.as_u32().to_le_bytes()),
            ("sequence", &header.sequence.to_le_bytes()),
            ("request", &header.request.to_le_bytes()),
            ("check", &header.check.to_le_bytes()),
            ("reserved", &[0; 4]),
        ],
    );
}

#[test]
fn the_extensions_are_laid_out_as_they_are_drawn() {
    let mut of_trace = fields_of(DOCUMENT, "|     trace id     |");
    let of_time = of_trace.split_off(2);
    let frame = extended_message();
    let (trace, behind) = payload_of(&frame).split_at(16);
    let traced = EXTENSIONS.trace.expect("it is there");
    check_drawing(
        &of_trace,
        trace,
        &[
            ("trace id", &traced.trace_id.to_le_bytes()),
            ("span id", &traced.span_id.to_le_bytes()),
        ],
    );
    let sent = EXTENSIONS.sent.expect("it is there");
    check_drawing(
        &of_time,
        behind,
        &[
            ("sent", &sent.sent_ns.to_le_bytes()),
            ("time to live", &sent.ttl_ns.to_le_bytes()),
        ],
    );
    let plain = frame_of(FrameKind::Message);
    assert_eq!(behind[16..], *payload_of(&plain), "the archive is the same");
}

#[test]
fn flags_are_those_of_the_table() {
    let listed: Vec<_> = table("| flag | extension | kinds |")
        .iter()
        .map(|row| (row[0].to_owned(), row[2].to_owned()))
        .collect();
    let taken = (0..8).filter_map(|bit| {
        let takes = |kind: &&FrameKind| {
            let header = Header {
                flags: 1 << bit,
                ..Header::new(**kind)
            };
            Header::decode(&header.with_payload(0).encode()).is_ok()
        };
        let kinds: Vec<_> = FrameKind::ALL.iter().filter(takes).collect();
        let kinds: Vec<_> = kinds.iter().map(|kind| format!("`{kind}`")).collect();
        (!kinds.is_empty()).then(|| (format!("0x{:02x}", 1 << bit), kinds.join(", ")))
    });
    assert_eq!(listed, taken.collect::<Vec<_>>());
}

/// That the check covers what is drawn is tested with the golden frames.
#[test]
fn the_check_is_drawn_where_the_header_has_it() {
    let offset_of = |text, name| {
        let mut fields = fields_of(DOCUMENT, text).into_iter();
        let field = fields.find(|field| field.name == name);
        field.and_then(|field| field.offset)
    };
    let checked = "|   the header before    |";
    let header = "| length |kind |flags |";
    for (drawn, known) in [("check", "check"), ("payload", "payload")] {
        assert!(offset_of(header, known).is_some());
        assert_eq!(offset_of(checked, drawn), offset_of(header, known));
    }
}

#[test]
fn a_hello_is_laid_out_as_it_is_drawn() {
    let hello = hello("book-1", PEER_NONCE);
    let frame = frame_of(FrameKind::Hello);
    let payload = payload_of(&frame);
    let probe_bytes = u16::from_le_bytes([payload[12], payload[13]]);
    check_drawing(
        &fields_of(DOCUMENT, "| magic  | oldest |"),
        payload,
        &[
            ("magic", b"mycelium"),
            ("oldest version", &1_u16.to_le_bytes()),
            ("newest version", &1_u16.to_le_bytes()),
            ("probe bytes", &probe_bytes.to_le_bytes()),
            ("name bytes", &6_u16.to_le_bytes()),
            ("incarnation", &hello.node.incarnation().to_le_bytes()),
            ("nonce", &hello.nonce.to_le_bytes()),
            ("boot id", &hello.boot_id.to_le_bytes()),
            ("uid", &hello.uid.to_le_bytes()),
            ("pid", &hello.pid.to_le_bytes()),
            ("message limit", &hello.message_limit_bytes.to_le_bytes()),
            ("addresses", &2_u32.to_le_bytes()),
            ("joins", &hello.joins.to_le_bytes()),
        ],
    );
    let mut lists = hello.addresses.iter().map(|address| {
        let size = u16::try_from(address.len()).expect("short");
        [&size.to_le_bytes(), address.as_bytes()].concat()
    });
    let (first, second) = (lists.next(), lists.next());
    let behind = [&b"book-1"[..], &first.expect("two"), &second.expect("two")].concat();
    assert_eq!(payload[96 + usize::from(probe_bytes)..], behind);
}

#[test]
fn bind_and_resolved_are_laid_out_as_they_are_drawn() {
    let mut of_bind = fields_of(DOCUMENT, "| fingerprint | capacity |");
    let of_resolved = of_bind.split_off(4);
    let bind = bind();
    check_drawing(
        &of_bind,
        payload_of(&frame_of(FrameKind::Bind)),
        &[
            ("actor", &bind.actor.as_u64().to_le_bytes()),
            ("key", &bind.key.as_u64().to_le_bytes()),
            ("fingerprint", &bind.fingerprint.to_le_bytes()),
            ("the messages'", bind.type_name.as_bytes()),
        ],
    );
    let resolved = resolved();
    check_drawing(
        &of_resolved,
        payload_of(&frame_of(FrameKind::Resolved)),
        &[
            ("actor", &resolved.actor.as_u64().to_le_bytes()),
            ("key", &resolved.key.as_u64().to_le_bytes()),
            ("fingerprint", &resolved.fingerprint.to_le_bytes()),
            ("capacity", &resolved.capacity_messages.to_le_bytes()),
            ("others", &1_u32.to_le_bytes()),
        ],
    );
    assert_eq!(of_bind[3].kind, "type to the end");
    let others = resolved.also_takes[0].to_le_bytes();
    let behind = [&others[..], resolved.type_name.as_bytes()].concat();
    assert_eq!(payload_of(&frame_of(FrameKind::Resolved))[32..], behind);
    let nameless = written(|half| half.resolved(9, None));
    read_all(&mut opened(Limits::default()), &nameless, |event| {
        assert!(matches!(event, Event::Resolved { resolved: None, .. }));
    })
    .expect("legal");
    assert_eq!(payload_of(&nameless), []);
}
