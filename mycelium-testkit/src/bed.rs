//! [`Bed`]: the nodes between which a behaviour is shown.

use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt,
    sync::{
        LazyLock, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use mycelium::{NodeBuilder, Transport, prelude::*};
use tempfile::TempDir;

use crate::{
    certificates::Authority,
    proxy::{Faults, Pass, Proxy},
};

/// Longer than any actor of these tests takes to end.
const GRACE: Duration = Duration::from_mins(2);

/// Whom the nodes of all TLS beds trust.
static CA: LazyLock<Authority> = LazyLock::new(|| Authority::new("beds"));

/// Few enough that every header and archive is cut in many places; the cases with long messages
/// stay affordable.
const SLICE_BYTES: usize = 7;

/// More than a thousand frames of a short message.
const GLUED_BYTES: usize = 64 << 10;

/// How the refs of a case reach their actors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Refs and actors are on one node.
    Local,
    /// Two nodes of this process with a pipe between them.
    Memory,
    /// Two nodes with a Unix socket between them.
    Unix,
    /// Two nodes with a TCP connection between them.
    Tcp,
    /// Two nodes with a TCP connection under mutual TLS between them.
    Tls,
    /// As `Tcp`, through a proxy that writes few bytes at a time.
    TcpSliced,
    /// As `Tcp`, through a proxy that gathers many frames into one write.
    TcpGlued,
}

/// A node for the actors and one for the refs, linked by what is under test.
pub(crate) struct Bed {
    reach: Reach,
    /// Where the refs are held.
    pub(crate) near: Node,
    /// Where the actors live; the same node where they are local.
    pub(crate) far: Node,
    others: Mutex<Vec<Node>>,
    proxy: Option<Proxy>,
    dir: TempDir,
}

impl Reach {
    /// Whether messages are moved, and never encoded.
    pub(crate) fn is_local(self) -> bool {
        self == Self::Local
    }

    /// What a proxy between the two nodes does to their bytes, where there is to be one.
    fn pass(self) -> Option<Pass> {
        match self {
            Self::TcpSliced => Some(Pass::Sliced { bytes: SLICE_BYTES }),
            Self::TcpGlued => Some(Pass::Glued { bytes: GLUED_BYTES }),
            _ => None,
        }
    }

    fn builder(self, name: &str, dir: &TempDir) -> NodeBuilder {
        let builder = Node::builder(name);
        let transport = match self {
            Self::Local => return builder,
            Self::Memory => Transport::Memory,
            Self::Unix => Transport::Unix,
            Self::Tcp | Self::TcpSliced | Self::TcpGlued | Self::Tls => Transport::Tcp,
        };
        // Able to do more than the transport that is forced.
        let builder = builder.unix(dir.path()).tcp("127.0.0.1:0");
        self.guarded(name, builder.transport(transport))
    }

    /// With the certificate of the node of this name, where there are any.
    fn guarded(self, name: &str, builder: NodeBuilder) -> NodeBuilder {
        match self {
            Self::Tls => builder.tls(CA.node(name).config(&CA)),
            _ => builder,
        }
    }

    async fn start(self, name: &str, dir: &TempDir, peers: &[PeerAddr]) -> Node {
        link(self.builder(name, dir), peers).await
    }

    /// A node that its peer does not dial, past what stands between the two: it listens at another
    /// address than it is seen to come from.
    async fn start_unlisted(self, name: &str, dir: &TempDir, peer: PeerAddr) -> Node {
        let builder = match self {
            Self::Tcp | Self::TcpSliced | Self::TcpGlued | Self::Tls => {
                let builder = Node::builder(name).transport(Transport::Tcp);
                self.guarded(name, builder.tcp("127.0.0.2:0"))
            }
            Self::Local | Self::Memory | Self::Unix => self.builder(name, dir),
        };
        link(builder, &[peer]).await
    }
}

/// Starts a node whose links to these peers are up on both sides.
async fn link(mut builder: NodeBuilder, peers: &[PeerAddr]) -> Node {
    for peer in peers {
        builder = builder.peer(peer.clone());
    }
    let node = builder.start().await.expect("the node starts");
    // Answered by a peer on whose side the link is up, too.
    let nobody = node.resolve::<u64>("nobody").await;
    assert!(nobody.is_err());
    assert_eq!(node.links().len(), peers.len(), "the links are up");
    node
}

impl Bed {
    pub(crate) async fn start(reach: Reach) -> Self {
        if reach.pass().is_some() {
            return Self::behind_proxy(reach).await;
        }
        let dir = private_dir();
        let far = reach.start(&unique("far"), &dir, &[]).await;
        let near = match reach {
            Reach::Local => far.clone(),
            _ => reach.start(&unique("near"), &dir, &far.addresses()).await,
        };
        Self {
            reach,
            near,
            far,
            others: Mutex::default(),
            proxy: None,
            dir,
        }
    }

