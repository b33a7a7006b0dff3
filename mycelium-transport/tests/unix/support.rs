//! Nodes in a directory of their own, actors that pass on what they handle, and a watchdog.

pub(crate) mod child;
pub(crate) mod proxy;
pub(crate) mod scripted;

use std::{
    fs::Permissions,
    future::{Future, poll_fn},
    num::NonZeroUsize,
    os::unix::fs::PermissionsExt,
    pin::Pin,
    process,
    sync::{Arc, mpsc as std_mpsc},
    task::Poll,
    thread,
    time::Duration,
};

use mycelium_core::{
    Actor, ActorRef, ActorResult, Context, Message, Node, SendError, SpawnOptions,
};
use mycelium_macros::message;
use mycelium_registry::Registry;
use mycelium_transport::{BuildTransport, LivenessConfig, PeerAddr};
use mycelium_wire::Wire;
use tempfile::TempDir;
use tokio::{
    runtime,
    sync::{Semaphore, mpsc},
    task,
};

/// A message of a fixed size, like a market-data tick.
#[message(crate = mycelium_wire)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tick {
    pub(crate) sequence: u64,
    pub(crate) price: i64,
    pub(crate) size: u32,
    pub(crate) side: i8,
}

impl Tick {
    pub(crate) fn number(sequence: u64) -> Self {
        Self {
            sequence,
            price: -5,
            size: 100,
            side: 1,
        }
    }
}

/// A message of any size.
#[message(crate = mycelium_wire)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Blob {
    pub(crate) sequence: u64,
    pub(crate) bytes: Vec<u8>,
}

impl Blob {
    /// The longest content whose archive a link takes by default.
    pub(crate) const LIMIT_BYTES: usize = (1 << 20) - 16;

    pub(crate) fn of_size(sequence: u64, bytes: usize) -> Self {
        let bytes = vec![sequence.to_le_bytes()[0]; bytes];
        Self { sequence, bytes }
    }
}

/// Passes every message on to the test.
pub(crate) struct Probe<M>(pub(crate) mpsc::UnboundedSender<M>);

impl<M: Send + 'static> Actor for Probe<M> {
    type Message = M;

    async fn handle(&mut self, message: M, _cx: &mut Context<Self>) -> ActorResult {
        // The test may have seen enough.
        let _ = self.0.send(message);
        Ok(())
    }
}

pub(crate) fn probe<M: Send + 'static>() -> (Probe<M>, mpsc::UnboundedReceiver<M>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Probe(sender), receiver)
}

/// Passes on what the test gave permits for, and waits for a permit before all else.
pub(crate) struct Gated<M> {
    gate: Arc<Semaphore>,
    /// Permits for messages are asked for here, too.
    each: bool,
    handled: mpsc::UnboundedSender<M>,
}

impl<M: Send + 'static> Actor for Gated<M> {
    type Message = M;

    async fn started(&mut self, _cx: &mut Context<Self>) -> ActorResult {
        self.gate.acquire().await?.forget();
        Ok(())
    }

    async fn handle(&mut self, message: M, _cx: &mut Context<Self>) -> ActorResult {
        if self.each {
            self.gate.acquire().await?.forget();
        }
        // The test may have seen enough.
        let _ = self.handled.send(message);
        Ok(())
    }
}

/// The way into a [`Gated`] actor, and what comes out of it.
pub(crate) struct Gate<M> {
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) handled: mpsc::UnboundedReceiver<M>,
}

impl<M> Gate<M> {
    /// Lets the actor run free.
    pub(crate) fn open(&self) {
        self.permits.add_permits(Semaphore::MAX_PERMITS / 2);
    }

    pub(crate) async fn next(&mut self) -> M {
        self.handled.recv().await.expect("the actor lives")
    }
}

/// An actor that takes no message at all before the gate opens.
pub(crate) fn gated<M: Send + 'static>() -> (Gated<M>, Gate<M>) {
    gated_if(false)
}

/// An actor that waits for one permit before its first message and one for each.
pub(crate) fn gated_each<M: Send + 'static>() -> (Gated<M>, Gate<M>) {
    gated_if(true)
}

fn gated_if<M: Send + 'static>(each: bool) -> (Gated<M>, Gate<M>) {
    let permits = Arc::new(Semaphore::new(0));
    let (sender, handled) = mpsc::unbounded_channel();
    let actor = Gated {
        gate: Arc::clone(&permits),
        each,
        handled: sender,
    };
    (actor, Gate { permits, handled })
}

/// Two linked nodes: the first listens, the second dials.
pub(crate) struct Pair {
    pub(crate) server: Node,
    pub(crate) client: Node,
    pub(crate) dir: TempDir,
}

impl Pair {
    pub(crate) async fn start() -> Self {
        let dir = private_dir();
        let server = listening("server", &dir).await;
        Self::linked_to(server, dir).await
    }

    /// With a server that hears out peers who say nothing.
    pub(crate) async fn start_patient() -> Self {
        let dir = private_dir();
        let server = patient("server", &dir).await;
        Self::linked_to(server, dir).await
    }

