//! The target `header`: 32 bytes that may be a header, and fields that may make one.

use mycelium::wire::{BindingId, CloseReason, FrameKind, HEADER_BYTES, Header};

use crate::fuzz::script::Script;

/// Reads every 32 bytes as a header, and once more as the fields of one.
///
/// # Panics
///
/// Where what decodes does not encode to the same bytes, or what encodes is not decoded or refused
/// as a malformed frame of its kind.
pub fn header(bytes: &[u8]) {
    for bytes in bytes.chunks(HEADER_BYTES) {
        let raw = Script::new(bytes).array();
        if let Ok(header) = Header::decode(&raw) {
            assert_eq!(header.encode(), raw);
            assert!(header.frame_bytes() >= header.length as usize);
        }
        if let Some(header) = from_fields(bytes) {
            check(&header);
        }
    }
}

fn from_fields(bytes: &[u8]) -> Option<Header> {
    let mut script = Script::new(bytes);
    Some(Header {
        kind: FrameKind::from_u8(script.byte())?,
        length: u32::from_le_bytes(script.array()),
        binding: BindingId::from_u32(u32::from_le_bytes(script.array())),
        sequence: u32::from_le_bytes(script.array()),
        request: u64::from_le_bytes(script.array()),
        check: u32::from_le_bytes(script.array()),
        flags: script.byte(),
    })
}

fn check(header: &Header) {
    match Header::decode(&header.encode()) {
        Ok(decoded) => assert_eq!(decoded, *header),
        Err(CloseReason::Malformed { kind, .. }) => assert_eq!(kind, header.kind),
        Err(other) => panic!("{other}"),
    }
}
