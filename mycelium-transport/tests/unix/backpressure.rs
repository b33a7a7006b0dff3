//! A receiver that does not keep up slows down those who send to it, and nobody else.

use mycelium_core::SendError;
use mycelium_registry::Registry;
use tokio::task;

use crate::support::{
    Blob, Pair, Tick, capacity, fill, find, gated, gated_each, offer, poll_once, probe, until,
    watched,
};

#[test]
fn a_stuck_actor_takes_its_window_of_messages_exactly() {
    watched(async {
        let pair = Pair::start().await;
        for messages in [1_usize, 2, 16, 17, 1_024, 5_000] {
            let window = messages.min(1_024) as u64;
            let name = format!("stuck/{messages}");
            let (actor, mut gate) = gated::<Tick>();
            let stuck = pair.serve_with(&name, capacity(messages), actor).await;

            // The first window opens without a round trip, the rest with the target's answer.
            let (first, refused) = fill(&stuck, 0, Tick::number);
            assert!(first >= window.min(16), "{first} of {window}");
            assert!(matches!(refused, SendError::Full(_)), "{refused}");
            pair.round_trip().await;
            let (rest, refused) = fill(&stuck, first, Tick::number);
            assert_eq!(first + rest, window);
            assert_eq!(refused.into_inner(), Tick::number(window));
            pair.round_trip().await;
            assert!(stuck.try_send(Tick::number(window)).is_err());

            gate.open();
            for sequence in window..2 * window {
                stuck
                    .send(Tick::number(sequence))
                    .await
                    .expect("the actor lives");
            }
            for sequence in 0..2 * window {
                assert_eq!(gate.next().await, Tick::number(sequence));
            }
        }
        pair.shutdown().await;
    });
}

#[test]
fn waiting_sends_go_on_in_order_once_the_actor_does() {
    watched(async {
        let pair = Pair::start().await;
        let (actor, mut gate) = gated_each::<Tick>();
        let slow = pair.serve_with("slow", capacity(16), actor).await;
        let sender = slow.clone();
        let sending = task::spawn(async move {
            for sequence in 0..1_000 {
                sender
                    .send(Tick::number(sequence))
                    .await
                    .expect("the actor lives");
            }
        });
        gate.permits.add_permits(1);
        for sequence in 0..1_000 {
            // Whoever does not wait stays behind those who do.
            if sequence == 500 {
                until(|| matches!(slow.try_send(Tick::number(0)), Err(SendError::Full(_)))).await;
            }
            gate.permits.add_permits(1);
            assert_eq!(gate.next().await, Tick::number(sequence));
        }
        sending.await.expect("all were sent");
        pair.shutdown().await;
    });
}

#[test]
fn many_senders_of_one_actor_all_get_their_turn() {
    const SENDERS: u64 = 20;
    const EACH: u64 = 200;
    watched(async {
        let pair = Pair::start().await;
        let (actor, mut gate) = gated::<Tick>();
        let slow = pair.serve_with("slow", capacity(4), actor).await;
        let mut sending = task::JoinSet::new();
        for sender in 0..SENDERS {
            let slow = slow.clone();
            sending.spawn(async move {
                for number in 0..EACH {
                    let tick = Tick::number(sender * EACH + number);
                    slow.send(tick).await.expect("the actor lives");
                }
            });
        }
        gate.open();
        let mut next = [0; 20];
        for _ in 0..SENDERS * EACH {
            let sequence = gate.next().await.sequence;
            let sender = usize::try_from(sequence / EACH).expect("few senders");
            assert_eq!(sequence % EACH, next[sender], "of sender {sender}");
            next[sender] += 1;
        }
        sending.join_all().await;
        pair.shutdown().await;
    });
}

#[test]
fn a_stuck_actor_does_not_hold_up_another_on_the_same_link() {
    watched(async {
        let pair = Pair::start().await;
        let (actor, gate) = gated::<Blob>();
        let stuck = pair.serve("stuck", actor).await;
        let (actor, mut handled) = probe::<Tick>();
        let free = pair.serve("free", actor).await;
        let (_, refused) = fill(&stuck, 0, |sequence| Blob::of_size(sequence, 50_000));
        assert!(matches!(refused, SendError::Full(_)), "{refused}");
        for sequence in 0..20_000 {
            free.send(Tick::number(sequence))
                .await
                .expect("the actor lives");
        }
        for sequence in 0..20_000 {
            assert_eq!(handled.recv().await, Some(Tick::number(sequence)));
        }
        gate.open();
        pair.shutdown().await;
    });
}

#[test]
fn a_dropped_send_has_not_sent_and_lets_the_next_one_by() {
    watched(async {
        let pair = Pair::start().await;
        let (actor, mut gate) = gated::<Tick>();
        let stuck = pair.serve_with("stuck", capacity(1), actor).await;
        stuck
            .send(Tick::number(0))
            .await
            .expect("there is room for one");
        let mut given_up = Box::pin(stuck.send(Tick::number(666)));
        assert!(poll_once(&mut given_up).await.is_none());
        let sender = stuck.clone();
        let next = task::spawn(async move { sender.send(Tick::number(1)).await });
        drop(given_up);
        gate.open();
        next.await
            .expect("no panic")
            .expect("it is first in line now");
        assert_eq!(gate.next().await, Tick::number(0));
        assert_eq!(gate.next().await, Tick::number(1));
        pair.shutdown().await;
    });
}

