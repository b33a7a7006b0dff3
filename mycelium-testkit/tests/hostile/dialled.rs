//! Nodes that dial, and meet somebody else.

use std::time::Duration;

use mycelium::{
    Node,
    prelude::*,
    wire::{FrameKind, HandshakeState},
};
use mycelium_testkit::{
    Reach,
    hostile::{Ambush, Peer},
};

use crate::{
    frames::{legal, wanted},
    victim::{able, assert_closed, over_sockets, private_dir},
};

over_sockets!(a_node_that_dials_answers_every_kind_as_the_table_says,);

async fn a_node_that_dials_answers_every_kind_as_the_table_says(reach: Reach) {
    let dir = private_dir();
    for state in [HandshakeState::AwaitHello, HandshakeState::AwaitConfirm] {
        for &kind in FrameKind::ALL {
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
            assert!(node.links().is_empty());
            let grace = Duration::from_mins(2);
            node.shutdown(grace).await.expect("it has no actors");
        }
    }
}

async fn meet(peer: &mut Peer, state: HandshakeState) {
    match state {
        HandshakeState::AwaitHello => peer.hear_hello().await,
        _ => peer.say_hello().await,
    }
}
