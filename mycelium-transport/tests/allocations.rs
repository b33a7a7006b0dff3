//! What messages between two nodes cost the allocator in steady state: nothing.
//!
//! Both nodes run on the one thread of a runtime, so that counting that thread's allocations
//! counts all of them: senders, writers, readers and actors.

use std::{os::unix::fs::PermissionsExt, sync::Arc};

use allocation_counter::measure;
use mycelium_core::{Actor, ActorRef, ActorResult, Context, Node, SendError};
use mycelium_macros::message;
use mycelium_registry::Registry;
use mycelium_transport::{BuildTransport, PeerAddr};
use mycelium_wire::Wire;
use tempfile::TempDir;
use tokio::{
    runtime::{self, Runtime},
    sync::{Semaphore, watch},
    task,
};

/// A market-data tick.
#[message(crate = mycelium_wire)]
#[derive(Clone, Copy)]
struct Tick {
    sequence: u64,
    price: i64,
    size: u32,
    side: i8,
}

/// Longer than what is copied out of the receive buffer when it is queued.
#[message(crate = mycelium_wire)]
#[derive(Clone, Copy)]
struct Snapshot {
    sequence: u64,
    levels: [u64; 50],
}

trait Numbered: Wire {
    fn number(sequence: u64) -> Self;
    fn sequence(&self) -> u64;
}

impl Numbered for Tick {
    fn number(sequence: u64) -> Self {
        Self {
            sequence,
            price: 1,
            size: 2,
            side: 3,
        }
    }

    fn sequence(&self) -> u64 {
        self.sequence
    }
}

impl Numbered for Snapshot {
    fn number(sequence: u64) -> Self {
        Self {
            sequence,
            levels: [7; 50],
        }
    }

    fn sequence(&self) -> u64 {
        self.sequence
    }
}

/// Counts what it handles; the number is the next sequence.
struct Counter<M> {
    handled: watch::Sender<u64>,
    gate: Arc<Semaphore>,
    message: std::marker::PhantomData<fn(M)>,
}

impl<M: Numbered + Send + 'static> Actor for Counter<M> {
    type Message = M;

    async fn handle(&mut self, message: M, _cx: &mut Context<Self>) -> ActorResult {
        drop(self.gate.acquire().await?);
        assert_eq!(message.sequence(), *self.handled.borrow());
        self.handled.send_modify(|next| *next += 1);
        Ok(())
    }
}

struct Nodes<M> {
    runtime: Runtime,
    server: Node,
    client: Node,
    to: ActorRef<M>,
    next: u64,
    handled: watch::Receiver<u64>,
    gate: Arc<Semaphore>,
    _dir: TempDir,
}

impl<M: Numbered + Send + 'static> Nodes<M> {
    fn start() -> Self {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("the system has threads");
        let private = std::fs::Permissions::from_mode(0o700);
        let dir = tempfile::Builder::new().permissions(private).tempdir();
        let dir = dir.expect("the system has room for a directory");
        let (handled, watched) = watch::channel(0);
        let gate = Arc::new(Semaphore::new(1));
        let (server, client, to) = runtime.block_on(async {
            let server = Node::builder("server").unix(dir.path());
            let server = server.start().await.expect("it starts");
            let client = Node::builder("client").unix(dir.path());
            let client = client.peer(PeerAddr::unix(dir.path(), "server"));
            let client = client.start().await.expect("it starts");
            let actor = server.spawn(Counter::<M> {
                handled,
                gate: Arc::clone(&gate),
                message: std::marker::PhantomData,
            });
            server.register("counter", &actor).expect("a free name");
            let to = client.resolve("counter").await.expect("it is registered");
            (server, client, to)
        });
        Self {
            runtime,
            server,
            client,
            to,
            next: 0,
            handled: watched,
            gate,
            _dir: dir,
        }
    }

    /// Runs on the only thread there is and says how many allocations that cost.
    fn count<T>(&mut self, run: impl AsyncFnOnce(&mut Traffic<'_, M>) -> T) -> u64 {
        let mut traffic = Traffic {
            to: &self.to,
            next: &mut self.next,
            handled: &mut self.handled,
        };
        let runtime = &self.runtime;
        measure(|| {
            runtime.block_on(run(&mut traffic));
        })
        .count_total
    }

    fn end(self) {
        let Self {
            runtime,
            server,
            client,
            ..
        } = self;
        runtime.block_on(async {
            let grace = std::time::Duration::from_mins(1);
            client.shutdown(grace).await.expect("it ends");
            server.shutdown(grace).await.expect("it ends");
        });
    }
}

