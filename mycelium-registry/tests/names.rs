//! Names on one node; `mycelium-transport` tests how others find them.

use std::sync::Arc;

use mycelium_core::{Actor, ActorRef, ActorResult, Context, Node};
use mycelium_registry::{RegisterError, Registry, ResolveError};
use tokio::{
    sync::{mpsc, oneshot},
    task,
};

/// Passes on what it is sent.
struct Probe<M>(mpsc::UnboundedSender<M>);

impl<M: Send + 'static> Actor for Probe<M> {
    type Message = M;

    async fn handle(&mut self, message: M, _cx: &mut Context<Self>) -> ActorResult {
        // The test may have seen enough.
        let _ = self.0.send(message);
        Ok(())
    }
}

async fn node() -> Node {
    let node = Node::builder("names").start().await;
    node.expect("a node without parts starts")
}

fn spawn<M: Send + 'static>(node: &Node) -> (ActorRef<M>, mpsc::UnboundedReceiver<M>) {
    let (sender, received) = mpsc::unbounded_channel();
    (node.spawn(Probe(sender)), received)
}

/// Waits until the actor is gone, and everybody told.
async fn ended<M: Send + 'static>(actor: &ActorRef<M>) {
    let ActorRef::Local(local) = actor else {
        panic!("{actor:?} lives elsewhere")
    };
    let (tell, told) = oneshot::channel();
    local.on_end(move |_| tell.send(()).expect("the test waits"));
    told.await.expect("it is told");
}

#[tokio::test]
async fn a_name_stands_for_its_actor() {
    let node = node().await;
    let (actor, mut received) = spawn::<u64>(&node);
    node.register("counter", &actor).expect("the name is free");
    let found = node.resolve::<u64>("counter").await;
    let found = found.expect("it is registered");
    assert_eq!(found, actor);
    found.send(7).await.expect("the actor lives");
    assert_eq!(received.recv().await, Some(7));
    let found = node.resolve_local::<u64>("counter");
    assert_eq!(found.expect("it is registered"), actor);
}

#[tokio::test]
async fn a_name_is_given_once() {
    let node = node().await;
    let (first, _received) = spawn::<u64>(&node);
    let (second, _received) = spawn::<u64>(&node);
    node.register("counter", &first).expect("the name is free");
    for taken in [
        node.register("counter", &second),
        node.register("counter", &first),
        node.register_local("counter", &second),
    ] {
        assert!(
            matches!(&taken, Err(RegisterError::NameTaken(name)) if **name == *"counter"),
            "{taken:?}"
        );
    }
    let found = node.resolve::<u64>("counter").await;
    assert_eq!(found.expect("it is registered"), first);
}

#[tokio::test]
async fn names_have_1_to_255_bytes() {
    let node = node().await;
    let (actor, _received) = spawn::<u64>(&node);
    for length in [0, 256, 257, 10_000] {
        let refused = node.register(&"n".repeat(length), &actor);
        assert!(
            matches!(refused, Err(RegisterError::BadName { length: found }) if found == length),
            "{refused:?}"
        );
    }
    // 255 bytes, 85 letters.
    let longest = "\u{2603}".repeat(85);
    node.register(&longest, &actor).expect("it is not too long");
    node.register("n", &actor).expect("nor too short");
    let mut names = node.names();
    names.sort();
    assert_eq!(names, [Box::from("n"), longest.into()]);
}

#[tokio::test]
async fn a_local_name_takes_messages_that_cannot_travel() {
    let node = node().await;
    let (actor, mut received) = spawn::<Arc<str>>(&node);
    node.register_local("texts", &actor)
        .expect("the name is free");
    let found = node.resolve_local::<Arc<str>>("texts");
    let found = found.expect("it is registered");
    found.send("text".into()).await.expect("the actor lives");
    assert_eq!(received.recv().await.as_deref(), Some("text"));
}

#[tokio::test]
async fn the_wrong_type_is_told_with_both_names() {
    let node = node().await;
    let (actor, _received) = spawn::<u64>(&node);
    node.register("counter", &actor).expect("the name is free");
    let Err(ResolveError::WrongType {
        name,
        wanted,
        found,
    }) = node.resolve::<String>("counter").await
    else {
        panic!("a counter takes no text")
    };
    assert_eq!((&*name, wanted, &*found), ("counter", "String", "u64"));
    let found = node.resolve_local::<Arc<str>>("counter");
    assert!(
        matches!(found, Err(ResolveError::WrongType { .. })),
        "{found:?}"
    );
}

