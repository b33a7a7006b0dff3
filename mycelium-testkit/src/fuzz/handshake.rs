//! The target `handshake`: what a half makes of bytes before the link is up.

use mycelium::wire::{
    Check, CloseReason, Event, HandshakeState, Hello, Limits, NodeId, ReceiveHalf, SendHalf,
    rkyv::util::AlignedVec,
};

use crate::{
    Choices,
    fuzz::{
        script::Script,
        stream::{LARGEST_BYTES, NORMAL_BYTES, Stream, limits},
    },
};

/// Take a whole handshake and change it, instead of taking the bytes as they are.
pub(crate) const MUTATED: u8 = 4;

/// The nonce of the half that reads.
const LOCAL_NONCE: u128 = 0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10;

/// Reads a stream, any or a handshake with changes, as the first bytes of a connection.
///
/// # Panics
///
/// Where the half goes on after a fault, is up before its time, takes more memory than it may, or
/// reads another `Hello` than could be written.
pub fn handshake(bytes: &[u8]) {
    let stream = Stream::new(bytes, |options, check, script| {
        if options & MUTATED == 0 {
            script.rest().to_vec()
        } else {
            changed(honest(check), script)
        }
    });
    let mut half = ReceiveHalf::new(limits(), LOCAL_NONCE, stream.check);
    let mut pieces = stream.pieces();
    let mut rest = &stream.bytes[..];
    while !rest.is_empty() {
        let most_bytes = match half.state() {
            HandshakeState::AwaitHello | HandshakeState::AwaitConfirm => NORMAL_BYTES,
            HandshakeState::Open | HandshakeState::Closed => LARGEST_BYTES,
        };
        let buffer = half.buffer();
        let room = buffer.capacity() - buffer.len();
        assert!(room > 0, "there is always room to read");
        assert!(buffer.capacity() <= most_bytes, "{}", buffer.capacity());
        let piece = pieces.next().unwrap_or(usize::MAX);
        let (now, later) = rest.split_at(rest.len().min(room).min(piece));
        buffer.extend_from_slice(now);
        rest = later;
        if let Err(reason) = poll_all(&mut half) {
            assert_eq!(half.state(), HandshakeState::Closed, "{reason}");
        }
    }
}

/// Takes all events; after a `Close` or a fault there is none.
fn poll_all(half: &mut ReceiveHalf) -> Result<(), CloseReason> {
    loop {
        let before = half.state();
        let Some(event) = half.poll_event()? else {
            return Ok(());
        };
        assert_ne!(before, HandshakeState::Closed, "{event:?}");
        let is_open = before == HandshakeState::Open;
        match event {
            Event::Close(_) => {}
            Event::Hello(hello) => {
                assert_eq!(before, HandshakeState::AwaitHello);
                check_hello(&hello);
            }
            Event::Up { .. } => assert_eq!(before, HandshakeState::AwaitConfirm),
            event => assert!(is_open, "{event:?} while we {before}"),
        }
    }
}

/// What was read can be written, and is then read as the same.
fn check_hello(hello: &Hello) {
    let mut send = SendHalf::new(Limits::default(), Check::None);
    send.hello(hello).expect("what fitted once fits again");
    let mut bytes = AlignedVec::new();
    send.poll_transmit(&mut bytes);
    let mut half = ReceiveHalf::new(Limits::default(), !hello.nonce, Check::None);
    half.buffer().extend_from_slice(&bytes);
    match half.poll_event() {
        Ok(Some(Event::Hello(again))) => assert_eq!(*again, *hello),
        other => panic!("{other:?}"),
    }
}

/// The bytes of a handshake that is as it should be.
pub(crate) fn honest(check: Check) -> Vec<u8> {
    let mut send = SendHalf::new(Limits::default(), check);
    send.hello(&hello()).expect("it fits");
    send.confirm(LOCAL_NONCE, 0);
    let mut bytes = AlignedVec::new();
    send.poll_transmit(&mut bytes);
    bytes.to_vec()
}

/// What the honest peer says of itself.
pub(crate) fn hello() -> Hello {
    Hello {
        node: NodeId::new("peer".parse().expect("a valid name"), 1 << 100 | 7),
        nonce: 2,
        boot_id: 3,
        uid: 1_000,
        pid: 4_242,
        message_limit_bytes: 1 << 20,
        joins: 0,
        addresses: vec!["unix:/run/peer.sock".into(), "tcp:127.0.0.1:7000".into()],
    }
}

/// Changes bytes, takes some out and puts others in, as the script says.
fn changed(mut bytes: Vec<u8>, mut script: Script<'_>) -> Vec<u8> {
    while !script.is_over() {
        let operation = script.below(4);
        let at = usize::from(u16::from_le_bytes(script.array())) % (bytes.len() + 1);
        let count = script.below(32);
        let end = bytes.len().min(at + count);
        match operation {
            0 => bytes[at..end].fill(script.byte()),
            1 => drop(bytes.splice(at..at, script.bytes(count).iter().copied())),
            2 => drop(bytes.drain(at..end)),
            _ => {
                let put = script.bytes(end - at);
                bytes[at..at + put.len()].copy_from_slice(put);
            }
        }
    }
    bytes
}
