//! Over TCP a node links to processes of its own user only, whoever dials.
//!
//! The other process speaks the protocol by hand: a node of ours would refuse the foreign user by
//! itself. That the same process of our own user is linked shows that the user is the reason.

mod support;

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
};

use mycelium_core::Node;
use mycelium_transport::{BuildTransport, TransportNode};
use mycelium_wire::{
    Check, Event, Hello, Limits, NodeId, ReceiveHalf, SendHalf, rkyv::util::AlignedVec,
};

use crate::support::{
    GRACE,
    child::{self, Child, User},
    unique,
};

const CONFIRMED: &str = "confirmed";
const REFUSED: &str = "refused";

fn can_run_as(user: User) -> bool {
    let can = user == User::Ours || rustix::process::geteuid().is_root();
    if !can {
        println!("skipped: needs root");
    }
    can
}

async fn dialled_by(user: User) -> Option<String> {
    if !can_run_as(user) {
        return None;
    }
    let node = Node::builder(unique("dialled")).tcp("127.0.0.1:0");
    let node = node.start().await.expect("loopback has a free port");
    let mut peer = Child::run("dials", &node.addresses()[0].to_string(), user);
    let said = peer.hear();
    assert_eq!(node.links().len(), usize::from(said == CONFIRMED));
    drop(peer);
    node.shutdown(GRACE).await.expect("all actors end");
    Some(said)
}

async fn dials(user: User) -> Option<String> {
    if !can_run_as(user) {
        return None;
    }
    let mut peer = Child::run("listens", "", user);
    let address = peer.hear().parse().expect("an address");
    let node = Node::builder(unique("dials")).peer(address).start().await;
    let node = node.expect("it needs nothing");
    let said = peer.hear();
    assert_eq!(node.links().len(), usize::from(said == CONFIRMED));
    drop(peer);
    node.shutdown(GRACE).await.expect("all actors end");
    Some(said)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_of_our_user_that_dials_is_linked() {
    assert_eq!(dialled_by(User::Ours).await.as_deref(), Some(CONFIRMED));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_of_another_user_that_dials_is_refused() {
    if let Some(said) = dialled_by(User::Nobody).await {
        assert_eq!(said, REFUSED);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_of_our_user_that_listens_is_linked() {
    assert_eq!(dials(User::Ours).await.as_deref(), Some(CONFIRMED));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_of_another_user_that_listens_is_refused() {
    if let Some(said) = dials(User::Nobody).await {
        assert_eq!(said, REFUSED);
    }
}

/// Not a test: a peer in a process of its own, perhaps of another user.
#[test]
fn child() {
    let Some((role, address)) = child::role() else {
        return;
    };
    let mut stream = if role == "dials" {
        TcpStream::connect(address.replace("tcp:", "")).expect("the node listens")
    } else {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let place = listener.local_addr().expect("it is bound");
        child::say(format_args!("tcp:{place}"));
        listener.accept().expect("the node dials").0
    };
    let is_confirmed = is_confirmed(&mut stream);
    child::say(if is_confirmed { CONFIRMED } else { REFUSED });
    // Until it is killed, or nobody is left to do so.
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
}

/// Does the peer's part of a handshake.
fn is_confirmed(stream: &mut TcpStream) -> bool {
    let hello = Hello {
        node: NodeId::new("by-hand".parse().expect("a name"), 1),
        nonce: 2,
        boot_id: 0,
        uid: 0,
        pid: 0,
        message_limit_bytes: 1_024,
        joins: 0,
        addresses: Vec::new(),
    };
    let limits = Limits::default();
    let mut send = SendHalf::new(limits, Check::Crc32c);
    let mut receive = ReceiveHalf::new(limits, hello.nonce, Check::Crc32c);
    send.hello(&hello).expect("it is short");
    let mut chunk = [0; 4_096];
    let mut is_up = false;
    loop {
        while let Some(event) = receive.poll_event().expect("the node speaks the protocol") {
            match event {
                Event::Hello(node) => send.confirm(node.nonce, 0),
                Event::Up { .. } => is_up = true,
                other => panic!("{other:?}"),
            }
        }
        let mut batch = AlignedVec::new();
        if send.poll_transmit(&mut batch) && stream.write_all(&batch).is_err() {
            return false;
        }
        if is_up {
            return true;
        }
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return false,
            Ok(read_bytes) => receive.buffer().extend_from_slice(&chunk[..read_bytes]),
        }
    }
}