/// Two Rust types of one name and one schema, as two modules may have.
mod twins {
    pub(crate) mod one {
        #[mycelium_macros::message(crate = mycelium_wire)]
        pub struct Quote(pub i64);
    }
    pub(crate) mod other {
        #[mycelium_macros::message(crate = mycelium_wire)]
        pub struct Quote(pub i64);
    }
}

#[tokio::test]
async fn types_of_one_name_are_told_apart_by_their_paths() {
    let node = node().await;
    let (actor, _received) = spawn::<twins::one::Quote>(&node);
    node.register("quotes", &actor).expect("the name is free");
    let found = node.resolve::<twins::other::Quote>("quotes").await;
    let text = found.expect_err("it is another type").to_string();
    assert_eq!(
        text,
        "\"quotes\" takes names::twins::one::Quote, not names::twins::other::Quote"
    );
}

#[test]
fn types_of_one_name_on_two_nodes_differ_in_their_schema() {
    let error = ResolveError::WrongType {
        name: "quotes".into(),
        wanted: "Quote",
        found: "Quote".into(),
    };
    assert_eq!(
        error.to_string(),
        "\"quotes\" takes a Quote too, but one of another schema"
    );
}

#[tokio::test]
async fn an_unknown_name_is_not_found() {
    let node = node().await;
    for found in [
        node.resolve::<u64>("nobody").await,
        node.resolve_local::<u64>("nobody"),
    ] {
        assert!(
            matches!(&found, Err(ResolveError::NotFound(name)) if **name == *"nobody"),
            "{found:?}"
        );
    }
    assert!(!node.unregister("nobody"));
}

#[tokio::test]
async fn a_name_that_was_taken_away_is_free() {
    let node = node().await;
    let (first, _received) = spawn::<u64>(&node);
    let (second, _received) = spawn::<u64>(&node);
    node.register("counter", &first).expect("the name is free");
    assert!(node.unregister("counter"));
    assert!(!node.unregister("counter"));
    node.register("counter", &second).expect("the name is free");
    // The end of the one that had it before changes nothing.
    first.stop();
    ended(&first).await;
    let found = node.resolve::<u64>("counter").await;
    assert_eq!(found.expect("it is registered"), second);
}

#[tokio::test]
async fn all_names_of_an_actor_go_with_it() {
    let node = node().await;
    let (actor, _received) = spawn::<u64>(&node);
    let (other, _received) = spawn::<u64>(&node);
    node.register("one", &actor).expect("the name is free");
    node.register_local("two", &actor)
        .expect("the name is free");
    node.register("other", &other).expect("the name is free");
    actor.kill();
    ended(&actor).await;
    assert_eq!(node.names(), [Box::from("other")]);
    let (heir, _received) = spawn::<u64>(&node);
    node.register("one", &heir).expect("the name is free");
}

#[tokio::test]
async fn an_actor_that_is_gone_gets_no_name() {
    let node = node().await;
    let (actor, _received) = spawn::<u64>(&node);
    actor.stop();
    let refused = node.register("counter", &actor);
    assert!(
        matches!(refused, Err(RegisterError::ActorDown)),
        "{refused:?}"
    );
    ended(&actor).await;
    assert!(node.register_local("counter", &actor).is_err());
    assert_eq!(node.names(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_name_outlives_an_actor_that_ends_while_it_is_registered() {
    let node = node().await;
    for _ in 0..1_000 {
        let (actor, _received) = spawn::<u64>(&node);
        let stopping = task::spawn({
            let actor = actor.clone();
            async move { actor.stop() }
        });
        // Either is fine: the name, or that the actor is gone.
        let _ = node.register("short", &actor);
        stopping.await.expect("no panic");
        // Whoever asks late is told at once, perhaps before the registry.
        ended(&actor).await;
        while !node.names().is_empty() {
            task::yield_now().await;
        }
    }
}

/// Each time an actor got a name it was asked to tell of its end once more.
#[tokio::test]
async fn names_that_come_and_go_leave_nothing_with_their_actor() {
    let node = node().await;
    let (actor, _received) = spawn::<u64>(&node);
    node.register("name", &actor).expect("the name is free");
    let cost = |rounds| {
        allocation_counter::measure(|| {
            for _ in 0..rounds {
                assert!(node.unregister("name"));
                node.register("name", &actor).expect("the name is free");
            }
        })
        .bytes_current
    };
    cost(10);
    assert_eq!(cost(1_000), 0);
}
