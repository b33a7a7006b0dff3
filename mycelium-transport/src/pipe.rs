//! [`Pipe`]: a connection within this process, with the manners of a socket.
//!
//! Each direction is a bounded ring of bytes under a lock, which is held for one copy. One task at
//! a time waits for either side of a ring: the reader of the connection, or its writer.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::BytesMut;
use tokio::sync::Notify;

/// How much one direction holds before its writer has to wait; about what a Unix socket holds.
const CAPACITY_BYTES: usize = 208 * 1024;

/// One end of a connection within this process; the other end sees its drop as the end of the
/// stream.
#[derive(Debug)]
pub(crate) struct Pipe {
    incoming: Arc<Direction>,
    outgoing: Arc<Direction>,
}

#[derive(Debug, Default)]
struct Direction {
    ring: Mutex<Ring>,
    /// There are bytes, or there will be no more.
    readable: Notify,
    /// There is room, or nobody reads any more.
    writable: Notify,
}

#[derive(Debug, Default)]
struct Ring {
    bytes: VecDeque<u8>,
    /// One of the two ends is gone.
    is_closed: bool,
}

impl Pipe {
    /// Two ends of a new connection.
    pub(crate) fn pair() -> (Self, Self) {
        let (there, back) = (Arc::default(), Arc::default());
        let near = Self {
            incoming: Arc::clone(&back),
            outgoing: Arc::clone(&there),
        };
        let far = Self {
            incoming: there,
            outgoing: back,
        };
        (near, far)
    }

    /// Reads what is there into the buffer's spare capacity; 0 is the end of the stream.
    pub(crate) fn try_read_buf(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        let mut ring = self.incoming.lock();
        if ring.bytes.is_empty() {
            let end = ring.is_closed.then_some(0);
            return end.ok_or_else(|| ErrorKind::WouldBlock.into());
        }
        let was_full = ring.bytes.len() == CAPACITY_BYTES;
        let read_bytes = ring.take(buffer);
        drop(ring);
        if was_full {
            self.incoming.writable.notify_one();
        }
        Ok(read_bytes)
    }

    /// Writes what there is room for.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut ring = self.outgoing.lock();
        if ring.is_closed {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let room_bytes = CAPACITY_BYTES - ring.bytes.len();
        if room_bytes == 0 && !bytes.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let was_empty = ring.bytes.is_empty();
        let written = &bytes[..bytes.len().min(room_bytes)];
        ring.bytes.extend(written);
        drop(ring);
        if was_empty {
            self.outgoing.readable.notify_one();
        }
        Ok(written.len())
    }

    /// Tells the other end that nothing more comes.
    pub(crate) fn end_writing(&self) {
        self.outgoing.close();
    }

    /// How much a read would find.
    pub(crate) fn unread_bytes(&self) -> u64 {
        self.incoming.lock().bytes.len() as u64
    }

    /// Waits until a read gives something.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub(crate) async fn readable(&self) {
        while self.incoming.lock().is_blank() {
            self.incoming.readable.notified().await;
        }
    }

    /// Waits until a write takes something.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub(crate) async fn writable(&self) {
        while self.outgoing.lock().is_full() {
            self.outgoing.writable.notified().await;
        }
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.incoming.close();
        self.outgoing.close();
    }
}

impl Direction {
    fn close(&self) {
        self.lock().is_closed = true;
        self.readable.notify_one();
        self.writable.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    /// Moves the oldest bytes to the buffer, as many as it has room for.
    fn take(&mut self, buffer: &mut BytesMut) -> usize {
        let room_bytes = buffer.capacity() - buffer.len();
        let taken_bytes = room_bytes.min(self.bytes.len());
        let (first, second) = self.bytes.as_slices();
        let first = &first[..taken_bytes.min(first.len())];
        buffer.extend_from_slice(first);
        buffer.extend_from_slice(&second[..taken_bytes - first.len()]);
        self.bytes.drain(..taken_bytes);
        taken_bytes
    }

    /// Whether a reader has to wait.
    fn is_blank(&self) -> bool {
        self.bytes.is_empty() && !self.is_closed
    }

    /// Whether a writer has to wait.
    fn is_full(&self) -> bool {
        self.bytes.len() == CAPACITY_BYTES && !self.is_closed
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use bytes::BytesMut;

    use super::{CAPACITY_BYTES, Pipe};

    fn would_block<T: std::fmt::Debug>(result: std::io::Result<T>) -> bool {
        matches!(result, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    #[test]
    fn bytes_arrive_in_order_within_the_room_of_the_buffer() {
        let (near, far) = Pipe::pair();
        let mut buffer = BytesMut::with_capacity(4);
        assert!(would_block(far.try_read_buf(&mut buffer)));
        assert_eq!(
            near.try_write(b"abcdef").expect("the other end is there"),
            6
        );

        let room_bytes = buffer.capacity();
        assert_eq!(
            far.try_read_buf(&mut buffer).expect("bytes"),
            room_bytes.min(6)
        );
        assert_eq!(buffer.capacity(), room_bytes, "it was not made to grow");
        let mut rest = BytesMut::with_capacity(64);
        far.try_read_buf(&mut rest).expect("bytes");
        assert_eq!([&buffer[..], &rest[..]].concat(), b"abcdef");
    }

    #[test]
    fn a_full_pipe_takes_no_more_until_it_is_read() {
        let (near, far) = Pipe::pair();
        let bytes = vec![7; CAPACITY_BYTES + 1];
        assert_eq!(near.try_write(&bytes).expect("room"), CAPACITY_BYTES);
        assert!(would_block(near.try_write(&bytes)));

        let mut buffer = BytesMut::with_capacity(10);
        let read_bytes = far.try_read_buf(&mut buffer).expect("bytes");
        assert_eq!(near.try_write(&bytes).expect("room again"), read_bytes);
    }

    #[test]
    fn an_end_that_is_dropped_is_read_out_and_never_written_to() {
        let (near, far) = Pipe::pair();
        near.try_write(b"last").expect("room");
        drop(near);
        let mut buffer = BytesMut::with_capacity(64);
        assert_eq!(far.try_read_buf(&mut buffer).expect("bytes"), 4);
        assert_eq!(far.try_read_buf(&mut buffer).expect("the end"), 0);
        let refused = far.try_write(b"x").expect_err("nobody reads it");
        assert_eq!(refused.kind(), ErrorKind::BrokenPipe);
    }

    #[tokio::test]
    async fn whoever_waits_is_woken_by_bytes_by_room_and_by_the_end() {
        let (near, far) = Pipe::pair();
        let bytes = vec![1; 3 * CAPACITY_BYTES];
        let sent_bytes = bytes.len();
        let writing = tokio::spawn(async move {
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                near.writable().await;
                let written_bytes = near.try_write(rest).expect("room");
                rest = &rest[written_bytes..];
            }
        });
        let mut received_bytes = 0;
        loop {
            far.readable().await;
            let mut buffer = BytesMut::with_capacity(4096);
            match far.try_read_buf(&mut buffer).expect("bytes or the end") {
                0 => break,
                read_bytes => received_bytes += read_bytes,
            }
        }
        assert_eq!(received_bytes, sent_bytes);
        writing.await.expect("the writer is done");
    }
}
