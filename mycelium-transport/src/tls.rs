//! [`Tls`]: a TCP socket under mutual TLS 1.3, with the manners of a plain one.
//!
//! rustls is driven directly, behind a lock, so that any thread may write while a task reads. The
//! lock is held for one non-blocking pass, with the kernel's write in it: records must leave in the
//! order in which they were numbered.
//!
//! Bytes count as written once the kernel has the records that they are in. What it has not taken
//! is offered again by whoever writes, as at a plain socket, and the records that were made of it
//! already go out then. So no byte waits inside rustls without somebody who comes back for it.

pub(crate) mod config;
mod config_error;
mod key_file;
mod refusal;
#[cfg(test)]
mod tests;
mod verifier;

use std::{
    io::{self, BufRead, ErrorKind, IoSlice, Write},
    mem,
    net::Shutdown,
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::{BufMut, BytesMut};
use mycelium_wire::{CloseReason, NodeName};
use rustls::{ClientConnection, Connection, ServerConnection, pki_types::ServerName};
use socket2::SockRef;
use tokio::net::TcpStream;

use crate::socket;

pub(crate) use self::refusal::TlsRefusal;
pub use self::{config::TlsConfig, config_error::TlsConfigError};

/// How much is encrypted before the kernel gets it: four records of the greatest size.
const SEALED_BYTES: usize = 64 * 1_024;

/// What is read from the kernel at a time, at first: a peer that has not shown a certificate costs
/// no more.
const READ_BYTES_MIN: usize = 4 * 1_024;

/// What is read at a time of a peer that fills what it is given.
const READ_BYTES_MAX: usize = 64 * 1_024;

/// A TCP connection under TLS, whose two ends each know the other's certificate.
#[derive(Debug)]
pub(crate) struct Tls {
    stream: TcpStream,
    session: Mutex<Session>,
    /// The reader's alone; taken before the session.
    incoming: Mutex<Incoming>,
}

impl Tls {
    /// Our side of a connection that we dialled; nothing is sent yet.
    pub(crate) fn dialled(stream: TcpStream, config: &TlsConfig) -> io::Result<Self> {
        // Never looked at: the peer says who it is in its hello, and its certificate is held
        // against that. Nor is it sent.
        let nobody = ServerName::try_from("node").expect("a DNS name");
        let connection =
            ClientConnection::new(config.client(), nobody).map_err(io::Error::other)?;
        Ok(Self::new(stream, connection.into()))
    }

    /// Our side of a connection that we accepted.
    pub(crate) fn accepted(stream: TcpStream, config: &TlsConfig) -> io::Result<Self> {
        let connection = ServerConnection::new(config.server()).map_err(io::Error::other)?;
        Ok(Self::new(stream, connection.into()))
    }

    fn new(stream: TcpStream, mut connection: Connection) -> Self {
        connection.set_buffer_limit(Some(SEALED_BYTES));
        Self {
            stream,
            session: Mutex::new(Session {
                connection,
                owed_bytes: 0,
                has_ended: false,
            }),
            incoming: Mutex::new(Incoming::default()),
        }
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Shakes hands: when this returns, the peer's certificate is one that we trust. A dialler may
    /// yet find its own refused, which its next read tells.
    pub(crate) async fn secure(&self) -> io::Result<()> {
        loop {
            let (is_flushed, is_done) = {
                let mut session = self.session();
                let is_flushed = session.flush(&mut Kernel(&self.stream))?;
                (is_flushed, !session.connection.is_handshaking())
            };
            if !is_flushed {
                self.stream.writable().await?;
            } else if is_done {
                return Ok(());
            } else {
                self.stream.readable().await?;
                self.take_handshake()?;
            }
        }
    }

    /// The peer's certificate has to name the node that it says it is.
    pub(crate) fn check_name(&self, claimed: &NodeName) -> Result<(), CloseReason> {
        let session = self.session();
        let certificates = session.connection.peer_certificates();
        let leaf = certificates.and_then(<[_]>::first);
        let names = leaf.map_or_else(Vec::new, config::dns_names);
        if names.iter().any(|name| name == claimed.as_str()) {
            return Ok(());
        }
        Err(CloseReason::WrongCertificateName {
            certified: names.join(", ").into(),
            claimed: claimed.clone(),
        })
    }

    /// Reads what is there into the buffer's spare capacity; 0 is the end that the peer announced.
    /// A stream that ends without is an error, `UnexpectedEof`: somebody may have cut it.
    pub(crate) fn try_read_buf(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        if buffer.len() == buffer.capacity() {
            buffer.reserve(READ_BYTES_MIN);
        }
        let before = buffer.len();
        let mut incoming = self.incoming();
        loop {
            let found = incoming.open(&mut self.session(), buffer);
            let read_bytes = buffer.len() - before;
            match found {
                _ if read_bytes > 0 => return Ok(read_bytes),
                Ok(Found::End) => return Ok(0),
                Ok(Found::Nothing) => incoming.fill(&self.stream)?,
                Ok(Found::NoRoom) => unreachable!("the buffer had room"),
                Err(refusal) => return Err(self.failed(refusal)),
            }
        }
    }

    /// Writes what the kernel takes, in whole passes. What is left must be offered again before
    /// anything else is.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.session().write(&mut Kernel(&self.stream), bytes)
    }

    /// As [`try_write`](Self::try_write), whatever the runtime knows of the socket.
    pub(crate) fn write_directly(&self, bytes: &[u8]) -> io::Result<usize> {
        self.session().write(&mut Direct(&self.stream), bytes)
    }

    /// Waits until a read gives something.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        if self.incoming().is_ahead {
            return Ok(());
        }
        self.stream.readable().await
    }

    /// Tells the peer that nothing more comes, so that it can tell our end from a cut.
    pub(crate) fn end_writing(&self) {
        self.session().end(&self.stream);
        // A socket that is no longer connected has told it already.
        let _ = SockRef::from(&self.stream).shutdown(Shutdown::Write);
    }

    fn take_handshake(&self) -> io::Result<()> {
        let mut incoming = self.incoming();
        match incoming.fill(&self.stream) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            filled => filled.map_err(refusal::during_handshake)?,
        }
        // What follows the handshake is for the first read, which looks before it waits.
        incoming.is_ahead = true;
        let mut session = self.session();
        while session.connection.is_handshaking() && !incoming.unopened.is_empty() {
            if let Err(refusal) = incoming.feed(&mut session) {
                drop(session);
                return Err(self.failed(refusal));
            }
        }
        Ok(())
    }

    /// Tells the peer by an alert, as far as the kernel takes it at once.
    fn failed(&self, refusal: TlsRefusal) -> io::Error {
        let _ = self.session().flush(&mut Kernel(&self.stream));
        refusal.into()
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn incoming(&self) -> MutexGuard<'_, Incoming> {
        self.incoming.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        self.session().end(&self.stream);
    }
}

