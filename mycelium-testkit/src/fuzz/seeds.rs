//! [`seeds`]: what the fuzzer starts from, made of real frames and archives.

use std::iter;

use fastrand::Rng;
use mycelium::wire::{
    ActorId, Bind, BindingId, Check, CloseReason, Credit, Decline, Encoder, EndReason, ExportKey,
    FRAGMENT_BYTES, FrameExtensions, FrameKind, Header, Limits, Part, ReplyFailure, Resolved,
    SendHalf, SendTime, TraceContext, Window, rkyv::util::AlignedVec,
};

use crate::fuzz::{handshake, message, wire_types};

/// An input that a target starts from.
pub struct Seed {
    /// The target.
    pub target: &'static str,
    /// The file in the target's folder of the corpus.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// The seeds of all targets, the same in every call.
pub fn seeds() -> Vec<Seed> {
    let mut seeds = Vec::new();
    let mut add = |target, name: &str, bytes| {
        let name = name.to_owned();
        seeds.push(Seed {
            target,
            name,
            bytes,
        });
    };
    for (name, bytes) in frames(Check::None).chain(extended(Check::None)) {
        add("header", &name, bytes[..32].to_vec());
    }
    add("header", "claims-4-gib", claim().to_vec());
    for (name, options, check) in STREAMS {
        for (kind, frame) in frames(check).chain(extended(check)) {
            add(
                "decoder",
                &format!("{kind}-{name}"),
                stream(options, &frame),
            );
        }
        let all: Vec<_> = frames(check).flat_map(|(_, frame)| frame).collect();
        add("decoder", &format!("all-{name}"), stream(options, &all));
    }
    add("decoder", "claims-4-gib", stream(OPEN, &claim()));
    for (name, bytes) in handshakes() {
        add("handshake", name, bytes);
    }
    for number in 0..16 {
        add("connection", &format!("script-{number}"), script(number));
    }
    for (number, (_, archive)) in wire_types::samples().enumerate() {
        add("wire_types", &format!("type-{number}"), archive);
    }
    for (name, archive) in message::samples() {
        add("message", name, archive);
    }
    seeds
}

const OPEN: u8 = 4;

/// How the decoder reads the seeds: the name, the options, and the check that fits.
const STREAMS: [(&str, u8, Check); 3] = [
    ("plain", OPEN, Check::None),
    ("checked", OPEN | 1, Check::Crc32c),
    ("kept", OPEN | 8 | 3, Check::None),
];

/// A stream for the targets that read one: options, the sizes of the pieces, and the bytes.
fn stream(options: u8, bytes: &[u8]) -> Vec<u8> {
    [&[options, 0, 3, 5, 255][..], bytes].concat()
}

fn claim() -> [u8; 32] {
    let header = Header {
        length: u32::MAX,
        ..Header::new(FrameKind::Message)
    };
    header.encode()
}

const TRACE: TraceContext = TraceContext {
    trace_id: 5,
    span_id: 6,
};

const SENT: SendTime = SendTime {
    sent_ns: 1_000_000,
    ttl_ns: 2_000_000,
};

/// What messages may carry.
const EXTENDED: [(&str, FrameExtensions); 3] = [
    (
        "message-traced",
        FrameExtensions {
            trace: Some(TRACE),
            sent: None,
        },
    ),
    (
        "message-timed",
        FrameExtensions {
            trace: None,
            sent: Some(SENT),
        },
    ),
    (
        "message-extended",
        FrameExtensions {
            trace: Some(TRACE),
            sent: Some(SENT),
        },
    ),
];

/// Messages with extensions.
fn extended(check: Check) -> impl Iterator<Item = (String, Vec<u8>)> {
    let mut half = SendHalf::new(Limits::default(), check);
    let id = BindingId::from_u32(3);
    let mut buffer = AlignedVec::new();
    half.bind(id, &bind(), 1_024);
    half.poll_transmit(&mut buffer);
    EXTENDED.into_iter().map(move |(name, extensions)| {
        let mut encode = |encoder: &mut Encoder<'_>| encoder.encode(&7_u64);
        let sent = half.send_with(id, extensions, &mut (), &mut encode);
        sent.expect("there is credit");
        half.poll_transmit(&mut buffer);
        (name.to_owned(), buffer.to_vec())
    })
}

/// A frame of every kind, under the kind's name.
fn frames(check: Check) -> impl Iterator<Item = (String, Vec<u8>)> {
    let mut half = SendHalf::new(Limits::default(), check);
    let id = BindingId::from_u32(3);
    let mut buffer = AlignedVec::new();
    let mut written = Vec::new();
    for &kind in FrameKind::ALL {
        write_one(&mut half, check, id, kind);
        if half.poll_transmit(&mut buffer) {
            written.push((kind.to_string().to_lowercase(), buffer.to_vec()));
        }
    }
    written.into_iter()
}

/// Writes one frame, by the call that a node makes.
fn write_one(half: &mut SendHalf, check: Check, id: BindingId, kind: FrameKind) {
    let archive = (0x6162_u64, 42_u32);
    match kind {
        FrameKind::Hello => half.hello(&handshake::hello()).expect("it fits"),
        FrameKind::Confirm => half.confirm(7, 0),
        FrameKind::Bind => half.bind(id, &bind(), 1_024),
        FrameKind::Bound => half.bound(id, Window::full(1_024, 1 << 20)),
        FrameKind::Message => half
            .send(id, &mut (), &mut |encoder| encoder.encode(&archive))
            .expect("there is credit"),
        FrameKind::Credit => half.credit(id, credit()),
        FrameKind::Stop => half.stop(id),
        FrameKind::Kill => half.kill(id),
        FrameKind::Heartbeat => half.heartbeat(),
        FrameKind::Fragment => {
            let long = vec![7_u8; 2 * FRAGMENT_BYTES];
            half.reply(9, &mut (), &mut |encoder| encoder.encode(&long))
                .expect("it is below the limit");
        }
        FrameKind::Cancel => {
            // The other id is given up by then.
            let other = BindingId::from_u32(4);
            half.bind(other, &bind(), 1_024);
            half.cancel(other, 0);
        }
        FrameKind::Ended => half.ended(id, &EndReason::Failed("no price".into())),
        FrameKind::Unbind => half.unbind(id),
        FrameKind::Unbound => half.unbound(id),
        FrameKind::Resolve => half.resolve(9, "book/AAPL").expect("it is short"),
        FrameKind::Resolved => half.resolved(9, Some(&resolved())),
        FrameKind::Close => half.close(&CloseReason::Requested),
        FrameKind::Reply => half
            .reply(9, &mut (), &mut |encoder| encoder.encode(&archive))
            .expect("it is short"),
        FrameKind::ReplyFailed => half.reply_failed(9, &ReplyFailure::NoReply),
        FrameKind::Widen => half.widen(),
        FrameKind::Offer => half.offer(9, 5),
        FrameKind::Part => half.part(Part::new(9, b"bytes", check)),
        FrameKind::Taken => half.taken(9, 5),
        FrameKind::Withdraw => half.withdraw(9),
        FrameKind::Decline => half.decline(9, Decline::NoLonger),
        other => panic!("no example of {other}"),
    }
}

fn bind() -> Bind {
    Bind {
        actor: ActorId::from_u64(7),
        key: ExportKey::from_u64(8),
        fingerprint: 9,
        type_name: "Book".into(),
    }
}

fn credit() -> Credit {
    Credit {
        confirmed: 1,
        refused: 0,
        returned_bytes: 48,
    }
}

fn resolved() -> Resolved {
    Resolved {
        actor: ActorId::from_u64(7),
        key: ExportKey::from_u64(8),
        fingerprint: 9,
        capacity_messages: 1_024,
        also_takes: [10].into(),
        type_name: "Book".into(),
    }
}

/// Handshakes of our own, changed ones, and the first words of other protocols.
fn handshakes() -> [(&'static str, Vec<u8>); 9] {
    const CHECKED: u8 = 1;
    const SEALED: u8 = 2;
    const MUTATED: u8 = handshake::MUTATED;
    let plain = handshake::honest(Check::None);
    let checked = handshake::honest(Check::Crc32c);
    [
        ("honest-plain", stream(0, &plain)),
        ("honest-checked", stream(CHECKED, &checked)),
        ("unchanged", stream(MUTATED, &[])),
        (
            "another-name",
            stream(MUTATED | CHECKED | SEALED, &[0, 240, 0, 1, b'z']),
        ),
        ("more-addresses", stream(MUTATED, &[0, 108, 0, 1, 3])),
        ("shorter", stream(MUTATED, &[2, 40, 0, 16])),
        (
            "tls",
            stream(0, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
        ),
        (
            "http",
            stream(0, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ),
        ("claims-4-gib", stream(0, &claim())),
    ]
}

/// What two nodes do, drawn once and for all.
fn script(number: u64) -> Vec<u8> {
    let mut random = Rng::with_seed(number);
    let options = u8::try_from(number % 8).expect("below 8");
    iter::once(options)
        .chain(iter::repeat_with(|| random.u8(..)).take(300))
        .collect()
}
