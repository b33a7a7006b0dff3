//! What the benches share: a message like a tick, an actor that counts, and linked nodes.
//!
//! All loops are closed: the next operation begins when the last one has ended, or when there is
//! room for it. Figures move from machine to machine; what carries is the ratio to the
//! hand-written equivalent, which runs in the same invocation.

use std::{fs::Permissions, os::unix::fs::PermissionsExt, time::Duration};

use mycelium::{NodeBuilder, Transport, prelude::*};
use mycelium_testkit::certificates::Authority;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// A message of 56 bytes.
#[message]
#[derive(Clone, Copy, Debug, Default)]
pub struct Tick {
    /// Position in the flow.
    pub sequence: u64,
    /// Nanoseconds.
    pub time_ns: u64,
    /// The order.
    pub order_id: u64,
    /// Dollars x 10,000.
    pub price: i64,
    /// The instrument.
    pub symbol: [u8; 8],
    /// Shares.
    pub size: u32,
    /// Which side.
    pub side: i8,
}

/// What the counting actor is sent.
#[message]
pub enum Count {
    /// Counts one.
    Tick(Tick),
    /// How many so far?
    Total(ReplyTo<u64>),
}

/// Counts ticks.
#[derive(Default)]
pub struct Counter(u64);

impl Actor for Counter {
    type Message = Count;

    async fn handle(&mut self, message: Count, _cx: &mut Context<Self>) -> ActorResult {
        match message {
            Count::Tick(tick) => self.0 += u64::from(tick.size != u32::MAX),
            Count::Total(reply) => reply.send(self.0),
        }
        Ok(())
    }
}

/// A runtime with two workers, or with the calling thread alone.
///
/// # Panics
///
/// When the system has no threads left.
pub fn runtime(workers: Workers) -> Runtime {
    let mut builder = match workers {
        Workers::CallingThread => Builder::new_current_thread(),
        Workers::Two => {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(2);
            builder
        }
    };
    builder
        .enable_all()
        .build()
        .expect("the system has threads left")
}

/// How many threads a runtime works with.
#[derive(Clone, Copy, Debug)]
pub enum Workers {
    /// One: what costs here is the code.
    CallingThread,
    /// Two: handing over between threads costs too.
    Two,
}

impl Workers {
    /// Its name in the ids of benches.
    pub fn name(self) -> &'static str {
        match self {
            Self::CallingThread => "1_thread",
            Self::Two => "2_workers",
        }
    }
}

/// Two nodes of this process, linked over a socket all the same.
pub struct Linked {
    server: Node,
    client: Node,
    _dir: TempDir,
}

impl Linked {
    /// Starts both and links them.
    ///
    /// # Panics
    ///
    /// When the sockets cannot be made.
    pub async fn start(transport: Transport) -> Self {
        let private = Permissions::from_mode(0o700);
        let dir = tempfile::Builder::new().permissions(private).tempdir();
        let dir = dir.expect("the system has room for a directory");
        Self::with(transport, dir, |_, builder| builder).await
    }

    /// Starts both and links them over TCP under mutual TLS.
    ///
    /// # Panics
    ///
    /// When the sockets cannot be made.
    pub async fn start_tls() -> Self {
        let ca = Authority::new("benches");
        let dir = tempfile::tempdir().expect("the system has room for a directory");
        let secret = |name: &str, builder: NodeBuilder| builder.tls(ca.node(name).config(&ca));
        Self::with(Transport::Tcp, dir, secret).await
    }

    async fn with(
        transport: Transport,
        dir: TempDir,
        finish: impl Fn(&str, NodeBuilder) -> NodeBuilder,
    ) -> Self {
        let node = |name: &str| {
            let builder = Node::builder(name).transport(transport);
            finish(name, builder.unix(dir.path()).tcp("127.0.0.1:0"))
        };
        let server = node("server").start().await.expect("the sockets are free");
        let address = server.addresses().remove(0);
        let client = node("client")
            .peer(address)
            .start()
            .await
            .expect("the server listens");
        Self {
            server,
            client,
            _dir: dir,
        }
    }

    /// A ref across the link to a new counter.
    ///
    /// # Panics
    ///
    /// When the link is lost.
    pub async fn counter(&self) -> ActorRef<Count> {
        let counter = self.server.spawn(Counter::default());
        self.server
            .register("counter", &counter)
            .expect("it is the only one");
        self.client
            .resolve("counter")
            .await
            .expect("it is registered")
    }

    /// Ends both.
    pub async fn shutdown(self) {
        for node in [self.client, self.server] {
            // Whatever is left of the bench may be killed.
            let _ = node.shutdown(Duration::from_secs(5)).await;
        }
    }
}

/// Sends so many ticks and waits until they are counted.
///
/// # Panics
///
/// When the actor is gone.
pub async fn send_and_count(counter: &ActorRef<Count>, ticks: u64) -> u64 {
    for sequence in 0..ticks {
        let tick = Tick {
            sequence,
            ..Tick::default()
        };
        counter
            .send(Count::Tick(tick))
            .await
            .expect("the counter lives");
    }
    let total = counter.ask(Count::Total).timeout(Duration::from_mins(1));
    total.await.expect("the counter answers")
}