    /// One whose link can be cut.
    pub(crate) async fn behind_proxy(reach: Reach) -> Self {
        let dir = private_dir();
        let far = reach.start(&unique("far"), &dir, &[]).await;
        let proxy = Proxy::before(far.addresses().remove(0), dir.path()).await;
        let proxy = proxy.expect("its place is free");
        let pass = reach.pass().unwrap_or_default();
        proxy.impose_both(&Faults::default().pass(pass));
        let address = proxy.address();
        let near = reach.start_unlisted(&unique("near"), &dir, address).await;
        Self {
            reach,
            near,
            far,
            others: Mutex::default(),
            proxy: Some(proxy),
            dir,
        }
    }

    pub(crate) fn reach(&self) -> Reach {
        self.reach
    }

    /// What stands between the nodes.
    pub(crate) fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().expect("the bed was made with one")
    }

    /// A third node, linked to the far one only; the same where they all are.
    pub(crate) async fn beyond(&self) -> Node {
        if self.reach.is_local() {
            return self.far.clone();
        }
        let peers = self.far.addresses();
        let beyond = self.reach.start(&unique("beyond"), &self.dir, &peers).await;
        self.also_ends(beyond)
    }

    /// A third node, linked to both others; the same where they all are.
    pub(crate) async fn third(&self) -> Node {
        if self.reach.is_local() {
            return self.far.clone();
        }
        let peers = [self.far.addresses(), self.near.addresses()].concat();
        let third = self.reach.start(&unique("third"), &self.dir, &peers).await;
        self.also_ends(third)
    }

    /// Another life of a far node that was shut down, at its address where that can be chosen.
    pub(crate) async fn restart_far(&self) -> Node {
        let addresses = self.far.addresses();
        let name = self.far.id().name().as_str();
        let mut builder = self.reach.builder(name, &self.dir);
        if let [PeerAddr::Tcp { host, port }] = &addresses[..] {
            let at_its_place = Node::builder(name).tcp(format!("{host}:{port}"));
            builder = self
                .reach
                .guarded(name, at_its_place.transport(Transport::Tcp));
        }
        let node = builder.start().await.expect("its place is free");
        self.also_ends(node)
    }

    /// Spawns an actor on the far node and gives the near node's ref to it.
    pub(crate) async fn place<A>(&self, actor: A) -> ActorRef<A::Message>
    where
        A: Actor,
        A::Message: Wire,
    {
        self.place_with(SpawnOptions::default(), actor).await
    }

    pub(crate) async fn place_with<A>(
        &self,
        options: SpawnOptions,
        actor: A,
    ) -> ActorRef<A::Message>
    where
        A: Actor,
        A::Message: Wire,
    {
        let name = unique("actor");
        let actor = self.far.spawn_with(options, actor);
        self.far.register(&name, &actor).expect("the name is free");
        self.find(&self.near, &name).await
    }

    /// Spawns an actor on the near node and gives the far node's ref to it.
    pub(crate) async fn place_near<A>(&self, actor: A) -> ActorRef<A::Message>
    where
        A: Actor,
        A::Message: Wire,
    {
        let name = unique("actor");
        let actor = self.near.spawn(actor);
        self.near.register(&name, &actor).expect("the name is free");
        self.find(&self.far, &name).await
    }

    /// The ref that a node has to an actor of another.
    pub(crate) async fn find<M: Wire>(&self, node: &Node, name: &str) -> ActorRef<M> {
        let actor = node.resolve(name).await.expect("it is registered");
        self.assert_reach(&actor);
        actor
    }

    /// The ref says what it goes through.
    pub(crate) fn assert_reach<M: Message>(&self, actor: &ActorRef<M>) {
        let is_right = match self.reach {
            Reach::Local => matches!(actor, ActorRef::Local(_)),
            Reach::Memory | Reach::Unix => matches!(actor, ActorRef::Unix(_)),
            Reach::Tcp | Reach::TcpSliced | Reach::TcpGlued | Reach::Tls => {
                matches!(actor, ActorRef::Tcp(_))
            }
        };
        assert!(is_right, "{actor:?} over {:?}", self.reach);
    }

    /// The far node has answered a question: it has taken all that was written before.
    pub(crate) async fn round_trip(&self) {
        let nobody = self.near.resolve::<u64>("nobody").await;
        assert!(nobody.is_err());
    }

    pub(crate) async fn end(self) {
        let others = self.others.into_inner();
        let others = others.unwrap_or_else(PoisonError::into_inner);
        for node in others.iter().chain([&self.near, &self.far]) {
            node.shutdown(GRACE).await.expect("its actors end");
        }
    }

    fn also_ends(&self, node: Node) -> Node {
        let others = self.others.lock();
        let mut others = others.unwrap_or_else(PoisonError::into_inner);
        others.push(node.clone());
        node
    }
}

/// A name that no other node or actor of this process has.
pub(crate) fn unique(name: &str) -> String {
    static NAMES: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}", NAMES.fetch_add(1, Ordering::Relaxed))
}

/// A directory that a node takes for its socket.
pub(crate) fn private_dir() -> TempDir {
    let private = Permissions::from_mode(0o700);
    let dir = tempfile::Builder::new().permissions(private).tempdir();
    dir.expect("the system has room for a directory")
}