    async fn linked_to(server: Node, dir: TempDir) -> Self {
        let client = dialling("client", &dir, "server").await;
        Self {
            server,
            client,
            dir,
        }
    }

    /// Spawns an actor at the server and gives the client's ref to it.
    pub(crate) async fn serve<A>(&self, name: &str, actor: A) -> ActorRef<A::Message>
    where
        A: Actor,
        A::Message: Wire,
    {
        self.serve_with(name, SpawnOptions::default(), actor).await
    }

    pub(crate) async fn serve_with<A>(
        &self,
        name: &str,
        options: SpawnOptions,
        actor: A,
    ) -> ActorRef<A::Message>
    where
        A: Actor,
        A::Message: Wire,
    {
        offer(&self.server, name, options, actor);
        find(&self.client, name).await
    }

    /// The server has answered a question: it has taken all that the client wrote before, and the
    /// client all that the server wrote before the answer.
    pub(crate) async fn round_trip(&self) {
        round_trip(&self.client).await;
    }

    pub(crate) async fn shutdown(self) {
        shut_down(&self.client).await;
        shut_down(&self.server).await;
    }
}

pub(crate) fn offer<A>(
    node: &Node,
    name: &str,
    options: SpawnOptions,
    actor: A,
) -> ActorRef<A::Message>
where
    A: Actor,
    A::Message: Wire,
{
    let actor = node.spawn_with(options, actor);
    node.register(name, &actor).expect("the name is free");
    actor
}

pub(crate) async fn find<M: Wire>(node: &Node, name: &str) -> ActorRef<M> {
    node.resolve(name).await.expect("it is registered")
}

pub(crate) async fn round_trip(node: &Node) {
    let nobody = node.resolve::<Tick>("nobody").await;
    assert!(nobody.is_err());
}

pub(crate) async fn shut_down(node: &Node) {
    node.shutdown(GRACE).await.expect("the node's actors end");
}

pub(crate) fn capacity(messages: usize) -> SpawnOptions {
    SpawnOptions::default().capacity(NonZeroUsize::new(messages).expect("no actor without room"))
}

/// Longer than any actor of these tests takes to end.
pub(crate) const GRACE: Duration = Duration::from_mins(1);

pub(crate) fn private_dir() -> TempDir {
    let private = Permissions::from_mode(0o700);
    let dir = tempfile::Builder::new().permissions(private).tempdir();
    dir.expect("the system has room for a directory")
}

pub(crate) async fn listening(name: &str, dir: &TempDir) -> Node {
    Node::builder(name)
        .unix(dir.path())
        .start()
        .await
        .expect("the node starts")
}

/// As [`listening`], for as long as peers say nothing.
pub(crate) async fn patient(name: &str, dir: &TempDir) -> Node {
    let node = Node::builder(name).unix(dir.path()).liveness(patience());
    node.start().await.expect("the node starts")
}

/// Scripted peers have no heartbeat.
pub(crate) fn patience() -> LivenessConfig {
    LivenessConfig::default().down_after(Duration::from_hours(1))
}

pub(crate) async fn dialling(name: &str, dir: &TempDir, peer: &str) -> Node {
    let address = PeerAddr::unix(dir.path(), peer);
    Node::builder(name)
        .unix(dir.path())
        .peer(address)
        .start()
        .await
        .expect("the node starts")
}

/// Sends until there is no room, and says how many messages found some.
pub(crate) fn fill<M: Message>(
    to: &ActorRef<M>,
    first: u64,
    message: impl Fn(u64) -> M,
) -> (u64, SendError<M>) {
    for sequence in first.. {
        if let Err(refused) = to.try_send(message(sequence)) {
            return (sequence - first, refused);
        }
    }
    unreachable!("no window is that large")
}

/// Gives way to others until it holds.
pub(crate) async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        task::yield_now().await;
    }
}

/// Sends until a send fails, and gives the failure.
pub(crate) async fn refusal<M: Message>(to: &ActorRef<M>, message: impl Fn() -> M) -> SendError<M> {
    loop {
        match to.send(message()).await {
            Ok(()) => task::yield_now().await,
            Err(refused) => return refused,
        }
    }
}

/// The output of a future that is ready at once.
pub(crate) async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    poll_fn(|cx| match Pin::new(&mut *future).poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Runs a test on a runtime of its own, and ends the process when it hangs, locks included.
pub(crate) fn watched(test: impl Future<Output = ()>) {
    const WATCHDOG: Duration = Duration::from_mins(2);
    let (done, is_done) = std_mpsc::channel::<()>();
    let name = thread::current().name().unwrap_or("a test").to_owned();
    thread::spawn(move || {
        if is_done.recv_timeout(WATCHDOG) == Err(std_mpsc::RecvTimeoutError::Timeout) {
            eprintln!("{name} hangs");
            process::abort();
        }
    });
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("the system has threads");
    runtime.block_on(test);
    drop(runtime);
    drop(done);
}
