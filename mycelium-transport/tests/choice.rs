//! Which transport a pair of nodes has, and that it has one connection.

mod support;

use std::{fs, os::unix::net::UnixListener, path::Path};

use mycelium_core::{LinkKind, Node, NodeBuilder, StartError};
use mycelium_registry::Registry;
use mycelium_transport::{BuildTransport, PeerAddr, Transport, TransportError, TransportNode};

use crate::support::{GRACE, Tick, listening, private_dir, probe, proxy::Proxy, unique};

/// A node with a TCP port, and a Unix socket where it gets a directory.
fn with_tcp(name: &str, dir: Option<&Path>) -> NodeBuilder {
    let builder = Node::builder(unique(name)).tcp("127.0.0.1:0");
    match dir {
        Some(dir) => builder.unix(dir),
        None => builder,
    }
}

async fn started(builder: NodeBuilder) -> Node {
    builder.start().await.expect("the node starts")
}

async fn refused(builder: NodeBuilder) -> TransportError {
    match builder.start().await {
        Err(StartError::Plugin(error)) => *error.downcast().expect("the transport refused"),
        other => panic!("{other:?}"),
    }
}

fn tcp_address(node: &Node) -> PeerAddr {
    let addresses = node.addresses();
    let is_tcp = |address: &PeerAddr| matches!(address, PeerAddr::Tcp { .. });
    addresses.into_iter().find(is_tcp).expect("it has a port")
}

/// The kind of a node's only link.
async fn kind_of_link(node: &Node) -> LinkKind {
    loop {
        match &node.links()[..] {
            [] => tokio::task::yield_now().await,
            [only] => return only.kind(),
            several => panic!("{} links", several.len()),
        }
    }
}

async fn end(nodes: impl IntoIterator<Item = Node>) {
    for node in nodes {
        node.shutdown(GRACE).await.expect("all actors end");
    }
}

#[tokio::test]
async fn a_pair_meets_over_unix_where_both_have_it_and_over_tcp_where_not() {
    let dir = private_dir();
    let unix = Some(dir.path());
    for (server_has, client_has, wanted) in [
        (unix, unix, LinkKind::Unix),
        (unix, None, LinkKind::Tcp),
        (None, unix, LinkKind::Tcp),
        (None, None, LinkKind::Tcp),
    ] {
        let server = started(with_tcp("server", server_has)).await;
        let client = with_tcp("client", client_has).peer(tcp_address(&server));
        let client = started(client).await;
        assert_eq!(client.links().len(), 1, "the link is up when the node is");
        assert_eq!(kind_of_link(&client).await, wanted);
        assert_eq!(kind_of_link(&server).await, wanted);
        end([client, server]).await;
    }
}

#[tokio::test]
async fn nodes_in_different_directories_meet_over_unix() {
    let (ours, theirs) = (private_dir(), private_dir());
    let server = started(with_tcp("server", Some(theirs.path()))).await;
    let client = with_tcp("client", Some(ours.path())).peer(tcp_address(&server));
    let client = started(client).await;
    assert_eq!(kind_of_link(&client).await, LinkKind::Unix);
    end([client, server]).await;
}

#[tokio::test]
async fn tcp_stays_where_the_unix_socket_is_gone_silent_or_anothers() {
    let dir = private_dir();
    let other = started(Node::builder(unique("other")).unix(dir.path())).await;
    let others_socket = dir.path().join(format!("{}.sock", other.id().name()));

    for case in ["gone", "silent", "another's"] {
        let server = started(with_tcp("server", Some(dir.path()))).await;
        let socket = dir.path().join(format!("{}.sock", server.id().name()));
        fs::remove_file(&socket).expect("the socket is there");
        let _silent = match case {
            "silent" => Some(UnixListener::bind(&socket).expect("the path is free")),
            "another's" => {
                fs::rename(&others_socket, &socket).expect("both are there");
                None
            }
            _ => None,
        };
        let client = with_tcp("client", Some(dir.path())).peer(tcp_address(&server));
        let client = started(client).await;
        assert_eq!(kind_of_link(&client).await, LinkKind::Tcp, "{case}");
        assert_eq!(kind_of_link(&server).await, LinkKind::Tcp, "{case}");
        assert!(other.links().is_empty(), "{case}");
        end([client, server]).await;
    }
    end([other]).await;
}

