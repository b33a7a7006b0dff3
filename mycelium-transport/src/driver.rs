//! The two tasks of one connection: a reader that dispatches what comes in, and a writer that
//! takes what has gathered.

mod bypass;

use std::{io, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use mycelium_core::{Inbound, InboundObjects, Link, Node, PendingAsk};
use mycelium_wire::{CloseReason, Event, ReceiveHalf};
use tokio::{
    select,
    task::{JoinHandle, coop},
    time,
};
use tokio_util::sync::CancellationToken;

use crate::{
    PeerAddr,
    connection::{Connection, Next},
    link::PeerLink,
    peer_process::PeerProcess,
    socket::Socket,
};

pub(crate) use self::bypass::drive_bypass;

/// How long the last bytes of a connection may take to leave.
const FAREWELL: Duration = Duration::from_millis(2_500);

/// What is read at a time, to be thrown away, of a peer that was told goodbye.
const LINGER_BYTES: usize = 4_096;

/// How a connection ended.
pub(crate) enum Ending {
    /// One side said why: the peer that asked for the end will not come back in this life.
    Closed(CloseReason),
    /// The bytes ended, or a later connection took its place.
    Lost(io::Error),
}

/// A connection that is part of its link, to be driven.
pub(crate) struct Joined {
    pub(crate) link: Arc<PeerLink>,
    pub(crate) socket: Arc<Socket>,
    pub(crate) receive: ReceiveHalf,
    pub(crate) generation: u32,
    pub(crate) role: Role,
}

/// What a connection is to its link.
pub(crate) enum Role {
    /// Its own: messages go over it.
    Own(Lifeline),
    /// The one beside it.
    Bypass,
}

/// What tells, once the connection is gone, whether the peer is as well.
pub(crate) struct Lifeline {
    pub(crate) process: Option<PeerProcess>,
    /// Where a peer that dialled us listens itself.
    pub(crate) way_back: Option<PeerAddr>,
}

/// Runs a connection until it ends.
pub(crate) async fn drive(node: &Node, joined: Joined) -> Ending {
    let Joined {
        link,
        socket,
        receive,
        generation,
        role: _,
    } = joined;
    let failed = link.with_connection(generation, |up| up.failed.clone());
    let Some(failed) = failed else {
        return Ending::Lost(superseded());
    };
    let writer = Writer {
        link: Arc::clone(&link),
        socket: Arc::clone(&socket),
        generation,
    };
    let writing = node.runtime().spawn(writer.run());
    link.flush();

    // The reader of the connection before this one lets go of the inbound side when it ends. One
    // that has been replaced itself must not come after its successor.
    let inbound = select! {
        biased;
        () = failed.cancelled() => None,
        inbound = link.inbound.lock() => Some(inbound),
    };
    let ending = if let Some(mut inbound) = inbound {
        inbound.connected(generation);
        let mut reader = Reader {
            link: &link,
            inbound: &mut inbound,
            socket: &socket,
            receive,
            generation,
        };
        let ending = reader.run(node, &failed).await;
        inbound.disconnected();
        ending
    } else {
        Ending::Lost(superseded())
    };

    socket.limit_farewell();
    if finish_writing(writing, say_goodbye(&link, generation, &ending)).await {
        let _ = time::timeout(FAREWELL, linger(&socket)).await;
    }
    link.disconnect(generation);
    match &ending {
        Ending::Closed(reason) => tracing::debug!(peer = %link.peer(), %reason, "a link closed"),
        Ending::Lost(error) => tracing::debug!(peer = %link.peer(), %error, "a link was lost"),
    }
    ending
}

/// Waits until the last frame has left, where there is one; gives whether it has.
async fn finish_writing(mut writing: JoinHandle<()>, has_last_frame: bool) -> bool {
    if has_last_frame && time::timeout(FAREWELL, &mut writing).await.is_ok() {
        return true;
    }
    // A peer that does not read its last bytes is not waited for longer.
    writing.abort();
    // It holds the socket until it has ended.
    let _ = writing.await;
    false
}

/// Waits until the peer has read everything and hung up: a TCP socket that is closed while the peer
/// still writes is reset, and what it has not read is lost with it.
async fn linger(socket: &Socket) {
    socket.end_writing();
    let mut unread = BytesMut::with_capacity(LINGER_BYTES);
    while matches!(socket.read(&mut unread).await, Ok(1..)) {
        unread.clear();
        coop::consume_budget().await;
    }
}

/// Appends the last frame, where the peer has not sent its own already.
fn say_goodbye(link: &PeerLink, generation: u32, ending: &Ending) -> bool {
    match ending {
        Ending::Lost(_) | Ending::Closed(CloseReason::ByPeer { .. }) => false,
        Ending::Closed(reason) => link
            .with_connection(generation, |up| up.close(reason))
            .is_some(),
    }
}

struct Reader<'a> {
    link: &'a Arc<PeerLink>,
    inbound: &'a mut Inbound,
    socket: &'a Socket,
    receive: ReceiveHalf,
    generation: u32,
}

