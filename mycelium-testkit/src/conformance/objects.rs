//! Objects arrive whole or not at all, and hold no message up.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context as TaskContext, Poll},
};

use mycelium::{IncomingTransfer, TransferError, TransferTicket, prelude::*, wire};
use tokio::{
    io::{AsyncRead, ReadBuf},
    task::{self, JoinHandle},
};

use super::actors::{LIVES, PATIENCE, Tick, probe};
use crate::bed::Bed;

/// Beyond a window, and no multiple of anything.
pub(super) const BYTES: u64 = 300_017;

pub(super) const LIMIT: u64 = 1 << 30;

/// Asks for an object.
#[message]
struct Fetch {
    ticket: TransferTicket,
    length_bytes: u64,
    reply: ReplyTo<u8>,
}

/// Sends objects to whoever asks, in tasks of their own.
struct Librarian;

impl Actor for Librarian {
    type Message = Fetch;

    async fn handle(&mut self, fetch: Fetch, cx: &mut Context<Self>) -> ActorResult {
        let sending = sending(cx.node(), &fetch.ticket, fetch.length_bytes);
        task::spawn(async move {
            match sending.await.expect("no panic") {
                Ok(()) => fetch.reply.send(0),
                Err(TransferError::NotExpected) => fetch.reply.send(1),
                Err(error) => panic!("{error}"),
            }
        });
        Ok(())
    }
}

/// The byte of an object at this place.
fn byte(at: u64) -> u8 {
    (at % 251).to_le_bytes()[0]
}

/// An object of which so many bytes were read; from `fails_at` on it cannot be.
pub(super) struct Source {
    at: Arc<AtomicU64>,
    fails_at: u64,
}

impl Source {
    pub(super) fn endless() -> Self {
        Self {
            at: Arc::default(),
            fails_at: u64::MAX,
        }
    }
}

