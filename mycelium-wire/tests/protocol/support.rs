//! What the tests share: an introduced node, bytes out of one half, bytes into the other.

use mycelium_wire::{
    Bind, BindingId, Check, CloseReason, Event, FrameExtensions, Hello, Limits, NodeId,
    ReceiveHalf, SendHalf, SendTime, TraceContext, rkyv::util::AlignedVec,
};

pub(crate) const LOCAL_NONCE: u128 = 0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10;
pub(crate) const PEER_NONCE: u128 = 0x1112_1314_1516_1718_191a_1b1c_1d1e_1f20;

pub(crate) fn hello(name: &str, nonce: u128) -> Hello {
    Hello {
        node: NodeId::new(
            name.parse().expect("a valid name"),
            0x2122_2324_2526_2728_292a_2b2c_2d2e_2f30,
        ),
        nonce,
        boot_id: 0x3132_3334_3536_3738_393a_3b3c_3d3e_3f40,
        uid: 1_000,
        pid: 4_242,
        message_limit_bytes: 1 << 20,
        joins: 0x6f6e_6d6c_6b6a_6968_6766_6564_6362_6160,
        addresses: vec!["unix:/run/book-1.sock".into(), "tcp:127.0.0.1:7000".into()],
    }
}

pub(crate) fn binding(number: u32) -> BindingId {
    BindingId::from_u32(number)
}

pub(crate) fn bind() -> Bind {
    Bind {
        actor: mycelium_wire::ActorId::from_u64(7),
        key: mycelium_wire::ExportKey::from_u64(0x4142_4344_4546_4748),
        fingerprint: 0x5152_5354_5556_5758,
        type_name: "Book".into(),
    }
}

/// What the calls wrote, on a link without checks.
pub(crate) fn written(calls: impl FnOnce(&mut SendHalf)) -> Vec<u8> {
    written_with(Check::None, calls)
}

pub(crate) fn written_with(check: Check, calls: impl FnOnce(&mut SendHalf)) -> Vec<u8> {
    let mut half = SendHalf::new(Limits::default(), check);
    calls(&mut half);
    transmit(&mut half)
}

pub(crate) fn transmit(half: &mut SendHalf) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut spare = AlignedVec::new();
    while half.poll_transmit(&mut spare) {
        bytes.extend_from_slice(&spare);
    }
    bytes
}

/// Both of them.
pub(crate) const EXTENSIONS: FrameExtensions = FrameExtensions {
    trace: Some(TraceContext {
        trace_id: 0x7172_7374_7576_7778,
        span_id: 0x8182_8384_8586_8788,
    }),
    sent: Some(SendTime {
        sent_ns: 0x9192_9394_9596_9798,
        ttl_ns: 0xa1a2_a3a4_a5a6_a7a8,
    }),
};

pub(crate) fn send<T: mycelium_wire::Wire>(half: &mut SendHalf, number: u32, message: &T) {
    send_with(half, number, FrameExtensions::default(), message);
}

pub(crate) fn send_with<T: mycelium_wire::Wire>(
    half: &mut SendHalf,
    number: u32,
    extensions: FrameExtensions,
    message: &T,
) {
    half.send_with(binding(number), extensions, &mut (), &mut |encoder| {
        encoder.encode(message)
    })
    .expect("there is credit");
}

pub(crate) fn reply<T: mycelium_wire::Wire>(half: &mut SendHalf, request: u64, reply: &T) {
    half.reply(request, &mut (), &mut |encoder| encoder.encode(reply))
        .expect("below the limit");
}

/// Reads as a driver does: into the spare room only. Gives back how many bytes fitted.
pub(crate) fn read_some(half: &mut ReceiveHalf, bytes: &[u8]) -> usize {
    let buffer = half.buffer();
    let count = bytes.len().min(buffer.capacity() - buffer.len());
    buffer.extend_from_slice(&bytes[..count]);
    count
}

/// Reads everything and passes every event on, up to the first error.
pub(crate) fn read_all(
    half: &mut ReceiveHalf,
    mut bytes: &[u8],
    mut handle: impl FnMut(Event<'_>),
) -> Result<(), CloseReason> {
    while !bytes.is_empty() {
        let count = read_some(half, bytes);
        assert!(count > 0, "the buffer always has room");
        bytes = &bytes[count..];
        while let Some(event) = half.poll_event()? {
            handle(event);
        }
    }
    Ok(())
}

/// The bytes of a peer's whole handshake.
pub(crate) fn handshake(check: Check) -> Vec<u8> {
    written_with(check, |half| {
        half.hello(&hello("peer", PEER_NONCE)).expect("fits");
        half.confirm(LOCAL_NONCE, 0);
    })
}

/// A half whose peer has finished its handshake, on a link without checks.
pub(crate) fn opened(limits: Limits) -> ReceiveHalf {
    let mut half = ReceiveHalf::new(limits, LOCAL_NONCE, Check::None);
    read_all(&mut half, &handshake(Check::None), |_| {}).expect("a correct handshake");
    half
}

/// The CRC's register after these bytes, bit by bit as its definition says.
pub(crate) fn crc_register(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |register, byte| {
        (0..8).fold(register ^ u32::from(*byte), |bits, _| {
            (bits >> 1) ^ if bits & 1 == 1 { CASTAGNOLI } else { 0 }
        })
    })
}

/// The polynomial 0x1edc6f41 with its bits reflected.
pub(crate) const CASTAGNOLI: u32 = 0x82f6_3b78;

/// An event as text, with the payload of a message or reply: what two runs are compared by.
pub(crate) fn describe(event: &Event<'_>) -> String {
    match event {
        Event::Message { binding, frame } => {
            let sequence = frame.header().sequence;
            let message = format!("Message {binding} #{sequence}");
            match frame.extensions() {
                none if none == FrameExtensions::default() => {
                    format!("{message} {:?}", frame.payload())
                }
                extensions => format!("{message} {extensions:?} {:?}", frame.payload()),
            }
        }
        Event::Reply { request, frame } => format!("Reply {request} {:?}", frame.payload()),
        Event::Part { ticket, frame } => format!("Part {ticket} {:?}", frame.payload()),
        other => format!("{other:?}"),
    }
}