/// What both directions need.
#[derive(Debug)]
struct Session {
    connection: Connection,
    /// How much of what was offered is in records that the kernel has not taken yet, and so does
    /// not count as written.
    owed_bytes: usize,
    has_ended: bool,
}

impl Session {
    fn write(&mut self, kernel: &mut impl Write, bytes: &[u8]) -> io::Result<usize> {
        if self.connection.is_handshaking() || self.has_ended {
            return Err(ErrorKind::NotConnected.into());
        }
        if !self.flush(kernel)? {
            return Ok(0);
        }
        let mut written_bytes = mem::take(&mut self.owed_bytes).min(bytes.len());
        while written_bytes < bytes.len() {
            let sealed_bytes = self.connection.writer().write(&bytes[written_bytes..])?;
            if !self.flush(kernel)? {
                self.owed_bytes = sealed_bytes;
                break;
            }
            written_bytes += sealed_bytes;
        }
        Ok(written_bytes)
    }

    /// Gives the kernel all records there are; `false` where it does not take them all.
    fn flush(&mut self, kernel: &mut impl Write) -> io::Result<bool> {
        while self.connection.wants_write() {
            match self.connection.write_tls(kernel) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn end(&mut self, stream: &TcpStream) {
        if !mem::replace(&mut self.has_ended, true) {
            self.connection.send_close_notify();
            // It goes after what is left, or not at all.
            let _ = self.flush(&mut Kernel(stream));
        }
    }

    /// Moves what is decrypted into the buffer's spare capacity.
    fn take(&mut self, buffer: &mut BytesMut) -> Result<Found, TlsRefusal> {
        let mut plaintext = self.connection.reader();
        loop {
            let room_bytes = buffer.capacity() - buffer.len();
            let taken_bytes = match plaintext.fill_buf() {
                Ok([]) => return Ok(Found::End),
                Ok(_) if room_bytes == 0 => return Ok(Found::NoRoom),
                Ok(chunk) => {
                    let chunk = &chunk[..chunk.len().min(room_bytes)];
                    buffer.put_slice(chunk);
                    chunk.len()
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Found::Nothing),
                Err(_) => return Err(TlsRefusal::Truncated),
            };
            plaintext.consume(taken_bytes);
        }
    }
}

/// What there was to read.
enum Found {
    /// All of it has been taken.
    Nothing,
    /// More than the buffer has room for.
    NoRoom,
    /// The peer announced the end.
    End,
}

/// Bytes on their way from the kernel to the session.
#[derive(Debug, Default)]
struct Incoming {
    sealed: Vec<u8>,
    /// Where in `sealed` the bytes are that the session has not got yet.
    unopened: Range<usize>,
    /// Whether a read may find something before the kernel has more.
    is_ahead: bool,
    /// Shows once what came before has been read.
    failure: Option<TlsRefusal>,
}

impl Incoming {
    /// Decrypts into the buffer until it is full or nothing is left.
    fn open(&mut self, session: &mut Session, buffer: &mut BytesMut) -> Result<Found, TlsRefusal> {
        loop {
            self.is_ahead = true;
            match session.take(buffer)? {
                Found::Nothing => {}
                found => return Ok(found),
            }
            // Told after what came before it.
            if let Some(failure) = &self.failure {
                return Err(failure.clone());
            }
            if self.unopened.is_empty() {
                self.is_ahead = false;
                return Ok(Found::Nothing);
            }
            self.failure = self.feed(session).err();
        }
    }

    /// Gives the session some of what it has not got yet.
    fn feed(&mut self, session: &mut Session) -> Result<(), TlsRefusal> {
        let is_handshaking = session.connection.is_handshaking();
        let mut unopened = &self.sealed[self.unopened.clone()];
        let fed = session.connection.read_tls(&mut unopened);
        let fed_bytes = fed.map_err(|error| TlsRefusal::Protocol(error.to_string().into()))?;
        match fed_bytes {
            // Nothing counts after the end that the peer announced.
            0 => self.unopened.start = self.unopened.end,
            fed_bytes => self.unopened.start += fed_bytes,
        }
        match session.connection.process_new_packets() {
            Ok(_) => Ok(()),
            Err(error) => Err(TlsRefusal::new(&error, is_handshaking)),
        }
    }

    /// Reads what the kernel has; all that was there before has been fed.
    fn fill(&mut self, stream: &TcpStream) -> io::Result<()> {
        self.is_ahead = false;
        if self.sealed.is_empty() {
            self.sealed.resize(READ_BYTES_MIN, 0);
        } else if self.unopened.end == self.sealed.len() && self.sealed.len() < READ_BYTES_MAX {
            self.sealed.resize(2 * self.sealed.len(), 0);
        }
        self.unopened = 0..0;
        match stream.try_read(&mut self.sealed)? {
            0 => Err(TlsRefusal::Truncated.into()),
            read_bytes => {
                self.unopened.end = read_bytes;
                Ok(())
            }
        }
    }
}

/// A socket as rustls writes to it.
struct Kernel<'a>(&'a TcpStream);

impl Write for Kernel<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The same, past the runtime, which may be blocked and so not know that the socket takes bytes.
struct Direct<'a>(&'a TcpStream);

impl Write for Direct<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        socket::send(self.0, bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
