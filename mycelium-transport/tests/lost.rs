//! TCP links that are lost, and peers that die.

mod support;

use std::io;

use mycelium_core::{ActorRef, Node, SendError};
use mycelium_registry::Registry;
use mycelium_transport::{BuildTransport, PeerAddr, TransportNode};

use crate::support::{
    GRACE, Tick,
    child::{self, Child, User},
    probe,
    proxy::Proxy,
    unique,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_was_cut_comes_back_and_neither_reorders_nor_repeats() {
    const CUTS: u32 = 10;
    let server = Node::builder(unique("server")).tcp("127.0.0.1:0");
    let server = server.start().await.expect("loopback has a free port");
    let (actor, mut handled) = probe::<Tick>();
    let actor = server.spawn(actor);
    server.register("ticks", &actor).expect("the name is free");
    let proxy = Proxy::start().await;
    proxy.aim(server.addresses().remove(0));
    let client = Node::builder(unique("client")).peer(proxy.address.clone());
    let client = client.start().await.expect("it needs nothing");
    let ticks = client.resolve::<Tick>("ticks").await;
    let ticks = ticks.expect("it is registered");

    let (mut sent, mut last) = (0, None);
    for cut in 1..=CUTS {
        for _ in 0..500 {
            ticks.send(Tick::number(sent)).await.expect("it lives");
            sent += 1;
        }
        proxy.cut().await;
        // The old connection is known to be lost when another one is dialled.
        proxy.passed_on(cut + 1).await;
        ticks.send(Tick::number(sent)).await.expect("it lives");
        while last != Some(sent) {
            let next = handled.recv().await.expect("the actor lives").sequence;
            assert!(last < Some(next), "{next} came after {last:?}");
            last = Some(next);
        }
        sent += 1;
        assert_eq!((client.links().len(), server.links().len()), (1, 1));
    }
    for node in [client, server] {
        node.shutdown(GRACE).await.expect("all actors end");
    }
}

/// Sends until that fails.
async fn first_failure(ticks: &ActorRef<Tick>) -> SendError<Tick> {
    loop {
        match ticks.send(Tick::number(0)).await {
            Ok(()) => tokio::task::yield_now().await,
            Err(failure) => return failure,
        }
    }
}

// The test waits for the child on a thread of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_whose_process_was_killed_is_down() {
    let mut peer = Child::run("listens", "", User::Ours);
    let address: PeerAddr = peer.hear().parse().expect("an address");
    let node = Node::builder("survivor").peer(address).start().await;
    let node = node.expect("it needs nothing");
    let ticks = node.resolve::<Tick>("ticks").await;
    let ticks = ticks.expect("it is registered");
    ticks.send(Tick::number(0)).await.expect("the peer lives");

    peer.kill();
    let failure = first_failure(&ticks).await;
    assert!(matches!(failure, SendError::NodeDown(_)), "{failure}");
    assert!(node.links().is_empty());
    node.shutdown(GRACE).await.expect("all actors end");
}

// The test waits for the child on a thread of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_dialled_and_was_killed_is_down() {
    let node = Node::builder("survivor").tcp("127.0.0.1:0").start().await;
    let node = node.expect("loopback has a free port");
    let mut peer = Child::run("dials", &node.addresses()[0].to_string(), User::Ours);
    assert_eq!(peer.hear(), "linked");
    let ticks = node.resolve::<Tick>("ticks").await;
    let ticks = ticks.expect("it is registered");

    peer.kill();
    let failure = first_failure(&ticks).await;
    assert!(matches!(failure, SendError::NodeDown(_)), "{failure}");
    assert!(node.links().is_empty());
    node.shutdown(GRACE).await.expect("all actors end");
}

/// Not a test: a peer in a process of its own.
#[tokio::test]
async fn child() {
    let Some((role, address)) = child::role() else {
        return;
    };
    let builder = Node::builder("peer");
    let builder = match &*role {
        "listens" => builder.tcp("127.0.0.1:0"),
        _ => builder.peer(address.parse().expect("an address")),
    };
    let node = builder.start().await.expect("loopback has a free port");
    let (actor, _handled) = probe::<Tick>();
    let actor = node.spawn(actor);
    node.register("ticks", &actor).expect("the name is free");
    match &*role {
        "listens" => child::say(&node.addresses()[0]),
        _ => child::say("linked"),
    }
    // Until it is killed, or nobody is left to do so.
    let waits = tokio::task::spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink()));
    let _ = waits.await;
}
