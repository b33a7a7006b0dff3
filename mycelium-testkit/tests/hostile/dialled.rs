//! Nodes that dial, and meet somebody else.

use std::time::Duration;

use mycelium::{
    LinkKind, Node,
    prelude::*,
    wire::{Event, FrameKind, HandshakeState},
};
use mycelium_testkit::{
    Reach,
    hostile::{Ambush, Peer},
};

use crate::{
    frames::{STATES, legal, wanted},
    victim::{GRACE, able, assert_closed, over_sockets, private_dir},
};

over_sockets!(a_node_that_dials_answers_every_kind_as_the_table_says,);

#[test]
fn who_answers_at_a_socket_that_is_another_nodes_is_told_so() {
    mycelium_testkit::watched(async {
        let dir = private_dir();
        let honest = Ambush::lay(Reach::Tcp, dir.path()).await;
        let usurper = Ambush::lay(Reach::Unix, dir.path()).await;
        let node = Node::builder("dials").unix(dir.path());
        let node = node.peer(honest.address());
        let (node, ()) = tokio::join!(node.start(), async {
            let mut peer = honest.accept().await;
            peer.hear_hello().await;
            // On the same host, by the same user, and to be had there.
            peer.hello.boot_id = peer.node().boot_id;
            peer.hello.uid = peer.node().uid;
            peer.hello.addresses = vec![usurper.address().to_string().into()];
            let hello = peer.hello.clone();
            peer.tell(|half| half.hello(&hello).expect("it is short"))
                .await;
            let mut other = usurper.accept().await;
            other.say_hello().await;
            assert_closed(other.hear_close().await, "WrongNode", "another answers");
            // The way that was there before is taken.
            peer.confirm().await;
            peer.hear_until(|event| matches!(event, Event::Up { .. }).then_some(()))
                .await;
        });
        let node = node.expect("it starts");
        assert_eq!(node.links()[0].kind(), LinkKind::Tcp);
        node.shutdown(GRACE).await.expect("it has no actors");
    });
}

#[test]
fn a_name_that_is_waited_for_is_found_beside_a_peer_that_does_not_answer() {
    mycelium_testkit::watched(async {
        let dir = private_dir();
        let ambush = Ambush::lay(Reach::Unix, dir.path()).await;
        let node = able(Reach::Unix, "asks", &dir).peer(ambush.address());
        let (node, mut peer) = tokio::join!(node.start(), async {
            let mut peer = ambush.accept().await;
            meet(&mut peer, HandshakeState::Open).await;
            peer
        });
        let node = node.expect("it starts");
        let inbox = node.inbox::<u64>();
        let asked = async {
            peer.hear_until(|event| matches!(event, Event::Resolve { .. }).then_some(()))
                .await;
            node.register("late", &inbox.actor_ref())
        };
        let limit = Duration::from_hours(1);
        let (found, registered) = tokio::join!(node.wait_for::<u64>("late", limit), asked);
        registered.expect("the name is free");
        assert_eq!(found.expect("it is registered"), inbox.actor_ref());
        drop(inbox);
        node.shutdown(GRACE).await.expect("it has no actors");
    });
}

async fn a_node_that_dials_answers_every_kind_as_the_table_says(reach: Reach) {
    let dir = private_dir();
    for state in STATES {
        for &kind in FrameKind::ALL {
            if (state, kind) == (HandshakeState::Open, FrameKind::Widen) {
                // To be said to whoever dialled.
                continue;
            }
            let Some(reason) = wanted(state, kind) else {
                continue;
            };
            let ambush = Ambush::lay(reach, dir.path()).await;
            let name = format!("dials-{}", kind.as_u8());
            let node = able(reach, &name, &dir).peer(ambush.address());
            let (node, ()) = tokio::join!(node.start(), async {
                let mut peer = ambush.accept().await;
                meet(&mut peer, state).await;
                let frame = legal(kind, &peer);
                peer.forge(&frame).await;
                let case = format!("{kind} in {state:?}");
                assert_closed(peer.hear_close().await, reason, &case);
            });
            let node: Node = node.expect("a peer that is not there yet is no failure");
            if state != HandshakeState::Open {
                assert!(node.links().is_empty());
            }
            node.shutdown(GRACE).await.expect("it has no actors");
        }
    }
}

async fn meet(peer: &mut Peer, state: HandshakeState) {
    match state {
        HandshakeState::AwaitHello => peer.hear_hello().await,
        HandshakeState::AwaitConfirm => peer.say_hello().await,
        _ => {
            peer.say_hello().await;
            peer.confirm().await;
            peer.hear_until(|event| matches!(event, Event::Up { .. }).then_some(()))
                .await;
        }
    }
}
