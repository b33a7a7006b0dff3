//! A receiver that does not keep up slows down those who send to it, and nobody else.

use std::{pin::pin, sync::mpsc, thread, time::Duration};

use mycelium::prelude::*;
use tokio::task::JoinSet;

use super::actors::{Blob, LIVES, Tick, capacity, fill, gated, poll_once, probe};
use crate::bed::Bed;

pub(super) async fn a_stopped_receiver_takes_its_capacity_and_gives_the_next_message_back(
    bed: &Bed,
) {
    for room in [1, 16, 17, 500] {
        let (actor, mut gate) = gated();
        let stuck = bed.place_with(capacity(room), actor).await;
        let (accepted, refused) = fill(bed, &stuck, Tick::number).await;
        assert_eq!(accepted, room as u64);
        assert_eq!(refused, Tick::number(accepted));
        gate.open();
        stuck.send(refused).await.expect(LIVES);
        for sequence in 0..=accepted {
            assert_eq!(gate.next().await, Tick::number(sequence));
        }
    }
}

pub(super) async fn a_send_waits_for_room_and_nothing_is_lost(bed: &Bed) {
    let (actor, mut gate) = gated();
    let stuck = bed.place_with(capacity(16), actor).await;
    let (accepted, refused) = fill(bed, &stuck, Tick::number).await;
    let mut send = pin!(stuck.send(refused));
    for _ in 0..3 {
        assert!(poll_once(&mut send).await.is_none(), "there is no room");
        bed.round_trip().await;
    }
    gate.open();
    send.await.expect(LIVES);
    for sequence in accepted + 1..1_000 {
        stuck.send(Tick::number(sequence)).await.expect(LIVES);
    }
    for sequence in 0..1_000 {
        assert_eq!(gate.next().await, Tick::number(sequence));
    }
}

pub(super) async fn waiting_senders_get_room_in_the_order_they_came(bed: &Bed) {
    let (actor, mut gate) = gated();
    let stuck = bed.place_with(capacity(4), actor).await;
    let (accepted, _refused) = fill(bed, &stuck, Tick::number).await;
    let mut waiting = JoinSet::new();
    for sequence in accepted..accepted + 20 {
        let stuck = stuck.clone();
        let mut send = Box::pin(async move { stuck.send(Tick::number(sequence)).await });
        assert!(poll_once(&mut send).await.is_none(), "there is no room");
        waiting.spawn(send);
    }
    let late = stuck.try_send(Tick::number(666));
    assert!(matches!(late, Err(SendError::Full(_))), "{late:?}");
    gate.open();
    for sequence in 0..accepted + 20 {
        assert_eq!(gate.next().await, Tick::number(sequence));
    }
    for sent in waiting.join_all().await {
        sent.expect(LIVES);
    }
}

pub(super) async fn a_send_that_is_dropped_was_not_sent_and_lets_the_next_one_by(bed: &Bed) {
    let (actor, mut gate) = gated();
    let stuck = bed.place_with(capacity(1), actor).await;
    fill(bed, &stuck, Tick::number).await;
    let mut given_up = Box::pin(stuck.send(Tick::number(666)));
    assert!(poll_once(&mut given_up).await.is_none());
    let mut next = pin!(stuck.send(Tick::number(1)));
    assert!(poll_once(&mut next).await.is_none());
    drop(given_up);
    gate.open();
    next.await.expect(LIVES);
    for sequence in 0..2 {
        assert_eq!(gate.next().await, Tick::number(sequence));
    }
}

pub(super) async fn a_send_with_a_time_limit_gives_its_message_back(bed: &Bed) {
    let (actor, mut gate) = gated();
    let stuck = bed.place_with(capacity(1), actor).await;
    fill(bed, &stuck, Tick::number).await;
    let limit = Duration::from_millis(20);
    let refused = stuck.send_timeout(Tick::number(666), limit).await;
    let Err(SendError::Timeout(message)) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(message, Tick::number(666));
    gate.open();
    let limit = Duration::from_hours(1);
    let sent = stuck.send_timeout(Tick::number(1), limit).await;
    sent.expect(LIVES);
    for sequence in 0..2 {
        assert_eq!(gate.next().await, Tick::number(sequence));
    }
}

pub(super) async fn a_blocking_send_waits_for_room(bed: &Bed) {
    let (actor, mut gate) = gated();
    let stuck = bed.place_with(capacity(4), actor).await;
    let (accepted, _refused) = fill(bed, &stuck, Tick::number).await;
    let (progress, seen) = mpsc::channel();
    let sending = thread::spawn(move || {
        for sequence in accepted..200 {
            stuck.send_blocking(Tick::number(sequence)).expect(LIVES);
            progress.send(sequence).expect("the test listens");
        }
    });
    bed.round_trip().await;
    assert!(seen.try_recv().is_err(), "there was no room");
    gate.open();
    for sequence in 0..200 {
        assert_eq!(gate.next().await, Tick::number(sequence));
    }
    sending.join().expect("all were sent");
}

pub(super) async fn a_stuck_actor_does_not_hold_up_another(bed: &Bed) {
    let (actor, gate) = gated();
    let stuck = bed.place_with(capacity(100), actor).await;
    fill(bed, &stuck, |sequence| Blob::of_size(sequence, 50_000)).await;
    let (actor, mut handled) = probe();
    let free = bed.place(actor).await;
    for sequence in 0..5_000 {
        free.send(Tick::number(sequence)).await.expect(LIVES);
    }
    for sequence in 0..5_000 {
        assert_eq!(handled.recv().await, Some(Tick::number(sequence)));
    }
    drop(gate);
}

pub(super) async fn both_sides_send_more_than_either_holds(bed: &Bed) {
    const MESSAGES: u64 = 200;
    let (actor, mut handled) = probe();
    let there = bed.place_with(capacity(8), actor).await;
    let (actor, mut handled_back) = probe();
    let back = bed.place_near(actor).await;
    let flood = |to: ActorRef<Blob>| async move {
        for sequence in 0..MESSAGES {
            let blob = Blob::of_size(sequence, 60_000);
            to.send(blob).await.expect(LIVES);
        }
    };
    let sending = [tokio::spawn(flood(there)), tokio::spawn(flood(back))];
    for sequence in 0..MESSAGES {
        for handled in [&mut handled, &mut handled_back] {
            let blob = handled.recv().await.expect(LIVES);
            assert!(blob == Blob::of_size(sequence, 60_000), "{sequence}");
        }
    }
    for sent in sending {
        sent.await.expect("all were sent");
    }
}

pub(super) async fn many_actors_get_what_is_theirs(bed: &Bed) {
    const ACTORS: u32 = 200;
    const EACH: u64 = 20;
    let mut actors = Vec::new();
    for _ in 0..ACTORS {
        let (actor, handled) = probe();
        actors.push((bed.place_with(capacity(4), actor).await, handled));
    }
    for sequence in 0..EACH {
        for (sender, (actor, _)) in (0..).zip(&actors) {
            let tick = Tick { sequence, sender };
            actor.send(tick).await.expect(LIVES);
        }
    }
    for (sender, (_, handled)) in (0..).zip(&mut actors) {
        for sequence in 0..EACH {
            assert_eq!(handled.recv().await, Some(Tick { sequence, sender }));
        }
    }
}
