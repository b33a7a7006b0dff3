//! A link that is cut comes back.

use std::pin::pin;

use mycelium::{TransferError, prelude::*};
use tokio::{sync::mpsc, task};

use super::{
    actors::{Desk, LIVES, PATIENCE, Question, Tick, poll_once, probe},
    counts::{at_rest, mortal},
    objects::{BYTES, LIMIT, Source, sending, take_rest},
};
use crate::bed::Bed;

/// Handles on until this tick has come; none comes before one that was sent later.
async fn handled_up_to(
    handled: &mut mpsc::UnboundedReceiver<Tick>,
    last: &mut Option<u64>,
    wanted: u64,
) -> u64 {
    let mut count = 0;
    while *last != Some(wanted) {
        let next = handled.recv().await.expect(LIVES).sequence;
        assert!(*last < Some(next), "{next} came after {last:?}");
        *last = Some(next);
        count += 1;
    }
    count
}

pub(super) async fn a_link_that_was_cut_neither_reorders_nor_repeats(bed: &Bed) {
    const CUTS: u32 = 5;
    let (actor, mut handled) = probe();
    let ticks = bed.place(actor).await;
    let (mut sent, mut last, mut count) = (0, None, 0);
    for _ in 0..CUTS {
        for _ in 0..500 {
            ticks.send(Tick::number(sent)).await.expect(LIVES);
            sent += 1;
        }
        bed.proxy().cut_and_await_redial().await;
        ticks.send(Tick::number(sent)).await.expect(LIVES);
        count += handled_up_to(&mut handled, &mut last, sent).await;
        sent += 1;
        bed.assert_reach(&ticks);
        assert_eq!((bed.near.links().len(), bed.far.links().len()), (1, 1));
    }
    assert!(count <= sent, "{count} of {sent} were handled");
}

/// Sends until the loss of the connection is known: numbers that were given back are used again.
async fn await_loss(ticks: &ActorRef<Tick>, next: &mut u64) {
    loop {
        match ticks.try_send(Tick::number(*next)) {
            Ok(()) => *next += 1,
            Err(SendError::Full(_)) => {}
            Err(SendError::LinkDown(message)) => {
                assert_eq!(message, Tick::number(*next));
                return;
            }
            Err(error) => panic!("{error}"),
        }
        task::yield_now().await;
    }
}

pub(super) async fn while_a_link_is_lost_sends_wait_and_tries_give_their_message_back(bed: &Bed) {
    let (actor, mut handled) = probe();
    let ticks = bed.place(actor).await;
    ticks.send(Tick::number(0)).await.expect(LIVES);
    let mut last = None;
    handled_up_to(&mut handled, &mut last, 0).await;

    bed.proxy().block();
    let mut next = 1;
    await_loss(&ticks, &mut next).await;
    let mut send = Box::pin(ticks.send(Tick::number(next)));
    assert!(poll_once(&mut send).await.is_none(), "it waits");
    bed.proxy().open();
    send.await.expect(LIVES);
    handled_up_to(&mut handled, &mut last, next).await;
}

pub(super) async fn an_ask_under_way_fails_with_its_connection(bed: &Bed) {
    let desk = bed.place(Desk::default()).await;
    let number = 1;
    let ask = desk.ask(|reply| Question::Keep { number, reply });
    let mut ask = Box::pin(ask.timeout(PATIENCE));
    assert!(poll_once(&mut ask).await.is_none(), "it is kept");
    bed.round_trip().await;
    bed.proxy().cut_and_await_redial().await;
    let outcome = ask.await;
    assert!(matches!(outcome, Err(AskError::LinkDown)), "{outcome:?}");
    // The answer finds nobody, and the next ask its way.
    desk.send(Question::AnswerKept).await.expect(LIVES);
    let answer = desk.ask(|reply| Question::Double { number, reply });
    assert_eq!(answer.timeout(PATIENCE).await.expect(LIVES), 2);
}

pub(super) async fn what_a_cut_leaves_unknown_bounds_what_was_handled(bed: &Bed) {
    const CUTS: u64 = 5;
    const EACH: u64 = 500;
    let (actor, start, mut handled) = mortal(usize::MAX);
    let ticks = bed.place(actor).await;
    let mut sent = 0;
    for cut in 1..=CUTS {
        for _ in 0..EACH {
            ticks.send(Tick::number(sent)).await.expect(LIVES);
            sent += 1;
        }
        bed.proxy().cut_and_await_redial().await;
        if cut == 1 {
            let unknown = bed.near.links()[0].stats().unknown;
            assert_eq!(unknown, EACH, "the actor has taken none");
            start.add_permits(1);
        }
    }
    ticks.stop();
    let mut count = 0;
    while handled.recv().await.is_some() {
        count += 1;
    }
    let stats = at_rest(bed, ticks).await;
    assert_eq!((stats.accepted, stats.in_flight), (sent, 0), "{stats:?}");
    let known = stats.confirmed + stats.refused + stats.unknown;
    assert_eq!(known, sent, "{stats:?}");
    let most = stats.confirmed + stats.unknown;
    assert!(
        (stats.confirmed..=most).contains(&count),
        "{count}: {stats:?}"
    );
}

pub(super) async fn a_lost_connection_fails_its_objects_on_both_sides(bed: &Bed) {
    let (actor, _handled) = probe();
    let ticks = bed.place_near(actor).await;
    let (ticket, mut object) = bed.near.expect_transfer(LIMIT);
    let (unused, mut other) = bed.near.expect_transfer(LIMIT);
    let sending = sending(&bed.far, &ticket, LIMIT);
    let first = object.next().await.expect(LIVES).expect("there is more");
    assert!(poll_once(&mut pin!(other.next())).await.is_none());
    bed.proxy().cut_and_await_redial().await;
    let ended = sending.await.expect("no panic");
    assert!(matches!(ended, Err(TransferError::LinkDown)), "{ended:?}");
    let ended = take_rest(&mut object, first.len() as u64).await;
    assert!(matches!(ended, Err(TransferError::LinkDown)), "{ended:?}");

    // A ticket that was not used is good on the next connection.
    ticks.send(Tick::number(0)).await.expect("it waits for it");
    let (taken, sent) = tokio::join!(
        take_rest(&mut other, 0),
        bed.far.transfer(&unused, BYTES, Source::endless())
    );
    assert_eq!(taken.expect(LIVES), BYTES);
    sent.expect("all was taken");
}
