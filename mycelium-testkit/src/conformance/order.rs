//! Messages of one sender to one actor are handled in the order of their sends.

use mycelium::prelude::*;
use tokio::task::JoinSet;

use super::actors::{Blob, LIVES, Tick, gated, probe};
use crate::bed::Bed;

pub(super) async fn messages_of_one_sender_are_handled_in_the_order_of_their_sends(bed: &Bed) {
    const MESSAGES: u64 = 100_000;
    let (actor, mut handled) = probe();
    let ticks = bed.place(actor).await;
    for sequence in 0..MESSAGES {
        ticks.send(Tick::number(sequence)).await.expect(LIVES);
    }
    for sequence in 0..MESSAGES {
        assert_eq!(handled.recv().await, Some(Tick::number(sequence)));
    }
}

pub(super) async fn messages_of_many_senders_each_keep_their_order(bed: &Bed) {
    const SENDERS: u32 = 8;
    const EACH: u64 = 2_000;
    let (actor, mut handled) = probe();
    let ticks = bed.place(actor).await;
    let mut sending = JoinSet::new();
    for sender in 0..SENDERS {
        let ticks = ticks.clone();
        sending.spawn(async move {
            for sequence in 0..EACH {
                ticks.send(Tick { sequence, sender }).await.expect(LIVES);
            }
        });
    }
    let mut next = [0; SENDERS as usize];
    for _ in 0..u64::from(SENDERS) * EACH {
        let tick: Tick = handled.recv().await.expect(LIVES);
        let next = &mut next[tick.sender as usize];
        assert_eq!(tick.sequence, *next, "of sender {}", tick.sender);
        *next += 1;
    }
    sending.join_all().await;
}

pub(super) async fn small_and_large_messages_keep_their_order(bed: &Bed) {
    const MESSAGES: u64 = 400;
    let size = |sequence: u64| match sequence % 20 {
        19 => Blob::LIMIT_BYTES,
        step @ 15..19 => usize::try_from(step).expect("small") * 5_000,
        step => usize::try_from(step * sequence % 600).expect("small"),
    };
    let (actor, mut handled) = probe();
    let blobs = bed.place(actor).await;
    let sending = tokio::spawn(async move {
        for sequence in 0..MESSAGES {
            let blob = Blob::of_size(sequence, size(sequence));
            blobs.send(blob).await.expect(LIVES);
        }
    });
    for sequence in 0..MESSAGES {
        let blob = handled.recv().await.expect(LIVES);
        let is_next = blob == Blob::of_size(sequence, size(sequence));
        assert!(is_next, "{} instead of {sequence}", blob.sequence);
    }
    sending.await.expect("all were sent");
}

/// Sends what it gets to somebody else.
struct Relay(ActorRef<Tick>);

impl Actor for Relay {
    type Message = Tick;

    async fn handle(&mut self, tick: Tick, _cx: &mut Context<Self>) -> ActorResult {
        Ok(self.0.send(tick).await?)
    }
}

pub(super) async fn messages_that_an_actor_passes_on_keep_their_order(bed: &Bed) {
    const MESSAGES: u64 = 10_000;
    let (actor, mut handled) = probe();
    let back = bed.place_near(actor).await;
    let there = bed.place(Relay(back)).await;
    for sequence in 0..MESSAGES {
        there.send(Tick::number(sequence)).await.expect(LIVES);
    }
    for sequence in 0..MESSAGES {
        assert_eq!(handled.recv().await, Some(Tick::number(sequence)));
    }
}

#[message]
enum Count {
    One,
    Total { reply: ReplyTo<u64> },
}

#[derive(Default)]
struct Counter(u64);

impl Actor for Counter {
    type Message = Count;

    async fn handle(&mut self, message: Count, _cx: &mut Context<Self>) -> ActorResult {
        match message {
            Count::One => self.0 += 1,
            Count::Total { reply } => reply.send(self.0),
        }
        Ok(())
    }
}

pub(super) async fn messages_and_asks_of_one_sender_keep_their_order(bed: &Bed) {
    let counter = bed.place(Counter::default()).await;
    let mut sent = 0;
    for round in 0..300 {
        for _ in 0..round % 7 {
            counter.send(Count::One).await.expect(LIVES);
            sent += 1;
        }
        let total = counter.ask(|reply| Count::Total { reply }).await;
        assert_eq!(total.expect(LIVES), sent);
    }
}

pub(super) async fn a_stop_takes_effect_after_the_messages_before_it(bed: &Bed) {
    let (actor, mut gate) = gated();
    let ticks = bed.place(actor).await;
    for sequence in 0..100 {
        ticks.send(Tick::number(sequence)).await.expect(LIVES);
    }
    ticks.stop();
    gate.open();
    for sequence in 0..100 {
        assert_eq!(gate.next().await, Tick::number(sequence));
    }
    assert_eq!(gate.handled.recv().await, None, "the actor has ended");
}