impl Reader<'_> {
    async fn run(&mut self, node: &Node, failed: &CancellationToken) -> Ending {
        select! {
            biased;
            () = failed.cancelled() => {}
            ending = self.read_on() => return ending,
            () = node.closing().cancelled() => return Ending::Closed(CloseReason::Requested),
        }
        let failure = self
            .link
            .with_connection(self.generation, |up| up.failure.take());
        match failure.flatten() {
            Some(reason) => Ending::Closed(reason),
            // What such a peer still says is of an epoch that is over.
            None if self.link.is_dead() => Ending::Lost(superseded()),
            None => self.read_rest(node).await,
        }
    }

    /// Nothing more can be written, or another connection has taken over: what the peer wrote
    /// before still counts. A peer that closed in an orderly way said so in its last bytes.
    async fn read_rest(&mut self, node: &Node) -> Ending {
        self.socket.end_writing();
        select! {
            ending = self.read_on() => ending,
            () = time::sleep(FAREWELL) => Ending::Lost(superseded()),
            () = node.closing().cancelled() => Ending::Closed(CloseReason::Requested),
        }
    }

    async fn read_on(&mut self) -> Ending {
        loop {
            if let Err(reason) = self.dispatch() {
                return Ending::Closed(reason);
            }
            if let Err(error) = read_more(self.socket, &mut self.receive).await {
                return Ending::Lost(error);
            }
            self.link.hear();
        }
    }

    /// Handles all complete frames of a read; each actor is woken once.
    fn dispatch(&mut self) -> Result<(), CloseReason> {
        let mut has_beaten = false;
        while let Some(event) = self.receive.poll_event()? {
            has_beaten |= matches!(event, Event::Heartbeat);
            handle(self.link, self.inbound, self.generation, event)?;
        }
        self.inbound.flush()?;
        if has_beaten {
            // Once, however many there are.
            self.inbound.report();
        }
        self.link.flush();
        Ok(())
    }
}

