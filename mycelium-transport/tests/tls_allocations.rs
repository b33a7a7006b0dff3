//! What messages over TLS cost the allocator in steady state: rustls makes each record in memory of
//! its own, and takes each apart into memory of its own. Nothing else is allocated, and messages that
//! gather share a record.
//!
//! Both nodes run on the one thread of a runtime, so that counting that thread's allocations
//! counts all of them.

use std::time::Duration;

use allocation_counter::measure;
use mycelium_core::{Actor, ActorRef, ActorResult, Context, Node, SendError};
use mycelium_registry::Registry;
use mycelium_testkit::certificates::Authority;
use mycelium_transport::{BuildTransport, TransportNode};
use tokio::{
    runtime::{Builder, Runtime},
    sync::watch,
    task,
};

/// A record that is sent, and the same record as it is read.
const PER_RECORD: u64 = 2;

/// Counts what it handles.
struct Counter(watch::Sender<u64>);

impl Actor for Counter {
    type Message = u64;

    async fn handle(&mut self, _message: u64, _cx: &mut Context<Self>) -> ActorResult {
        self.0.send_modify(|handled| *handled += 1);
        Ok(())
    }
}

struct Linked {
    runtime: Runtime,
    nodes: [Node; 2],
    to: ActorRef<u64>,
    handled: watch::Receiver<u64>,
    sent: u64,
}

impl Linked {
    fn start() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("the system has a thread left");
        let (count, handled) = watch::channel(0);
        let (nodes, to) = runtime.block_on(async {
            let ca = Authority::new("ca");
            let node = |name: &str| Node::builder(name).tls(ca.node(name).config(&ca));
            let server = node("server").tcp("127.0.0.1:0").start().await;
            let server = server.expect("loopback has a free port");
            let client = node("client").peer(server.addresses().remove(0));
            let client = client.start().await.expect("the server listens");
            let counter = server.spawn(Counter(count));
            server.register("counter", &counter).expect("it is free");
            let to = client.resolve("counter").await.expect("it is registered");
            ([client, server], to)
        });
        Self {
            runtime,
            nodes,
            to,
            handled,
            sent: 0,
        }
    }

    /// Sends one after the other, each when the last has been handled.
    fn one_by_one(&mut self, messages: u64) -> u64 {
        self.count(messages, 1)
    }

    /// Sends as many at once as there is room for.
    fn at_once(&mut self, messages: u64) -> u64 {
        self.count(messages, messages)
    }

    fn count(&mut self, messages: u64, at_once: u64) -> u64 {
        let Self {
            runtime,
            to,
            handled,
            sent,
            ..
        } = self;
        let counted = measure(|| {
            runtime.block_on(async {
                for _ in 0..messages / at_once {
                    for _ in 0..at_once {
                        while let Err(refused) = to.try_send(7) {
                            assert!(matches!(refused, SendError::Full(_)), "{refused}");
                            task::yield_now().await;
                        }
                    }
                    *sent += at_once;
                    let all = handled.wait_for(|handled| handled == sent).await;
                    all.expect("the actor lives");
                }
            });
        });
        counted.count_total
    }

    fn end(self) {
        for node in self.nodes {
            let ended = node.shutdown(Duration::from_mins(1));
            self.runtime.block_on(ended).expect("its actors end");
        }
    }
}

#[test]
fn a_message_costs_no_more_than_its_record_costs() {
    const MESSAGES: u64 = 4_000;
    let mut linked = Linked::start();
    linked.one_by_one(MESSAGES);
    for _ in 0..10 {
        linked.at_once(MESSAGES);
    }
    let one_by_one = linked.one_by_one(MESSAGES);
    let at_once = linked.at_once(MESSAGES);
    linked.end();
    println!("of {MESSAGES} messages: one by one {one_by_one}, at once {at_once}");
    // Beside the messages there are the credits, a record each at most, and half a window apart.
    let most = PER_RECORD * (MESSAGES + MESSAGES / 100);
    assert!(one_by_one <= most, "{one_by_one}");
    // How many share a record is a matter of speed: a build for tests is slow enough to write most
    // of them alone.
    assert!(at_once <= most, "{at_once}");
}
