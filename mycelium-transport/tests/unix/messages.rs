//! Messages from one node to another: all of them, once, in order.

use mycelium_core::{ActorRef, SpawnOptions};
use mycelium_transport::{PeerAddr, TransportNode};

use crate::support::{Pair, Tick, find, offer, probe, until, watched};

#[test]
fn messages_arrive_in_the_order_of_their_sends() {
    watched(async {
        let pair = Pair::start().await;
        let (actor, mut handled) = probe::<Tick>();
        let ticks = pair.serve("ticks", actor).await;
        assert!(matches!(ticks, ActorRef::Unix(_)), "{ticks:?}");
        for sequence in 0..100_000 {
            ticks
                .send(Tick::number(sequence))
                .await
                .expect("the actor lives");
        }
        for sequence in 0..100_000 {
            assert_eq!(handled.recv().await, Some(Tick::number(sequence)));
        }
        pair.shutdown().await;
    });
}

#[test]
fn the_node_that_was_dialled_sends_as_well() {
    watched(async {
        let pair = Pair::start().await;
        let (actor, mut handled) = probe::<Tick>();
        offer(&pair.client, "ticks", SpawnOptions::default(), actor);
        // The link is up at the client first.
        until(|| !pair.server.links().is_empty()).await;
        let ticks = find::<Tick>(&pair.server, "ticks").await;
        for sequence in 0..1_000 {
            ticks
                .send(Tick::number(sequence))
                .await
                .expect("the actor lives");
        }
        for sequence in 0..1_000 {
            assert_eq!(handled.recv().await, Some(Tick::number(sequence)));
        }
        pair.shutdown().await;
    });
}

#[test]
fn refs_to_one_actor_are_equal_and_share_their_order() {
    watched(async {
        let pair = Pair::start().await;
        let (actor, mut handled) = probe::<Tick>();
        let first = pair.serve("ticks", actor).await;
        let second = find::<Tick>(&pair.client, "ticks").await;
        assert_eq!(first, second);
        for sequence in 0..1_000 {
            let to = if sequence % 3 == 0 { &first } else { &second };
            to.send(Tick::number(sequence))
                .await
                .expect("the actor lives");
        }
        for sequence in 0..1_000 {
            assert_eq!(handled.recv().await, Some(Tick::number(sequence)));
        }
        pair.shutdown().await;
    });
}

#[test]
fn a_node_tells_where_it_listens() {
    watched(async {
        let pair = Pair::start().await;
        let address = |name| PeerAddr::unix(pair.dir.path(), name);
        assert_eq!(pair.server.addresses(), [address("server")]);
        assert_eq!(pair.client.addresses(), [address("client")]);
        pair.shutdown().await;
    });
}
