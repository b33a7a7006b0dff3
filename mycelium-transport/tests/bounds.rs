//! Many bindings on one link, and what may wait in all of them together.

mod support;

use std::{num::NonZeroUsize, sync::Arc};

use mycelium_core::{Actor, ActorRef, ActorResult, Context, SendError, SpawnOptions};
use mycelium_macros::message;
use mycelium_registry::Registry;
use mycelium_wire::frame_bytes;
use tokio::sync::{
    Semaphore,
    mpsc::{self, UnboundedSender},
};

use crate::support::Pair;

#[message(crate = mycelium_wire)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tick {
    actor: u64,
    number: u64,
}

/// Passes on what it handles, once the gate is open.
struct Gated {
    gate: Arc<Semaphore>,
    handled: UnboundedSender<Tick>,
}

impl Actor for Gated {
    type Message = Tick;

    async fn started(&mut self, _cx: &mut Context<Self>) -> ActorResult {
        drop(self.gate.acquire().await?);
        Ok(())
    }

    async fn handle(&mut self, tick: Tick, _cx: &mut Context<Self>) -> ActorResult {
        self.handled.send(tick)?;
        Ok(())
    }
}

/// Actors of the server, and the client's refs to them.
async fn actors(
    pair: &Pair,
    count: u64,
    gate: &Arc<Semaphore>,
    handled: &UnboundedSender<Tick>,
) -> Vec<ActorRef<Tick>> {
    let capacity = SpawnOptions::default().capacity(NonZeroUsize::new(64).expect("not zero"));
    let mut refs = Vec::new();
    for number in 0..count {
        let actor = Gated {
            gate: Arc::clone(gate),
            handled: handled.clone(),
        };
        let actor = pair.server.spawn_with(capacity.clone(), actor);
        // Each pair counts its own.
        let name = format!("{}-{number}", actor.id().as_u64());
        pair.server.register(&name, &actor).expect("it is free");
        refs.push(pair.client.resolve(&name).await.expect("it is there"));
    }
    refs
}

#[tokio::test]
async fn one_stuck_actor_of_a_thousand_holds_up_no_other() {
    const ACTORS: u64 = 1_000;
    const TICKS: u64 = 20;
    let pair = Pair::start().await;
    let (handled, mut seen) = mpsc::unbounded_channel();
    let closed = Arc::new(Semaphore::new(0));
    let open = Arc::new(Semaphore::new(1));
    let stuck = actors(&pair, 1, &closed, &handled).await.remove(0);
    let others = actors(&pair, ACTORS - 1, &open, &handled).await;
    // Its whole window is used up, and somebody waits for more.
    let mut number = 0;
    let waits = loop {
        match stuck.try_send(Tick {
            actor: ACTORS,
            number,
        }) {
            Ok(()) => number += 1,
            Err(SendError::Full(tick)) if number == 64 => break tick,
            Err(SendError::Full(_)) => tokio::task::yield_now().await,
            Err(refused) => panic!("{refused}"),
        }
    };
    let sending = tokio::spawn({
        let stuck = stuck.clone();
        async move { stuck.send(waits).await }
    });
    for number in 0..TICKS {
        for (actor, to) in (0..).zip(&others) {
            to.send(Tick { actor, number }).await.expect("it lives");
        }
    }
    let mut next = vec![0; others.len()];
    for _ in 0..TICKS * (ACTORS - 1) {
        let tick = seen.recv().await.expect("they live");
        let wanted = &mut next[usize::try_from(tick.actor).expect("few")];
        assert_eq!(tick.number, *wanted, "{tick:?}");
        *wanted += 1;
    }
    assert!(!sending.is_finished(), "its actor has taken nothing");
    assert_eq!(pair.client.links()[0].bindings(), 1_000);
    closed.add_permits(1);
    sending.await.expect("no panic").expect("it lives");
    pair.shutdown().await;
}

#[tokio::test]
async fn a_flood_stays_within_the_bounds_that_are_told() {
    const ACTORS: u64 = 50;
    let pair = Pair::start().await;
    let (handled, _seen) = mpsc::unbounded_channel();
    let closed = Arc::new(Semaphore::new(0));
    let flooded = actors(&pair, ACTORS, &closed, &handled).await;
    let mut accepted = 0;
    for (actor, to) in (0..).zip(&flooded) {
        let mut number = 0;
        // Ten times what there is room for.
        for _ in 0..640 {
            match to.try_send(Tick { actor, number }) {
                Ok(()) => number += 1,
                Err(SendError::Full(_)) => tokio::task::yield_now().await,
                Err(refused) => panic!("{refused}"),
            }
        }
        accepted += number;
    }
    let (near, far) = (pair.client.bounds(), pair.server.bounds());
    assert_eq!(far.remote_messages, ACTORS * 64);
    assert_eq!(
        accepted, far.remote_messages,
        "as much as was told, and no more"
    );
    let waiting_bytes = accepted * frame_bytes(size_of::<Tick>()) as u64;
    assert!(waiting_bytes <= far.remote_bytes, "{far}");
    assert!(waiting_bytes <= near.outbound_bytes, "{near}");
    assert_eq!(far.local_messages, ACTORS * 64);
    closed.add_permits(1);
    drop(flooded);
    pair.shutdown().await;
}