#[tokio::test]
async fn a_forced_transport_is_used_where_another_would_be_chosen() {
    let dir = private_dir();
    let server = started(with_tcp("server", Some(dir.path()))).await;
    let client = with_tcp("client", Some(dir.path())).transport(Transport::Tcp);
    let client = started(client.peer(tcp_address(&server))).await;
    assert_eq!(kind_of_link(&client).await, LinkKind::Tcp);
    assert_eq!(kind_of_link(&server).await, LinkKind::Tcp);
    end([client, server]).await;
}

#[tokio::test]
async fn a_node_listens_at_addresses_of_its_transport_only() {
    let dir = private_dir();
    let able = |transport| with_tcp("able", Some(dir.path())).transport(transport);

    let node = started(able(Transport::Auto)).await;
    let addresses = node.addresses();
    assert!(
        matches!(addresses[..], [PeerAddr::Unix(_), PeerAddr::Tcp { port, .. }] if port != 0),
        "{addresses:?}"
    );
    end([node]).await;

    let node = started(able(Transport::Unix)).await;
    let path = dir.path().join(format!("{}.sock", node.id().name()));
    assert_eq!(node.addresses(), [PeerAddr::Unix(path)]);
    end([node]).await;

    let node = started(able(Transport::Tcp)).await;
    let addresses = node.addresses();
    assert!(
        matches!(addresses[..], [PeerAddr::Tcp { .. }]),
        "{addresses:?}"
    );
    end([node]).await;

    let node = started(able(Transport::Memory)).await;
    let name = node.id().name().to_string();
    assert_eq!(node.addresses(), [PeerAddr::Memory(name)]);
    end([node]).await;
}

#[tokio::test]
async fn a_peer_of_another_transport_is_refused() {
    let dir = private_dir();
    for (transport, peer) in [
        (Transport::Auto, "memory:book-1"),
        (Transport::Memory, "tcp:127.0.0.1:1"),
        (Transport::Memory, "unix:/tmp/book-1.sock"),
        (Transport::Unix, "tcp:127.0.0.1:1"),
        (Transport::Unix, "memory:book-1"),
        (Transport::Tcp, "unix:/tmp/book-1.sock"),
        (Transport::Tcp, "memory:book-1"),
    ] {
        let address: PeerAddr = peer.parse().expect("an address");
        let node = with_tcp("picky", Some(dir.path())).transport(transport);
        let error = refused(node.peer(address.clone())).await;
        let TransportError::WrongTransport {
            peer: refused,
            transport: ours,
        } = &error
        else {
            panic!("{error}")
        };
        assert_eq!((refused, *ours), (&address, transport), "{error}");
    }
}

#[tokio::test]
async fn a_node_without_unix_does_not_dial_it() {
    let dir = private_dir();
    let peer = PeerAddr::unix(dir.path(), "server");
    for transport in [Transport::Auto, Transport::Unix] {
        let node = with_tcp("tcp-only", None).transport(transport);
        let error = refused(node.peer(peer.clone())).await;
        assert!(
            matches!(&error, TransportError::WithoutUnix { peer: refused } if *refused == peer),
            "{error}"
        );
    }
}

