//! The bytes of every kind of frame, as `docs/wire-format.md` prints them.

use std::fmt::Write;

use mycelium_wire::{
    ActorId, Check, CloseReason, Credit, Decline, EndReason, ExportKey, FrameKind, Header, Limits,
    Part, ReplyFailure, Resolved, SendHalf, Window,
};

use crate::{
    document::DOCUMENT,
    support::{
        EXTENSIONS, PEER_NONCE, bind, binding, crc_register, describe, hello, opened, read_all,
        reply, send, send_with, written_with,
    },
};

/// One frame of every kind, as it travels on a link without checks.
pub(crate) fn frame_of(kind: FrameKind) -> Vec<u8> {
    frame_with(Check::None, kind)
}

/// One frame of every kind, by the calls that write it.
pub(crate) fn frame_with(check: Check, kind: FrameKind) -> Vec<u8> {
    let written = |calls: fn(&mut SendHalf)| written_with(check, calls);
    let last_frame = |calls: fn(&mut SendHalf)| last_frame(check, calls);
    match kind {
        FrameKind::Hello => written(|half| half.hello(&hello("book-1", PEER_NONCE)).expect("fits")),
        FrameKind::Confirm => written(|half| half.confirm(PEER_NONCE, 3)),
        FrameKind::Bind => written(|half| half.bind(binding(3), &bind(), 1_024)),
        FrameKind::Message => last_frame(|half| send(half, 3, &(0x6162_u64, 42_u32))),
        FrameKind::Stop => last_frame(|half| half.stop(binding(3))),
        FrameKind::Kill => last_frame(|half| half.kill(binding(3))),
        FrameKind::Cancel => last_frame(|half| half.cancel(binding(3), 1)),
        FrameKind::Heartbeat => written(SendHalf::heartbeat),
        FrameKind::Fragment => {
            let whole = written_with(Check::None, |half| reply(half, 9, &(0x6162_u64, 42_u32)));
            fragment(check, 2, &whole)
        }
        FrameKind::Unbind => last_frame(|half| half.unbind(binding(3))),
        FrameKind::Bound => written(|half| half.bound(binding(3), Window::full(1_024, 1 << 20))),
        FrameKind::Credit => written(|half| half.credit(binding(3), credit())),
        FrameKind::Ended => {
            written(|half| half.ended(binding(3), &EndReason::Failed("no price".into())))
        }
        FrameKind::Unbound => written(|half| half.unbound(binding(3))),
        FrameKind::Resolve => written(|half| half.resolve(9, "book/AAPL").expect("fits")),
        FrameKind::Resolved => written(|half| half.resolved(9, Some(&resolved()))),
        FrameKind::Close => written(|half| half.close(&CloseReason::Requested)),
        FrameKind::Reply => written(|half| reply(half, 9, &(0x6162_u64, 42_u32))),
        FrameKind::ReplyFailed => written(|half| half.reply_failed(9, &wrong_type())),
        FrameKind::Widen => written(SendHalf::widen),
        FrameKind::Offer => written(|half| half.offer(9, 1 << 20)),
        FrameKind::Part => written_with(check, |half| half.part(Part::new(9, b"bytes", check))),
        FrameKind::Taken => written(|half| half.taken(9, 65_504)),
        FrameKind::Withdraw => written(|half| half.withdraw(9)),
        FrameKind::Decline => {
            const WHY: Decline = Decline::TooLarge {
                limit_bytes: 1 << 16,
            };
            written(|half| half.decline(9, WHY))
        }
        other => panic!("no example of {other}"),
    }
}

/// The example of a message, with both extensions.
pub(crate) fn extended_message() -> Vec<u8> {
    last_frame(Check::None, |half| {
        send_with(half, 3, EXTENSIONS, &(0x6162_u64, 42_u32));
    })
}

/// A fragment with these bytes of a frame.
pub(crate) fn fragment(check: Check, lane: u32, part: &[u8]) -> Vec<u8> {
    let header = Header {
        sequence: lane,
        ..Header::new(FrameKind::Fragment).with_payload(part.len())
    };
    let mut bytes = [&header.encode()[..], part].concat();
    if check == Check::Crc32c {
        let sum = !crc_register(&bytes);
        bytes[24..28].copy_from_slice(&sum.to_le_bytes());
    }
    bytes.resize(header.frame_bytes(), 0);
    bytes
}

/// The frame behind a `Bind` of binding 3 and one message.
fn last_frame(check: Check, calls: fn(&mut SendHalf)) -> Vec<u8> {
    let mut before = 0;
    let bytes = written_with(check, |half| {
        half.bind(binding(3), &bind(), 1_024);
        send(half, 3, &(0x6061_u64, 41_u32));
        before = half.pending_bytes();
        calls(half);
    });
    bytes[before..].to_vec()
}

fn wrong_type() -> ReplyFailure {
    ReplyFailure::WrongType {
        found: "TopOfBook".into(),
    }
}