impl AsyncRead for Source {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut TaskContext<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Never as much as there is room for.
        let count = (buffer.remaining() as u64).min(10_007);
        let at = self.at.fetch_add(count, Ordering::Relaxed);
        if at + count > self.fails_at {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        let bytes: Vec<u8> = (at..at + count).map(byte).collect();
        buffer.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

pub(super) fn sending(
    node: &Node,
    ticket: &TransferTicket,
    length_bytes: u64,
) -> JoinHandle<Result<(), TransferError>> {
    let (node, ticket) = (node.clone(), ticket.clone());
    task::spawn(async move {
        node.transfer(&ticket, length_bytes, Source::endless())
            .await
    })
}

/// Takes the rest of an object, from this place on.
pub(super) async fn take_rest(
    object: &mut IncomingTransfer,
    mut at: u64,
) -> Result<u64, TransferError> {
    while let Some(part) = object.next().await? {
        for &found in &part {
            assert_eq!(found, byte(at), "at {at}");
            at += 1;
        }
    }
    Ok(at)
}

pub(super) async fn objects_arrive_whole_both_ways(bed: &Bed) {
    for (from, to) in [(&bed.far, &bed.near), (&bed.near, &bed.far)] {
        for length in [0, 1, 65_504, 65_505, BYTES] {
            let (ticket, mut object) = to.expect_transfer(length);
            let sending = sending(from, &ticket, length);
            assert_eq!(object.length_bytes().await.expect(LIVES), length);
            assert_eq!(take_rest(&mut object, 0).await.expect(LIVES), length);
            sending.await.expect("no panic").expect("all was taken");
            assert!(object.next().await.expect("it stays whole").is_none());
        }
    }
}

pub(super) async fn a_ticket_travels_in_a_message_and_is_good_once(bed: &Bed) {
    let librarian = bed.place(Librarian).await;
    let (ticket, mut object) = bed.near.expect_transfer(LIMIT);
    for outcome in [0, 1] {
        let ask = librarian.ask(|reply| Fetch {
            ticket: ticket.clone(),
            length_bytes: BYTES,
            reply,
        });
        let taking = async {
            if outcome == 0 {
                assert_eq!(take_rest(&mut object, 0).await.expect(LIVES), BYTES);
            }
        };
        let (answer, ()) = tokio::join!(ask.timeout(PATIENCE), taking);
        assert_eq!(answer.expect(LIVES), outcome);
    }
}

// Both were sent, under one number: the refusal of the second took the first one's parts away.
pub(super) async fn a_ticket_that_is_used_twice_at_once_serves_one(bed: &Bed) {
    let (ticket, mut object) = bed.near.expect_transfer(LIMIT);
    let first = sending(&bed.far, &ticket, 4 * BYTES);
    assert_eq!(object.length_bytes().await.expect(LIVES), 4 * BYTES);
    let second = sending(&bed.far, &ticket, 4 * BYTES).await;
    let refused = second.expect("no panic");
    assert!(
        matches!(refused, Err(TransferError::NotExpected)),
        "{refused:?}"
    );
    assert_eq!(take_rest(&mut object, 0).await.expect(LIVES), 4 * BYTES);
    first.await.expect("no panic").expect("all was taken");
}

// Nobody had taken its end, and its sender waited for that.
pub(super) async fn an_object_without_bytes_needs_no_taking(bed: &Bed) {
    let (ticket, mut object) = bed.near.expect_transfer(LIMIT);
    let sending = sending(&bed.far, &ticket, 0);
    assert_eq!(object.length_bytes().await.expect(LIVES), 0);
    drop(object);
    sending
        .await
        .expect("no panic")
        .expect("nothing is missing");
}

pub(super) async fn many_objects_at_once_are_kept_apart(bed: &Bed) {
    let mut under_way = Vec::new();
    for extra in 0..20 {
        let length = BYTES + extra;
        let (ticket, mut object) = bed.near.expect_transfer(LIMIT);
        let sending = sending(&bed.far, &ticket, length);
        let taking = task::spawn(async move { take_rest(&mut object, 0).await });
        under_way.push((length, sending, taking));
    }
    for (length, sending, taking) in under_way {
        sending.await.expect("no panic").expect("all was taken");
        let taken = taking.await.expect("no panic");
        assert_eq!(taken.expect(LIVES), length);
    }
}

pub(super) async fn an_object_that_is_too_long_is_declined_with_both_numbers(bed: &Bed) {
    let (ticket, mut object) = bed.near.expect_transfer(BYTES - 1);
    let refused = sending(&bed.far, &ticket, BYTES).await.expect("no panic");
    for refused in [refused.err(), object.next().await.err()] {
        let Some(TransferError::TooLarge {
            length_bytes: BYTES,
            limit_bytes,
        }) = refused
        else {
            panic!("{refused:?}")
        };
        assert_eq!(limit_bytes, BYTES - 1);
    }
}

pub(super) async fn a_receiver_that_gives_up_ends_the_transfer(bed: &Bed) {
    let (ticket, mut object) = bed.near.expect_transfer(LIMIT);
    let sending = sending(&bed.far, &ticket, LIMIT);
    object.next().await.expect(LIVES).expect("there is more");
    drop(object);
    let ended = sending.await.expect("no panic");
    assert!(matches!(ended, Err(TransferError::Declined)), "{ended:?}");

    let (ticket, object) = bed.near.expect_transfer(LIMIT);
    drop(object);
    let ended = bed.far.transfer(&ticket, 1, &b"x"[..]).await;
    assert!(
        matches!(ended, Err(TransferError::NotExpected)),
        "{ended:?}"
    );
}

pub(super) async fn a_sender_that_gives_up_ends_the_transfer(bed: &Bed) {
    let (ticket, mut object) = bed.near.expect_transfer(LIMIT);
    let sending = sending(&bed.far, &ticket, LIMIT);
    object.next().await.expect(LIVES).expect("there is more");
    sending.abort();
    let ended = take_rest(&mut object, 65_504).await;
    assert!(matches!(ended, Err(TransferError::Withdrawn)), "{ended:?}");

    let (ticket, mut object) = bed.near.expect_transfer(LIMIT);
    let ended = bed.far.transfer(&ticket, 10, &b"too short"[..]).await;
    let missing_by_one = matches!(ended, Err(TransferError::SourceEnded { missing_bytes: 1 }));
    assert!(missing_by_one, "{ended:?}");
    let ended = object.next().await;
    assert!(matches!(ended, Err(TransferError::Withdrawn)), "{ended:?}");

    let (ticket, mut object) = bed.near.expect_transfer(LIMIT);
    let broken = Source {
        fails_at: BYTES,
        ..Source::endless()
    };
    let taking = async { take_rest(&mut object, 0).await };
    let sending = bed.far.transfer(&ticket, LIMIT, broken);
    let (ended, taken) = tokio::join!(sending, taking);
    assert!(matches!(ended, Err(TransferError::Source(_))), "{ended:?}");
    assert!(matches!(taken, Err(TransferError::Withdrawn)), "{taken:?}");
}

pub(super) async fn a_receiver_that_takes_nothing_holds_up_nobody(bed: &Bed) {
    let (actor, mut handled) = probe();
    let ticks = bed.place(actor).await;
    let (ticket, mut object) = bed.far.expect_transfer(LIMIT);
    let source = Source::endless();
    let read = Arc::clone(&source.at);
    let near = bed.near.clone();
    let sending = task::spawn(async move { near.transfer(&ticket, BYTES * 4, source).await });
    assert_eq!(object.length_bytes().await.expect(LIVES), BYTES * 4);
    for sequence in 0..1_000 {
        ticks.send(Tick::number(sequence)).await.expect(LIVES);
        assert_eq!(handled.recv().await, Some(Tick::number(sequence)));
    }
    // A window's worth, and the piece that waits for room.
    let most = wire::TRANSFER_WINDOW_BYTES + wire::PART_BYTES as u64;
    assert!(read.load(Ordering::Relaxed) <= most);
    assert_eq!(take_rest(&mut object, 0).await.expect(LIVES), BYTES * 4);
    sending.await.expect("no panic").expect("all was taken");
}
