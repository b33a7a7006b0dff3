//! Objects have a connection of their own where one can be made.

mod support;

use std::fs;

use mycelium_core::{Node, TransferError};
use mycelium_testkit::proxy::Proxy;
use mycelium_transport::{BuildTransport, PeerAddr, TransportNode};

use crate::support::{GRACE, Pair, private_dir, unique};

/// Moves an object, and takes it.
async fn pass(from: &Node, to: &Node) -> Result<(), TransferError> {
    const BYTES: u64 = 100_000;
    let (ticket, mut object) = to.expect_transfer(BYTES);
    let taking = async {
        let mut taken_bytes = 0;
        while let Some(part) = object.next().await? {
            taken_bytes += part.len() as u64;
        }
        assert_eq!(taken_bytes, BYTES);
        Ok(())
    };
    let object = tokio::io::repeat(7);
    let (sent, taken) = tokio::join!(from.transfer(&ticket, BYTES, object), taking);
    sent.and(taken)
}

/// A node behind a proxy, and one that dials it there.
async fn behind_a_proxy(able: fn(&str, &tempfile::TempDir) -> mycelium_core::NodeBuilder) {
    for the_dialling_side_sends in [true, false] {
        let dir = private_dir();
        let server = able(&unique("server"), &dir).start().await;
        let server = server.expect("the node starts");
        let proxy = Proxy::before(server.addresses().remove(0), dir.path()).await;
        let proxy = proxy.expect("its place is free");
        let client = able(&unique("client"), &dir).peer(proxy.address());
        let client = client.start().await.expect("the node starts");
        assert_eq!(proxy.accepted(), 1);
        let (from, to) = if the_dialling_side_sends {
            (&client, &server)
        } else {
            (&server, &client)
        };
        for _ in 0..3 {
            pass(from, to).await.expect("it arrives");
            // Made for the first, and kept.
            assert_eq!(proxy.accepted(), 2);
        }
        pass(to, from).await.expect("it arrives");
        assert_eq!(proxy.accepted(), 2);
        assert_eq!((server.links().len(), client.links().len()), (1, 1));
        for node in [client, server] {
            node.shutdown(GRACE).await.expect("it has no actors");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_object_makes_a_second_unix_connection() {
    behind_a_proxy(|name, dir| Node::builder(name).unix(dir.path())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_object_makes_a_second_tcp_connection() {
    behind_a_proxy(|name, _| Node::builder(name).tcp("127.0.0.2:0")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_no_second_connection_can_be_made_the_first_carries_objects() {
    let pair = Pair::start().await;
    let [PeerAddr::Unix(socket)] = &pair.server.addresses()[..] else {
        panic!("it listens at a Unix socket")
    };
    // Nobody finds the way to it any more.
    fs::remove_file(socket).expect("it is there");
    for _ in 0..2 {
        let sent = pass(&pair.client, &pair.server).await;
        sent.expect("it arrives");
        let sent = pass(&pair.server, &pair.client).await;
        sent.expect("it arrives");
    }
    pair.shutdown().await;
}