struct Traffic<'a, M> {
    to: &'a ActorRef<M>,
    next: &'a mut u64,
    handled: &'a mut watch::Receiver<u64>,
}

impl<M: Numbered> Traffic<'_, M> {
    /// Sends, and waits where the window is used up: several times over.
    async fn send(&mut self, messages: u64) {
        for _ in 0..messages {
            let message = M::number(*self.next);
            self.to.send(message).await.expect("the actor lives");
            *self.next += 1;
        }
        self.all_handled().await;
    }

    /// Sends without waiting, and lets others run where there is no room.
    async fn try_send(&mut self, messages: u64) {
        for _ in 0..messages {
            while let Err(refused) = self.to.try_send(M::number(*self.next)) {
                assert!(matches!(refused, SendError::Full(_)), "{refused}");
                task::yield_now().await;
            }
            *self.next += 1;
        }
        self.all_handled().await;
    }

    /// Sends one after the other, each when the last has been handled.
    async fn ping(&mut self, messages: u64) {
        for _ in 0..messages {
            self.send(1).await;
        }
    }

    /// Sends as much as there is room for while the actor stands still, and says how much that was.
    async fn backlog(&mut self, gate: &Semaphore) -> u64 {
        let shut = gate.acquire().await.expect("the gate stays");
        let before = *self.next;
        for _ in 0..1_000 {
            while self.to.try_send(M::number(*self.next)).is_ok() {
                *self.next += 1;
            }
            task::yield_now().await;
        }
        drop(shut);
        self.all_handled().await;
        *self.next - before
    }

    async fn all_handled(&mut self) {
        let sent = *self.next;
        let all = self.handled.wait_for(|handled| *handled == sent);
        all.await.expect("the actor lives");
    }
}

/// Buffers and queues have grown to the size of the traffic: a whole window has waited in them.
fn warmed_up<M: Numbered + Send + 'static>() -> Nodes<M> {
    let mut nodes = Nodes::start();
    let gate = Arc::clone(&nodes.gate);
    nodes.count(async |traffic| {
        // Often, so that each of the buffers that take turns has seen the most there can be.
        for _ in 0..30 {
            traffic.backlog(&gate).await;
            traffic.send(1_000).await;
            traffic.try_send(1_000).await;
        }
        traffic.try_send(20_000).await;
    });
    nodes
}

/// Whenever its thread enters it, the runtime makes a list of the tasks that gave way.
const RUNTIME: u64 = 1;

fn measured<M: Numbered + Send + 'static>() {
    let mut nodes = warmed_up::<M>();
    let sends = nodes.count(async |traffic| traffic.send(20_000).await);
    let tries = nodes.count(async |traffic| traffic.try_send(20_000).await);
    let pings = nodes.count(async |traffic| traffic.ping(2_000).await);
    let base = nodes.count(async |traffic| traffic.try_send(1).await);
    nodes.end();
    let costs = [sends, tries, pings, base];
    assert!(
        costs.iter().all(|cost| *cost <= RUNTIME),
        "send, try_send, one by one, one: {costs:?}"
    );
}

#[test]
fn small_messages_allocate_nothing_while_the_receiver_keeps_up() {
    measured::<Tick>();
}

#[test]
fn messages_too_long_to_copy_allocate_nothing_while_the_receiver_keeps_up() {
    measured::<Snapshot>();
}

#[test]
fn the_counter_counts() {
    let mut nodes = warmed_up::<Tick>();
    let allocated = nodes.count(async |traffic| {
        drop(Box::new(std::hint::black_box(7)));
        traffic.send(10).await;
    });
    nodes.end();
    assert_eq!(allocated, 1);
}

fn lagging<M: Numbered + Send + 'static>() {
    let mut nodes = warmed_up::<M>();
    let gate = Arc::clone(&nodes.gate);
    let mut messages = 0;
    let allocations = nodes.count(async |traffic| {
        for _ in 0..20 {
            messages += traffic.backlog(&gate).await;
        }
    });
    nodes.end();
    assert!(messages > 20 * 500, "{messages}");
    assert!(
        allocations * 100 <= messages,
        "{allocations} allocations for {messages} messages"
    );
}

#[test]
fn small_messages_that_queue_allocate_once_in_a_hundred_at_most() {
    lagging::<Tick>();
}

#[test]
fn longer_messages_that_queue_allocate_once_in_a_hundred_at_most() {
    lagging::<Snapshot>();
}
