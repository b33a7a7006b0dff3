//! [`Payloads`]: where small payloads are copied to while they wait for their actor.
//!
//! They lie one behind the other in chunks that are used again once all payloads in them are gone,
//! so a sender whose messages are taken as they come costs no allocation.

use std::{collections::VecDeque, mem};

use bytes::{Buf, Bytes, BytesMut};

use super::COPIED_PAYLOAD_BYTES;

/// What a payload's start is a multiple of: archives are read where they lie.
const ALIGNMENT_BYTES: usize = 16;

/// The size of the first chunk; each later one is twice as large, up to the most.
const LEAST_CHUNK_BYTES: usize = 2 << 10;
const MOST_CHUNK_BYTES: usize = 32 << 10;

/// How many chunks are kept for later, at least as long as something lies in them.
const KEPT_CHUNKS: usize = 16;

/// The payloads of one binding.
#[derive(Default)]
pub(super) struct Payloads {
    /// What the next payload is copied to.
    chunk: BytesMut,
    /// The size of the largest chunk so far.
    chunk_bytes: usize,
    /// The chunks before, the oldest first: payloads go in the order they came.
    spent: VecDeque<BytesMut>,
}

impl Payloads {
    /// A copy of the payload, aligned.
    pub(super) fn keep(&mut self, payload: &[u8]) -> Bytes {
        let padded_bytes = payload.len().next_multiple_of(ALIGNMENT_BYTES);
        if self.chunk.capacity() < padded_bytes {
            self.turn();
        }
        let padding = [0; ALIGNMENT_BYTES];
        self.chunk.extend_from_slice(payload);
        self.chunk
            .extend_from_slice(&padding[..padded_bytes - payload.len()]);
        let mut kept = self.chunk.split_to(padded_bytes);
        kept.truncate(payload.len());
        kept.freeze()
    }

    /// Goes on to a chunk with room: the oldest one, if nothing lies in it any more.
    #[cold]
    fn turn(&mut self) {
        if self.chunk_bytes > 0 {
            self.spent.push_back(mem::take(&mut self.chunk));
        }
        while self.spent.len() > KEPT_CHUNKS && self.oldest_is_idle() {
            self.spent.pop_front();
        }
        let chunk = if self.oldest_is_idle() {
            self.spent.pop_front().expect("there is an oldest")
        } else {
            self.chunk_bytes = (2 * self.chunk_bytes).clamp(LEAST_CHUNK_BYTES, MOST_CHUNK_BYTES);
            BytesMut::with_capacity(self.chunk_bytes)
        };
        self.chunk = from_aligned(chunk);
    }

    /// Whether the oldest chunk can be filled anew.
    fn oldest_is_idle(&mut self) -> bool {
        // A spent chunk has less room than this behind the payloads that lie in it.
        let oldest = self.spent.front_mut();
        oldest.is_some_and(|oldest| oldest.try_reclaim(LEAST_CHUNK_BYTES))
    }
}

/// The rest of an empty chunk from its first aligned byte on: allocators may put bytes anywhere.
fn from_aligned(mut chunk: BytesMut) -> BytesMut {
    let skipped_bytes = chunk.as_ptr().align_offset(ALIGNMENT_BYTES);
    chunk.resize(skipped_bytes, 0);
    chunk.advance(skipped_bytes);
    chunk
}

const _: () = assert!(COPIED_PAYLOAD_BYTES + ALIGNMENT_BYTES < LEAST_CHUNK_BYTES);

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use allocation_counter::measure;
    use bytes::{Buf, BytesMut};

    use super::{ALIGNMENT_BYTES, KEPT_CHUNKS, LEAST_CHUNK_BYTES, Payloads, from_aligned};

    #[test]
    fn payloads_stay_as_they_were_and_aligned() {
        let mut payloads = Payloads::default();
        let content = |number: usize| vec![number.to_le_bytes()[0]; number % 700];
        let mut kept = VecDeque::new();
        for number in 0..10_000 {
            let payload = payloads.keep(&content(number));
            assert!(payload.is_empty() || payload.as_ptr().addr().is_multiple_of(ALIGNMENT_BYTES));
            kept.push_back((number, payload));
            if kept.len() > number % 100 {
                let (number, payload) = kept.pop_front().expect("one was pushed");
                assert_eq!(payload, content(number));
            }
        }
    }

    #[test]
    fn a_chunk_begins_aligned_wherever_the_allocator_put_it() {
        for skipped_bytes in 0..2 * ALIGNMENT_BYTES {
            let mut chunk = BytesMut::with_capacity(LEAST_CHUNK_BYTES);
            chunk.resize(skipped_bytes, 0);
            chunk.advance(skipped_bytes);
            let room_bytes = chunk.capacity();
            let chunk = from_aligned(chunk);
            assert!(chunk.is_empty());
            assert!(chunk.as_ptr().addr().is_multiple_of(ALIGNMENT_BYTES));
            assert!(chunk.capacity() + ALIGNMENT_BYTES > room_bytes);
        }
    }

    #[test]
    fn payloads_that_go_as_they_come_allocate_nothing() {
        let mut payloads = Payloads::default();
        let mut kept = VecDeque::new();
        let mut run = |messages| {
            for _ in 0..messages {
                kept.push_back(payloads.keep(&[7; 100]));
                if kept.len() > 200 {
                    kept.pop_front();
                }
            }
        };
        run(10_000);
        assert_eq!(measure(|| run(100_000)).count_total, 0);
    }

    #[test]
    fn a_backlog_leaves_a_few_chunks_behind() {
        let mut payloads = Payloads::default();
        let backlog: Vec<_> = (0..10_000).map(|_| payloads.keep(&[7; 1_000])).collect();
        assert!(payloads.spent.len() > 100);
        drop(backlog);
        for _ in 0..100 {
            drop(payloads.keep(&[7; 1_000]));
        }
        assert!(payloads.spent.len() <= KEPT_CHUNKS);
    }
}