fn credit() -> Credit {
    Credit {
        confirmed: 500,
        refused: 12,
        returned_bytes: 49_152,
    }
}

pub(crate) fn resolved() -> Resolved {
    Resolved {
        actor: ActorId::from_u64(7),
        key: ExportKey::from_u64(0x4142_4344_4546_4748),
        fingerprint: 0x5152_5354_5556_5758,
        capacity_messages: 1_024,
        also_takes: [0x6162_6364_6566_6768].into(),
        type_name: "Book".into(),
    }
}

fn dump(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (line, sixteen) in bytes.chunks(16).enumerate() {
        write!(text, "{:04x} ", line * 16).expect("a String takes everything");
        for byte in sixteen {
            write!(text, " {byte:02x}").expect("a String takes everything");
        }
        text.push('\n');
    }
    text
}

#[test]
fn frames_have_the_bytes_that_the_document_prints() {
    let mut missing = String::new();
    for &kind in FrameKind::ALL {
        let block = format!("{kind}\n{}", dump(&frame_of(kind)));
        look_for(&block, &mut missing);
    }
    let checked = frame_with(Check::Crc32c, FrameKind::Message);
    look_for(
        &format!("Message, checked\n{}", dump(&checked)),
        &mut missing,
    );
    let extended = extended_message();
    look_for(
        &format!("Message, with both extensions\n{}", dump(&extended)),
        &mut missing,
    );
    assert!(
        missing.is_empty(),
        "docs/wire-format.md lacks:\n\n{missing}"
    );
}

fn look_for(block: &str, missing: &mut String) {
    if !DOCUMENT.contains(&format!("```text\n{block}```")) {
        write!(missing, "```text\n{block}```\n\n").expect("a String takes everything");
    }
}

#[test]
fn the_check_is_a_crc32c_of_header_and_payload() {
    for &kind in FrameKind::ALL {
        let plain = frame_of(kind);
        let mut checked = frame_with(Check::Crc32c, kind);
        let length = u32::from_le_bytes([plain[0], plain[1], plain[2], plain[3]]) as usize;
        let wanted = !crc_register(&plain[..length]);
        assert_eq!(checked[24..28], wanted.to_le_bytes(), "{kind}");
        checked[24..28].fill(0);
        assert_eq!(checked, plain, "{kind}");
    }
}

#[test]
fn golden_frames_are_read_as_what_they_are() {
    let mut half = opened(Limits::default());
    let mut events = Vec::new();
    let inbound = [
        FrameKind::Bind,
        FrameKind::Bound,
        FrameKind::Credit,
        FrameKind::Ended,
        FrameKind::Unbound,
        FrameKind::Resolve,
        FrameKind::Resolved,
        FrameKind::Kill,
        FrameKind::Heartbeat,
        FrameKind::Reply,
        FrameKind::ReplyFailed,
        FrameKind::Fragment,
        FrameKind::Widen,
        FrameKind::Offer,
        FrameKind::Part,
        FrameKind::Taken,
        FrameKind::Withdraw,
        FrameKind::Decline,
        FrameKind::Close,
    ];
    for kind in inbound {
        read_all(&mut half, &frame_of(kind), |event| {
            events.push(describe(&event));
        })
        .expect("a legal frame");
    }
    let expected = [
        "Bind { binding: binding-3, bind: Bind { actor: actor-7, key: ExportKey(..), \
         fingerprint: 5859837686836516696, type_name: \"Book\" } }",
        "Bound { binding: binding-3, window: Window { messages: 1024, bytes: 1114144 } }",
        "Credit { binding: binding-3, credit: Credit { confirmed: 500, refused: 12, returned_bytes: 49152 } }",
        "Ended { binding: binding-3, reason: Failed(\"no price\") }",
        "Unbound { binding: binding-3 }",
        "Resolve { request: 9, name: \"book/AAPL\" }",
        "Resolved { request: 9, resolved: Some(Resolved { actor: actor-7, key: ExportKey(..), \
         fingerprint: 5859837686836516696, capacity_messages: 1024, also_takes: [7017280452245743464], type_name: \"Book\" }) }",
        "Kill { binding: binding-3 }",
        "Heartbeat",
        "Reply 9 [98, 97, 0, 0, 0, 0, 0, 0, 42, 0, 0, 0, 0, 0, 0, 0]",
        "ReplyFailed { request: 9, failure: WrongType { found: \"TopOfBook\" } }",
        "LongReply { request: 9, archive: b\"ba\\0\\0\\0\\0\\0\\0*\\0\\0\\0\\0\\0\\0\\0\" }",
        "Widen",
        "Offer { ticket: 9, length_bytes: 1048576 }",
        "Part 9 [98, 121, 116, 101, 115]",
        "Taken { ticket: 9, taken_bytes: 65504 }",
        "Withdrawn { ticket: 9 }",
        "Declined { ticket: 9, why: TooLarge { limit_bytes: 65536 } }",
        "Close(ByPeer { code: 1, text: \"the link was closed on request\" })",
    ];
    assert_eq!(events, expected);
}
