//! Messages from one node to another, over every transport.

mod support;

use mycelium_core::{SendError, StopReason};
use mycelium_registry::Registry;
use mycelium_transport::Transport;

use crate::support::{Pair, Tick, is_over, over_every_transport, probe};

over_every_transport!(
    messages_arrive_in_the_order_of_their_sends,
    an_actor_that_stops_refuses_later_messages_of_its_peers,
);

async fn messages_arrive_in_the_order_of_their_sends(transport: Transport) {
    let pair = Pair::over(transport).await;
    let (actor, mut handled) = probe::<Tick>();
    let actor = pair.server.spawn(actor);
    pair.server
        .register("ticks", &actor)
        .expect("the name is free");

    let ticks = pair
        .client
        .resolve::<Tick>("ticks")
        .await
        .expect("it is registered");
    assert!(is_over(transport, &ticks), "{ticks:?}");
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
}

async fn an_actor_that_stops_refuses_later_messages_of_its_peers(transport: Transport) {
    let pair = Pair::over(transport).await;
    let (actor, mut handled) = probe::<Tick>();
    let actor = pair.server.spawn(actor);
    pair.server
        .register("ticks", &actor)
        .expect("the name is free");
    let ticks = pair
        .client
        .resolve::<Tick>("ticks")
        .await
        .expect("it is registered");
    ticks.send(Tick::number(0)).await.expect("the actor lives");
    ticks.stop();
    assert_eq!(handled.recv().await, Some(Tick::number(0)));
    assert_eq!(handled.recv().await, None, "the actor is dropped");

    let refused = loop {
        match ticks.send(Tick::number(1)).await {
            Ok(()) => tokio::task::yield_now().await,
            Err(refused) => break refused,
        }
    };
    let SendError::ActorDown { message, reason } = refused else {
        panic!("{refused}")
    };
    assert_eq!((message, reason), (Tick::number(1), StopReason::Stopped));
    pair.shutdown().await;
}