#[test]
fn a_message_of_the_limit_passes_and_one_above_comes_back() {
    watched(async {
        let pair = Pair::start().await;
        let (actor, mut handled) = probe::<Blob>();
        let blobs = pair.serve("blobs", actor).await;
        for round in 0..3 {
            let above = Blob::of_size(round, Blob::LIMIT_BYTES + 1);
            let refused = blobs
                .send(above.clone())
                .await
                .expect_err("it is too large");
            let SendError::TooLarge {
                message,
                limit_bytes,
                ..
            } = refused
            else {
                panic!("{refused}");
            };
            assert_eq!((message == above, limit_bytes), (true, 1 << 20));
            for size in [Blob::LIMIT_BYTES, Blob::LIMIT_BYTES - 1, 0] {
                let blob = Blob::of_size(round, size);
                blobs.send(blob.clone()).await.expect("it is not");
                assert!(handled.recv().await == Some(blob), "{size} bytes");
            }
        }
        pair.shutdown().await;
    });
}

/// What an actor took was booked under no binding once its turn was over, so an idle actor never
/// told the sender: a message that did not fit beside those few waited for ever.
#[test]
fn the_largest_message_finds_room_after_small_ones_that_were_not_reported() {
    watched(async {
        let pair = Pair::start().await;
        let (actor, mut handled) = probe::<Blob>();
        let blobs = pair.serve("blobs", actor).await;
        let mut sequence = 0;
        for (count, size) in [(300, 1_000), (1, 500_000), (500, 10), (40, 10_000), (1, 0)] {
            for _ in 0..count {
                let blob = Blob::of_size(sequence, size);
                blobs.send(blob).await.expect("the actor lives");
                sequence += 1;
            }
            // All is taken before the large one is tried.
            for _ in 0..count {
                handled.recv().await.expect("the actor lives");
            }
            let largest = Blob::of_size(sequence, Blob::LIMIT_BYTES);
            blobs.send(largest).await.expect("the actor lives");
            let taken = handled.recv().await.expect("the actor lives");
            assert_eq!(taken.bytes.len(), Blob::LIMIT_BYTES);
            sequence += 1;
        }
        pair.shutdown().await;
    });
}

#[test]
fn sizes_mix() {
    watched(async {
        let pair = Pair::start().await;
        let (actor, mut handled) = probe::<Blob>();
        let blobs = pair.serve("blobs", actor).await;
        let size = |sequence: u64| match sequence % 17 {
            16 => Blob::LIMIT_BYTES,
            step @ 12..16 => usize::try_from(step).expect("small") * 30_000,
            step => usize::try_from(step * sequence % 600).expect("small"),
        };
        let sender = blobs.clone();
        let sending = task::spawn(async move {
            for sequence in 0..500 {
                let blob = Blob::of_size(sequence, size(sequence));
                sender.send(blob).await.expect("the actor lives");
            }
        });
        for sequence in 0..500 {
            let blob = handled.recv().await.expect("the actor lives");
            assert!(
                blob == Blob::of_size(sequence, size(sequence)),
                "{sequence}"
            );
        }
        sending.await.expect("all were sent");
        pair.shutdown().await;
    });
}

#[test]
fn a_thousand_actors_share_a_link_twice() {
    const ACTORS: u64 = 1_000;
    watched(async {
        let pair = Pair::start().await;
        let mut inboxes = Vec::new();
        for number in 0..ACTORS {
            let (actor, handled) = probe::<Tick>();
            offer(&pair.server, &format!("actor/{number}"), capacity(8), actor);
            inboxes.push(handled);
        }
        // The second time with the ids of refs that were dropped, in another order.
        for round in 0..2_u64 {
            let mut refs = Vec::new();
            for at in 0..ACTORS {
                let number = if round == 0 { at } else { ACTORS - 1 - at };
                let actor = find::<Tick>(&pair.client, &format!("actor/{number}")).await;
                refs.push((number, actor));
            }
            for sequence in 0..10 {
                for (number, actor) in &refs {
                    let tick = Tick::number(round * 1_000_000 + number * 100 + sequence);
                    actor.send(tick).await.expect("the actor lives");
                }
            }
            drop(refs);
            for (number, handled) in (0..).zip(&mut inboxes) {
                for sequence in 0..10 {
                    let tick = Tick::number(round * 1_000_000 + number * 100 + sequence);
                    assert_eq!(handled.recv().await, Some(tick));
                }
            }
            pair.round_trip().await;
        }
        pair.shutdown().await;
    });
}