#[tokio::test]
async fn what_is_not_loopback_is_neither_listened_at_nor_dialled() {
    let error = refused(Node::builder(unique("open")).tcp("0.0.0.0:0")).await;
    assert!(
        matches!(error, TransportError::NotLoopback { .. }),
        "{error}"
    );

    // Reserved for documentation: no host has it.
    let peer = "tcp:192.0.2.1:7000".parse().expect("an address");
    let error = refused(Node::builder(unique("far")).peer(peer)).await;
    assert!(
        matches!(error, TransportError::NotLoopback { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn two_nodes_of_one_name_do_not_listen_in_one_memory() {
    let name = unique("twin");
    let first = Node::builder(name.clone()).transport(Transport::Memory);
    let first = started(first).await;
    let error = refused(Node::builder(name).transport(Transport::Memory)).await;
    assert!(
        matches!(error, TransportError::DuplicateNode { .. }),
        "{error}"
    );
    end([first]).await;
}

/// Asserts that the two nodes are linked by one connection that stays: with every connection that
/// took another's place messages would be lost.
async fn assert_one_link(a: &Node, b: &Node) {
    const MESSAGES: u64 = 1_000;
    for (from, to) in [(a, b), (b, a)] {
        let (actor, mut handled) = probe::<Tick>();
        let name = unique("ticks");
        to.register(&name, &to.spawn(actor)).expect("it is free");
        let ticks = loop {
            match from.resolve::<Tick>(&name).await {
                Ok(ticks) => break ticks,
                // The link may not be up yet.
                Err(_) => tokio::task::yield_now().await,
            }
        };
        for number in 0..MESSAGES {
            ticks.send(Tick::number(number)).await.expect("it lives");
        }
        for number in 0..MESSAGES {
            assert_eq!(handled.recv().await, Some(Tick::number(number)));
        }
        assert_eq!(from.links().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_dial_each_other_have_one_link() {
    for _ in 0..20 {
        let dir = private_dir();
        let (a, b) = (unique("a"), unique("b"));
        let node = |name: &str, peer: &str| {
            let peer = PeerAddr::unix(dir.path(), peer);
            started(Node::builder(name).unix(dir.path()).peer(peer))
        };
        let (a, b) = tokio::join!(node(&a, &b), node(&b, &a));
        assert_one_link(&a, &b).await;
        end([a, b]).await;
    }
}

// Both sides notice the cut at the same moment and dial at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_dial_each_other_have_one_link_again_after_every_cut() {
    let (to_a, to_b) = tokio::join!(Proxy::start(), Proxy::start());
    let a = started(with_tcp("a", None).peer(to_b.address.clone())).await;
    to_a.aim(tcp_address(&a));
    let b = started(with_tcp("b", None).peer(to_a.address.clone())).await;
    to_b.aim(tcp_address(&b));
    for _ in 0..30 {
        assert_one_link(&a, &b).await;
        tokio::join!(to_a.cut(), to_b.cut());
    }
    end([a, b]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_dialled_at_all_its_addresses_has_one_link() {
    for _ in 0..20 {
        let dir = private_dir();
        let server = started(with_tcp("server", Some(dir.path()))).await;
        let mut client = with_tcp("client", Some(dir.path()));
        for address in server.addresses() {
            client = client.peer(address.clone()).peer(address);
        }
        let client = started(client).await;
        assert_eq!(kind_of_link(&client).await, LinkKind::Unix);
        assert_one_link(&client, &server).await;
        end([client, server]).await;
    }
}

#[tokio::test]
async fn a_peer_that_is_not_there_yet_is_dialled_until_it_is() {
    let dir = private_dir();
    let name = unique("late");
    let early = Node::builder(unique("early")).unix(dir.path());
    let early = started(early.peer(PeerAddr::unix(dir.path(), &name))).await;
    assert!(early.links().is_empty());
    let late = listening(&name, &dir).await;
    assert_one_link(&early, &late).await;
    end([early, late]).await;
}

#[tokio::test]
async fn a_relative_directory_is_told_as_what_it_is() {
    let dir = private_dir();
    let here = std::env::current_dir().expect("it is there");
    let up: std::path::PathBuf = here.components().skip(1).map(|_| "..").collect();
    let below = dir.path().strip_prefix("/").expect("it is absolute");
    let relative = up.join(below);
    let server = started(with_tcp("server", Some(&relative))).await;
    let printed = server.addresses().remove(0).to_string();
    let parsed = printed.parse::<PeerAddr>();
    assert!(parsed.is_ok_and(|address| server.addresses().contains(&address)));
    let client = with_tcp("client", Some(dir.path())).peer(tcp_address(&server));
    let client = started(client).await;
    assert_eq!(kind_of_link(&client).await, LinkKind::Unix);
    end([client, server]).await;
}
