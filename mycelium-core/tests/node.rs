//! What a node is made of, and what its actors may be sent.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows tests by their attribute, not their helpers"
)]
#![expect(
    clippy::mutable_key_type,
    reason = "a ref is hashed by who it means, which never changes"
)]

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context as TaskContext, Poll, Waker},
    time::Duration,
};

use mycelium_core::{
    Actor, ActorRef, ActorResult, Context, Message, Node, NodeBuilder, Plugin, StartError, Starting,
};
use tokio::{runtime::Builder, sync::oneshot};

use crate::node::node;

#[path = "kit/node.rs"]
mod node;

/// Calls what it is sent.
struct Caller;

type Call = Box<dyn FnOnce() + Send>;

impl Actor for Caller {
    type Message = Call;

    async fn handle(&mut self, call: Call, _cx: &mut Context<Self>) -> ActorResult {
        call();
        Ok(())
    }
}

/// Answers through the channel it is sent.
struct Answerer(u32);

impl Actor for Answerer {
    type Message = oneshot::Sender<u32>;

    async fn handle(&mut self, answer: Self::Message, _cx: &mut Context<Self>) -> ActorResult {
        self.0 += 1;
        answer.send(self.0).map_err(|_| "nobody waits")?;
        Ok(())
    }
}

#[tokio::test]
async fn a_message_may_be_a_closure() {
    let caller = node().await.spawn(Caller);
    let (sender, receiver) = oneshot::channel();
    caller
        .send(Box::new(move || sender.send(7).unwrap()))
        .await
        .unwrap();
    assert_eq!(receiver.await, Ok(7));
}

#[tokio::test]
async fn a_message_may_be_a_channel() {
    let answerer = node().await.spawn(Answerer(0));
    for expected in 1..4 {
        let (sender, receiver) = oneshot::channel();
        answerer.send(sender).await.unwrap();
        assert_eq!(receiver.await, Ok(expected));
    }
}

#[tokio::test]
async fn a_handler_knows_its_own_ref_and_its_node() {
    struct Mirror;
    struct Look(oneshot::Sender<(ActorRef<Look>, Node)>);
    impl Actor for Mirror {
        type Message = Look;

        async fn handle(&mut self, look: Look, cx: &mut Context<Self>) -> ActorResult {
            let answer = (cx.actor_ref(), cx.node().clone());
            look.0.send(answer).map_err(|_| "nobody waits")?;
            Ok(())
        }
    }
    let node = node().await;
    let mirror = node.spawn(Mirror);
    let (sender, receiver) = oneshot::channel();
    mirror.send(Look(sender)).await.unwrap();
    let (itself, its_node) = receiver.await.unwrap();
    assert_eq!(itself, mirror);
    assert_eq!(its_node.id(), node.id());
}

fn all_refs<M: Message>(
    nodes: &[Node],
    spawn: impl Fn(&Node) -> ActorRef<M>,
) -> HashSet<ActorRef<M>> {
    nodes
        .iter()
        .flat_map(|node| [spawn(node), spawn(node)])
        .collect()
}

/// The two nodes number their actors alike.
#[tokio::test]
async fn refs_are_equal_where_they_mean_the_same_actor_of_the_same_node() {
    let nodes = [node().await, node().await];
    let refs = all_refs(&nodes, |node| node.spawn(Answerer(0)));
    assert_eq!(refs.len(), 4);
    for actor in &refs {
        assert!(refs.contains(&actor.clone()));
        assert_eq!(refs.iter().filter(|other| *other == actor).count(), 1);
    }
}

#[tokio::test]
async fn bad_names_are_refused() {
    let long = "a".repeat(64);
    for name in [
        "",
        "1-first",
        "-a",
        "a-",
        "Upper",
        "under_score",
        "späti",
        "a.b",
        &long,
    ] {
        let started = Node::builder(name).start().await;
        assert!(
            matches!(started, Err(StartError::Name(_))),
            "{name:?}: {started:?}"
        );
    }
    for name in ["a", "a-1", &"a".repeat(63)] {
        assert_eq!(
            Node::builder(name)
                .start()
                .await
                .unwrap()
                .id()
                .name()
                .as_str(),
            name
        );
    }
}

#[tokio::test]
async fn two_lives_of_a_node_differ() {
    assert_ne!(node().await.id(), node().await.id());
}

#[test]
fn a_node_needs_a_runtime_or_is_given_one() {
    fn start(builder: NodeBuilder) -> Result<Node, StartError> {
        let mut start = Box::pin(builder.start());
        let mut cx = TaskContext::from_waker(Waker::noop());
        match start.as_mut().poll(&mut cx) {
            Poll::Ready(started) => started,
            Poll::Pending => panic!("nothing to wait for"),
        }
    }
    let started = start(Node::builder("alone"));
    assert!(matches!(started, Err(StartError::NoRuntime)), "{started:?}");
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let node = start(Node::builder("given").runtime(runtime.handle().clone())).unwrap();
    let answerer = node.spawn(Answerer(0));
    let (sender, receiver) = oneshot::channel();
    answerer.send_blocking(sender).unwrap();
    assert_eq!(runtime.block_on(receiver), Ok(1));
}

#[derive(Default)]
struct Part {
    is_broken: bool,
    has_closed: Arc<AtomicBool>,
}

impl Plugin for Part {
    fn start(self: Box<Self>, node: &Node) -> Starting<'_> {
        Box::pin(async move {
            if self.is_broken {
                return Err("broken".into());
            }
            let closing = node.closing().clone();
            node.spawn_task(async move {
                closing.cancelled().await;
                self.has_closed.store(true, Ordering::SeqCst);
            });
            Ok(())
        })
    }
}

#[derive(Default)]
struct Broken;

impl Plugin for Broken {
    fn start(self: Box<Self>, _node: &Node) -> Starting<'_> {
        Box::pin(async { Err("broken".into()) })
    }
}

#[tokio::test]
async fn a_part_that_does_not_start_ends_those_that_did() {
    let has_closed = Arc::new(AtomicBool::new(false));
    let mut builder = Node::builder("parts");
    builder.plugin::<Part>().has_closed = Arc::clone(&has_closed);
    builder.plugin::<Broken>();
    let started = builder.start().await;
    assert!(matches!(started, Err(StartError::Plugin(_))), "{started:?}");
    assert!(has_closed.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_plugin_is_made_once_and_shutdown_waits_for_its_tasks() {
    let has_closed = Arc::new(AtomicBool::new(false));
    let mut builder = Node::builder("parts");
    builder.plugin::<Part>().has_closed = Arc::clone(&has_closed);
    assert!(!builder.plugin::<Part>().is_broken);
    assert!(Arc::ptr_eq(
        &builder.plugin::<Part>().has_closed,
        &has_closed
    ));
    let node = builder.start().await.unwrap();
    assert!(!has_closed.load(Ordering::SeqCst));
    node.shutdown(Duration::ZERO).await.unwrap();
    assert!(has_closed.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_node_keeps_one_extension_per_type() {
    let node = node().await;
    assert!(node.extensions().get::<String>().is_none());
    let made = node
        .extensions()
        .get_or_insert_with(|| String::from("first"));
    let kept = node
        .extensions()
        .get_or_insert_with(|| String::from("second"));
    assert_eq!((made.as_str(), kept.as_str()), ("first", "first"));
    assert!(node.extensions().get::<Vec<u8>>().is_none());
}
