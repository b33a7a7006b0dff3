//! Nodes end in an orderly way, and leave nothing behind.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use mycelium_core::{Node, SendError};
use mycelium_registry::Registry;
use mycelium_transport::{BuildTransport, PeerAddr};
use tokio::task;

use crate::support::{
    Pair, Tick, capacity, dialling, fill, find, gated, listening, offer, private_dir, probe,
    refusal, shut_down, until, watched,
};

/// The receiver wrote credit to a node that had left, and threw away what that node had sent.
#[test]
fn what_was_sent_before_an_orderly_end_arrives() {
    watched(async {
        for round in 0..20 {
            let pair = Pair::start().await;
            let (actor, mut handled) = probe::<Tick>();
            let ticks = pair.serve("ticks", actor).await;
            let count = 500 + round * 97;
            for sequence in 0..count {
                ticks
                    .send(Tick::number(sequence))
                    .await
                    .expect("the actor lives");
            }
            shut_down(&pair.client).await;
            for sequence in 0..count {
                assert_eq!(handled.recv().await, Some(Tick::number(sequence)));
            }
            shut_down(&pair.server).await;
        }
    });
}

#[test]
fn a_node_that_shuts_down_handles_what_it_was_sent() {
    watched(async {
        let pair = Pair::start().await;
        let (actor, mut gate) = gated::<Tick>();
        let ticks = pair.serve_with("ticks", capacity(100), actor).await;
        let (first, _) = fill(&ticks, 0, Tick::number);
        pair.round_trip().await;
        let (rest, _) = fill(&ticks, first, Tick::number);
        assert_eq!(first + rest, 100);
        pair.round_trip().await;
        let server = pair.server.clone();
        let closing = task::spawn(async move { shut_down(&server).await });
        gate.open();
        for sequence in 0..100 {
            assert_eq!(gate.next().await, Tick::number(sequence));
        }
        closing.await.expect("no panic");
        let refused = refusal(&ticks, || Tick::number(100)).await;
        assert!(
            matches!(
                refused,
                SendError::ActorDown { .. } | SendError::NodeDown(_)
            ),
            "{refused}"
        );
        shut_down(&pair.client).await;
    });
}

#[test]
fn the_end_of_one_side_ends_the_link_of_the_other() {
    watched(async {
        for dialler_first in [true, false] {
            let pair = Pair::start().await;
            until(|| !pair.server.links().is_empty()).await;
            let (first, second) = if dialler_first {
                (&pair.client, &pair.server)
            } else {
                (&pair.server, &pair.client)
            };
            let (actor, _handled) = probe::<Tick>();
            offer(first, "ticks", capacity(8), actor);
            let ticks = find::<Tick>(second, "ticks").await;
            shut_down(first).await;
            until(|| second.links().is_empty()).await;
            let refused = refusal(&ticks, || Tick::number(0)).await;
            assert!(
                matches!(
                    refused,
                    SendError::ActorDown { .. } | SendError::NodeDown(_)
                ),
                "{refused}"
            );
            shut_down(second).await;
        }
    });
}

#[test]
fn both_sides_may_end_at_once() {
    watched(async {
        for _ in 0..20 {
            let pair = Pair::start().await;
            let (actor, _handled) = probe::<Tick>();
            let ticks = pair.serve("ticks", actor).await;
            let sending = task::spawn(async move { refusal(&ticks, || Tick::number(0)).await });
            tokio::join!(shut_down(&pair.client), shut_down(&pair.server));
            let refused = sending.await.expect("no panic");
            assert!(
                matches!(
                    refused,
                    SendError::ActorDown { .. } | SendError::NodeDown(_)
                ),
                "{refused}"
            );
        }
    });
}

#[test]
fn waiting_senders_are_released_when_their_own_node_ends() {
    watched(async {
        let pair = Pair::start().await;
        let (actor, gate) = gated::<Tick>();
        let stuck = pair.serve_with("stuck", capacity(2), actor).await;
        fill(&stuck, 0, Tick::number);
        let waiting = task::spawn(async move { stuck.send(Tick::number(7)).await });
        shut_down(&pair.client).await;
        let refused = waiting.await.expect("no panic").expect_err("it never went");
        assert!(matches!(refused, SendError::NodeDown(_)), "{refused}");
        gate.open();
        shut_down(&pair.server).await;
    });
}