/// Waits for bytes of the peer.
async fn read_more(socket: &Socket, receive: &mut ReceiveHalf) -> io::Result<()> {
    coop::consume_budget().await;
    match socket.read(receive.buffer()).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

fn handle(
    link: &PeerLink,
    inbound: &mut Inbound,
    generation: u32,
    event: Event<'_>,
) -> Result<(), CloseReason> {
    match event {
        Event::Message { binding, frame } => inbound.message(binding, frame),
        Event::LongMessage {
            binding,
            sequence,
            extensions,
            archive,
        } => inbound.long_message(binding, sequence, extensions, archive),
        Event::Credit { binding, credit } => link.credited(generation, binding, credit)?,
        Event::Bind { binding, bind } => {
            inbound.bind(binding, &bind, link.message_limit_bytes());
        }
        Event::Bound { binding, window } => link.bound(generation, binding, window)?,
        Event::Stop { binding } => inbound.stop(binding),
        Event::Kill { binding } => inbound.kill(binding),
        Event::Ended { binding, reason } => {
            // What the dead sent comes first.
            inbound.flush()?;
            link.actor_ended(generation, binding, reason)?;
        }
        Event::Cancel { binding, sequence } => inbound.cancel(binding, sequence),
        Event::Heartbeat | Event::Fragment => {}
        Event::Unbind { binding } => inbound.unbind(binding),
        Event::Unbound { binding } => link.unbound_by_peer(generation, binding)?,
        Event::Resolve { request, name } => {
            link.answer(generation, request, inbound.resolve(name).as_ref())?;
        }
        Event::Resolved { request, resolved } => link.answered(request, resolved),
        Event::Reply { request, frame } => {
            if let Some(ask) = link.take_answered(request) {
                complete(ask, &frame.detach(), inbound)?;
            }
        }
        Event::LongReply { request, archive } => {
            if let Some(ask) = link.take_answered(request) {
                complete(ask, &archive, inbound)?;
            }
        }
        Event::ReplyFailed { request, failure } => {
            if let Some(ask) = link.take_answered(request) {
                ask.refuse(failure);
            }
        }
        Event::Widen => link.widen_for_peer(generation)?,
        Event::Close(reason) => return Err(reason),
        Event::Hello(_) | Event::Up { .. } => unreachable!("the handshake is done"),
        of_an_object => handle_object(link, inbound.objects(), generation, of_an_object)?,
    }
    Ok(())
}

/// What may come over a bypass too.
fn handle_object(
    link: &PeerLink,
    objects: &mut InboundObjects,
    generation: u32,
    event: Event<'_>,
) -> Result<(), CloseReason> {
    match event {
        Event::Offer {
            ticket,
            length_bytes,
        } => objects.offer(ticket, length_bytes),
        Event::Part { ticket, frame } => objects.part(ticket, frame)?,
        Event::Withdrawn { ticket } => objects.withdrawn(ticket),
        Event::Taken {
            ticket,
            taken_bytes,
        } => link.object_taken(ticket, taken_bytes)?,
        Event::Declined { ticket, why } => link.object_declined(generation, ticket, why),
        Event::Heartbeat => {}
        Event::Close(reason) => return Err(reason),
        other => unreachable!("the receiving half lets in no {other:?}"),
    }
    Ok(())
}

fn complete(ask: PendingAsk, archive: &Bytes, inbound: &Inbound) -> Result<(), CloseReason> {
    let completed = ask.complete(archive, &inbound.ports());
    completed.map_err(|error| CloseReason::Corrupt(error.to_string().into()))
}

fn superseded() -> io::Error {
    io::Error::new(
        io::ErrorKind::ConnectionAborted,
        "the socket failed or was replaced",
    )
}

struct Writer {
    link: Arc<PeerLink>,
    socket: Arc<Socket>,
    generation: u32,
}

impl Writer {
    async fn run(self) {
        let wake = self
            .link
            .with_connection(self.generation, |up| Arc::clone(&up.writable));
        let Some(wake) = wake else { return };
        let mut next = self.next(Connection::next_for_task);
        loop {
            let is_ok = match next {
                Some(Next::Write(mut batch)) => match self.socket.try_write(batch.rest()) {
                    Ok(written_bytes) => {
                        coop::consume_budget().await;
                        batch.advance(written_bytes);
                        next = self.next(|up| up.written_by_task(batch));
                        continue;
                    }
                    Err(_) => false,
                },
                Some(Next::WaitForRoom) => self.socket.writable().await.is_ok(),
                Some(Next::Wait) => {
                    wake.notified().await;
                    true
                }
                Some(Next::End) | None => return,
            };
            if !is_ok {
                self.link
                    .with_connection(self.generation, Connection::break_off);
                return;
            }
            next = self.next(Connection::next_for_task);
        }
    }

    fn next(&self, ask: impl FnOnce(&mut Connection) -> Next) -> Option<Next> {
        self.link.with_connection(self.generation, ask)
    }
}