#[test]
fn bindings_that_come_and_go_never_mix_up_their_counts() {
    watched(async {
        let pair = Pair::start().await;
        let (actor, mut handled) = probe::<Tick>();
        let mut ticks = pair.serve_with("ticks", capacity(7), actor).await;
        let mut sequence = 0;
        for round in 0..300 {
            for _ in 0..round % 23 {
                ticks
                    .send(Tick::number(sequence))
                    .await
                    .expect("the actor lives");
                sequence += 1;
            }
            // The binding is left while its messages are on their way or being handled.
            drop(ticks);
            ticks = find::<Tick>(&pair.client, "ticks").await;
        }
        for expected in 0..sequence {
            assert_eq!(handled.recv().await, Some(Tick::number(expected)));
        }
        // The window is whole again.
        let (actor, gate) = gated::<Tick>();
        let stuck = pair.serve_with("stuck", capacity(7), actor).await;
        assert_eq!(fill(&stuck, 0, Tick::number).0, 7);
        gate.open();
        pair.shutdown().await;
    });
}

#[test]
fn a_ref_that_is_found_again_waits_for_what_was_sent_before() {
    watched(async {
        for sent in [1, 16] {
            let pair = Pair::start().await;
            let (actor, mut gate) = gated::<Tick>();
            let stuck = pair.serve_with("stuck", capacity(16), actor).await;
            for sequence in 0..sent {
                let accepted = stuck.try_send(Tick::number(sequence));
                accepted.expect("there is room");
            }
            drop(stuck);
            for _ in 0..5 {
                let again = find::<Tick>(&pair.client, "stuck").await;
                let refused = again.try_send(Tick::number(666));
                assert!(matches!(refused, Err(SendError::Full(_))), "{refused:?}");
            }
            let again = find::<Tick>(&pair.client, "stuck").await;
            let mut waiting = Box::pin(again.send(Tick::number(sent)));
            assert!(poll_once(&mut waiting).await.is_none());
            gate.open();
            waiting.await.expect("the actor lives");
            for sequence in 0..=sent {
                assert_eq!(gate.next().await, Tick::number(sequence));
            }
            pair.shutdown().await;
        }
    });
}

#[test]
fn a_ref_that_is_found_again_kills_without_waiting() {
    watched(async {
        let pair = Pair::start().await;
        let (actor, _gate) = gated::<Tick>();
        let here = offer(&pair.server, "stuck", capacity(16), actor);
        let stuck = find::<Tick>(&pair.client, "stuck").await;
        fill(&stuck, 0, Tick::number);
        drop(stuck);
        find::<Tick>(&pair.client, "stuck").await.kill();
        until(|| here.is_closed()).await;
        let links = pair.client.links();
        until(|| links.iter().all(|link| link.bindings() == 0)).await;
        pair.shutdown().await;
    });
}

#[test]
fn a_ref_that_is_found_again_stops_after_what_was_sent_before() {
    watched(async {
        let pair = Pair::start().await;
        let (actor, mut gate) = gated::<Tick>();
        let here = offer(&pair.server, "stuck", capacity(16), actor);
        let stuck = find::<Tick>(&pair.client, "stuck").await;
        let (window, _) = fill(&stuck, 0, Tick::number);
        drop(stuck);
        let again = find::<Tick>(&pair.client, "stuck").await;
        again.stop();
        pair.round_trip().await;
        assert!(!here.is_closed(), "what was sent before comes first");
        gate.open();
        for sequence in 0..window {
            assert_eq!(gate.next().await, Tick::number(sequence));
        }
        until(|| here.is_closed()).await;
        pair.shutdown().await;
    });
}

/// Credit of few large messages is due long before that of half a window of messages.
#[test]
fn an_actor_that_has_taken_all_there_was_leaves_room_for_the_largest_message() {
    watched(async {
        let pair = Pair::start().await;
        let (actor, mut gate) = gated_each::<Blob>();
        let busy = pair.serve("busy", actor).await;
        gate.permits.add_permits(2);
        busy.send(Blob::of_size(0, 500_000))
            .await
            .expect("the actor lives");
        assert_eq!(gate.next().await.sequence, 0);
        // The next one is in its handler, and nothing is left in the mailbox.
        busy.send(Blob::of_size(1, 500_000))
            .await
            .expect("the actor lives");
        let largest = || Blob::of_size(2, Blob::LIMIT_BYTES);
        until(|| busy.try_send(largest()).is_ok()).await;
        gate.open();
        assert_eq!(gate.next().await.sequence, 1);
        assert_eq!(gate.next().await.sequence, 2);
        pair.shutdown().await;
    });
}

#[test]
fn an_inbox_that_has_been_emptied_leaves_room_for_the_largest_message() {
    watched(async {
        let pair = Pair::start().await;
        let mut inbox = pair.server.inbox::<Blob>();
        let named = pair.server.register("inbox", &inbox.actor_ref());
        named.expect("the name is free");
        let to = find::<Blob>(&pair.client, "inbox").await;
        to.send(Blob::of_size(0, 500_000)).await.expect("it lives");
        assert_eq!(inbox.recv().await.expect("it lives").sequence, 0);
        to.send(Blob::of_size(1, Blob::LIMIT_BYTES))
            .await
            .expect("it lives");
        assert_eq!(inbox.recv().await.expect("it lives").sequence, 1);
        pair.shutdown().await;
    });
}