/// Tells when the node that keeps it is freed.
struct Sentinel(Arc<AtomicBool>);

impl Drop for Sentinel {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn watch(node: &Node) -> Arc<AtomicBool> {
    let is_freed = Arc::new(AtomicBool::new(false));
    let sentinel = Sentinel(Arc::clone(&is_freed));
    node.extensions().get_or_insert_with(|| sentinel);
    is_freed
}

/// A node held its transport, which held the node.
#[test]
fn a_node_that_has_shut_down_is_freed() {
    watched(async {
        let pair = Pair::start().await;
        let (actor, _handled) = probe::<Tick>();
        let ticks = pair.serve("ticks", actor).await;
        ticks.send(Tick::number(0)).await.expect("the actor lives");
        drop(ticks);
        let freed = [watch(&pair.client), watch(&pair.server)];
        assert!(freed.iter().all(|freed| !freed.load(Ordering::SeqCst)));
        pair.shutdown().await;
        // The last task may still be about to drop its handle.
        until(|| freed.iter().all(|freed| freed.load(Ordering::SeqCst))).await;
    });
}

#[test]
fn a_node_with_nobody_to_talk_to_is_freed_too() {
    watched(async {
        let dir = private_dir();
        let node = dialling("client", &dir, "nobody").await;
        let freed = watch(&node);
        shut_down(&node).await;
        drop(node);
        until(|| freed.load(Ordering::SeqCst)).await;
    });
}

/// Two nodes that both dial took each other's connection away, again and again.
#[test]
fn nodes_that_dial_each_other_settle_on_one_connection() {
    watched(async {
        for round in 0..4 {
            let dir = private_dir();
            let start = |name: &'static str, peer: &'static str| {
                let address = PeerAddr::unix(dir.path(), peer);
                Node::builder(name).unix(dir.path()).peer(address).start()
            };
            let (first, second) = tokio::join!(start("first", "second"), start("second", "first"));
            let first = first.expect("the node starts");
            let second = second.expect("the node starts");
            let (from, to) = match round % 2 {
                0 => (&first, &second),
                _ => (&second, &first),
            };
            let (actor, mut handled) = probe::<Tick>();
            offer(to, "ticks", capacity(1_024), actor);
            // The link may still be changing hands.
            let ticks = loop {
                match from.resolve::<Tick>("ticks").await {
                    Ok(ticks) => break ticks,
                    Err(_) => task::yield_now().await,
                }
            };
            let sending = task::spawn(async move {
                for sequence in 0.. {
                    if ticks.send(Tick::number(sequence)).await.is_err() {
                        return;
                    }
                }
            });
            // What is lost with a connection leaves a gap. There comes a time without any.
            let (mut last, mut without_gap) = (None, 0);
            while without_gap < 20_000 {
                let sequence = handled.recv().await.expect("the actor lives").sequence;
                assert!(Some(sequence) > last, "{sequence} after {last:?}");
                without_gap = match last {
                    Some(last) if sequence == last + 1 => without_gap + 1,
                    _ => 0,
                };
                last = Some(sequence);
            }
            tokio::join!(shut_down(&first), shut_down(&second));
            sending.await.expect("no panic");
        }
    });
}

#[test]
fn a_node_that_dials_one_address_twice_settles_on_one_connection() {
    watched(async {
        let dir = private_dir();
        let server = listening("server", &dir).await;
        let address = PeerAddr::unix(dir.path(), "server");
        let client = Node::builder("client").unix(dir.path());
        let client = client.peer(address.clone()).peer(address);
        let client = client.start().await.expect("the node starts");
        let (actor, mut handled) = probe::<Tick>();
        offer(&server, "ticks", capacity(8), actor);
        let ticks = find::<Tick>(&client, "ticks").await;
        for sequence in 0..5_000 {
            ticks
                .send(Tick::number(sequence))
                .await
                .expect("the actor lives");
        }
        for sequence in 0..5_000 {
            assert_eq!(handled.recv().await, Some(Tick::number(sequence)));
        }
        shut_down(&client).await;
        shut_down(&server).await;
    });
}
