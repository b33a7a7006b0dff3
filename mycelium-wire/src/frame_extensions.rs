//! [`FrameExtensions`]: what a message's frame may carry between its header and its payload.
//!
//! Each is there when its flag in the header is set, and costs nothing when it is not.

use rkyv::util::AlignedVec;

use crate::header::FRAME_ALIGNMENT_BYTES;

/// What each extension takes, so that the payload behind it stays aligned.
const EXTENSION_BYTES: usize = FRAME_ALIGNMENT_BYTES;

/// The flag of a [`TraceContext`].
const TRACE: u8 = 0x01;

/// The flag of a [`SendTime`].
const SENT: u8 = 0x02;

/// The flags that this version knows.
pub(crate) const KNOWN_FLAGS: u8 = TRACE | SENT;

/// Where a message belongs in a trace: ids of whatever the program traces with.
///
/// Handlers of a trace are linked by these ids; nothing is looked up or kept by them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TraceContext {
    /// The trace: all that follows from one event.
    pub trace_id: u64,
    /// The step of the trace that sent the message.
    pub span_id: u64,
}

/// When a message was sent, and for how long it is of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendTime {
    /// Between nodes of one host: what its monotonic clock showed at the send, in nanoseconds. Else,
    /// how long the send was ago when the frame was written.
    pub sent_ns: u64,
    /// How long from the send on the message is of use, in nanoseconds; 0 where it always is.
    pub ttl_ns: u64,
}

/// What the frame of one message carries besides its payload.
///
/// ```text
///      0                  8                  16
///      +------------------+------------------+
///      |     trace id     |     span id      |   flag 0x01
///      |       u64        |       u64        |
///      +------------------+------------------+
///      |       sent       |   time to live   |   flag 0x02
///      |       u64        |       u64        |
///      +------------------+------------------+
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameExtensions {
    /// Where the message belongs in a trace.
    pub trace: Option<TraceContext>,
    /// When the message was sent.
    pub sent: Option<SendTime>,
}

impl FrameExtensions {
    /// Bytes of those that are there.
    pub fn size_bytes(&self) -> usize {
        size_bytes(self.flags())
    }

    /// The flags of those that are there.
    pub(crate) fn flags(&self) -> u8 {
        let trace = self.trace.map_or(0, |_| TRACE);
        trace | self.sent.map_or(0, |_| SENT)
    }

    pub(crate) fn write(&self, out: &mut AlignedVec<16>) {
        let trace = self.trace.map(|trace| [trace.trace_id, trace.span_id]);
        let sent = self.sent.map(|sent| [sent.sent_ns, sent.ttl_ns]);
        for number in [trace, sent].into_iter().flatten().flatten() {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }

    /// Reads what the flags tell of from the bytes behind a header; there are as many.
    pub(crate) fn read(flags: u8, bytes: &[u8]) -> Self {
        let mut numbers = bytes
            .chunks_exact(8)
            .map(|number| u64::from_le_bytes(number.try_into().expect("a chunk has its size")));
        let mut next = || numbers.next().expect("a frame holds its extensions");
        Self {
            trace: (flags & TRACE != 0).then(|| TraceContext {
                trace_id: next(),
                span_id: next(),
            }),
            sent: (flags & SENT != 0).then(|| SendTime {
                sent_ns: next(),
                ttl_ns: next(),
            }),
        }
    }
}

/// The bytes of the extensions with these flags.
pub(crate) const fn size_bytes(flags: u8) -> usize {
    EXTENSION_BYTES * flags.count_ones() as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rkyv::util::AlignedVec;

    use super::{FrameExtensions, SendTime, TraceContext, size_bytes};

    proptest! {
        #[test]
        fn what_is_written_is_read_again(trace: Option<(u64, u64)>, sent: Option<(u64, u64)>) {
            let extensions = FrameExtensions {
                trace: trace.map(|(trace_id, span_id)| TraceContext { trace_id, span_id }),
                sent: sent.map(|(sent_ns, ttl_ns)| SendTime { sent_ns, ttl_ns }),
            };
            let mut bytes = AlignedVec::new();
            extensions.write(&mut bytes);
            prop_assert_eq!(bytes.len(), size_bytes(extensions.flags()));
            prop_assert_eq!(FrameExtensions::read(extensions.flags(), &bytes), extensions);
        }
    }
}
