//! Watches of actors that live on another node, or came home from one.

mod support;

use mycelium_core::{
    Actor, ActorRef, ActorResult, Context, Node, ReplyTo, StopReason, Terminated, WatchError,
};
use mycelium_macros::message;
use mycelium_registry::Registry;
use mycelium_wire::Wire;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use crate::support::{GRACE, Pair, probe};

/// Watches what it is given, and tells the test how that went.
struct Watcher(UnboundedSender<String>);

#[message(crate = mycelium_wire)]
enum Order {
    Watch(ActorRef<Order>),
    Unwatch(ActorRef<Order>),
    Fail,
    /// Gives a ref back.
    Return {
        actor: ActorRef<Order>,
        reply: ReplyTo<ActorRef<Order>>,
    },
}

impl Actor for Watcher {
    type Message = Order;

    async fn handle(&mut self, message: Order, cx: &mut Context<Self>) -> ActorResult {
        match message {
            Order::Watch(actor) => self.0.send(format!("{:?}", cx.watch(&actor)))?,
            Order::Unwatch(actor) => self.0.send(cx.unwatch(&actor).to_string())?,
            Order::Return { actor, reply } => reply.send(actor),
            Order::Fail => Err("told to")?,
        }
        Ok(())
    }

    async fn terminated(&mut self, notice: Terminated, _: &mut Context<Self>) -> ActorResult {
        self.0.send(format!("{:?}", notice.reason))?;
        Ok(())
    }
}

fn watcher() -> (Watcher, UnboundedReceiver<String>) {
    let (sender, seen) = mpsc::unbounded_channel();
    (Watcher(sender), seen)
}

async fn send(actor: &ActorRef<Order>, message: Order) {
    actor.send(message).await.expect("the actor lives");
}

/// An actor of the server, and a watcher of it at the client.
async fn watched(pair: &Pair) -> (ActorRef<Order>, UnboundedReceiver<String>) {
    let away = pair.server.spawn(watcher().0);
    pair.server.register("away", &away).expect("it is free");
    let away = pair.client.resolve("away").await.expect("it is there");
    let (here, mut seen) = watcher();
    let here = pair.client.spawn(here);
    send(&here, Order::Watch(away.clone())).await;
    assert_eq!(seen.recv().await.as_deref(), Some("Ok(())"));
    (away, seen)
}

#[tokio::test]
async fn the_end_of_an_actor_of_another_node_is_told_with_its_reason() {
    for (end, reason) in [
        (ActorRef::stop as fn(&ActorRef<Order>), "Stopped"),
        (ActorRef::kill, "Killed"),
        (
            |actor| actor.try_send(Order::Fail).expect("there is room"),
            "Failed(\"told to\")",
        ),
    ] {
        let pair = Pair::start().await;
        let (away, mut seen) = watched(&pair).await;
        let ended = away.ended();
        end(&away);
        assert_eq!(seen.recv().await.as_deref(), Some(reason));
        let ended = ended.await.expect("it was linked");
        assert_eq!(format!("{ended:?}"), reason);
        // Whoever asks later is told as well.
        assert_eq!(away.ended().await, Ok(ended));
        pair.shutdown().await;
    }
}

#[tokio::test]
async fn the_end_of_a_node_is_that_of_its_actors() {
    let pair = Pair::start().await;
    let (away, mut seen) = watched(&pair).await;
    pair.server.shutdown(GRACE).await.expect("its actors end");
    // Its actors were stopped before the node was gone.
    assert_eq!(seen.recv().await.as_deref(), Some("Stopped"));
    assert_eq!(away.ended().await, Ok(StopReason::Stopped));
    pair.shutdown().await;
}

// A watch that was taken back, or whose watcher has ended, kept its actor bound.
#[tokio::test]
async fn a_watch_that_has_ended_leaves_no_binding() {
    let pair = Pair::start().await;
    let away = pair.server.spawn(watcher().0);
    pair.server.register("away", &away).expect("it is free");
    let away = pair.client.resolve("away").await.expect("it is there");
    let (here, mut seen) = watcher();
    let here = pair.client.spawn(here);
    send(&here, Order::Watch(away)).await;
    assert_eq!(seen.recv().await.as_deref(), Some("Ok(())"));
    assert_eq!(pair.client.links()[0].bindings(), 1);
    here.stop();
    while pair.client.links()[0].bindings() > 0 {
        tokio::task::yield_now().await;
    }
    pair.shutdown().await;
}

// Ids are counted on each node: a watch of the actor with the same id here was taken back.
#[tokio::test]
async fn a_watch_is_not_taken_back_by_an_actor_of_another_node_with_the_same_id() {
    let pair = Pair::start().await;
    let away = pair.server.spawn(watcher().0);
    pair.server.register("away", &away).expect("it is free");
    let away = pair.client.resolve("away").await.expect("it is there");
    let watched = pair.client.spawn(watcher().0);
    assert_eq!(watched.id(), away.id());
    let (here, mut seen) = watcher();
    let here = pair.client.spawn(here);
    send(&here, Order::Watch(watched.clone())).await;
    send(&here, Order::Unwatch(away)).await;
    assert_eq!(seen.recv().await.as_deref(), Some("Ok(())"));
    assert_eq!(seen.recv().await.as_deref(), Some("false"));
    watched.stop();
    assert_eq!(seen.recv().await.as_deref(), Some("Stopped"));
    pair.shutdown().await;
}

// Was refused as an actor of another node, which failed the watcher.
#[tokio::test]
async fn an_actor_that_was_gone_when_its_ref_came_home_is_told_of_at_once() {
    let pair = Pair::start().await;
    let away = pair.server.spawn(watcher().0);
    pair.server.register("away", &away).expect("it is free");
    let away = pair.client.resolve("away").await.expect("it is there");
    let gone = pair.client.spawn(watcher().0);
    gone.kill();
    while pair.client.actors_len() > 0 {
        tokio::task::yield_now().await;
    }
    let came_home = away.ask(|reply| Order::Return { actor: gone, reply });
    let came_home = came_home.await.expect("it answers");
    let (here, mut seen) = watcher();
    let here = pair.client.spawn(here);
    send(&here, Order::Watch(came_home)).await;
    assert_eq!(seen.recv().await.as_deref(), Some("Ok(())"));
    assert_eq!(seen.recv().await.as_deref(), Some("NoSuchActor"));
    pair.shutdown().await;
}

// Was told that there was no such actor, though it lived.
#[tokio::test]
async fn a_watch_whose_actor_takes_another_type_is_told_so() {
    let pair = Pair::start().await;
    let (other, _ticks) = probe::<u64>();
    let other = pair.server.spawn(other);
    pair.server.register("other", &other).expect("it is free");
    let link = pair.client.links().remove(0);
    // A ref that its own node would not make: the actor's node refuses what it binds.
    let forged = async || {
        let described = link.resolve("other").await.expect("the link is up");
        let mut described = described.expect("it is registered");
        described.fingerprint = Order::FINGERPRINT;
        let forged = Node::remote_ref::<Order>(link.clone(), described);
        forged.expect("the link is up")
    };
    let (here, mut seen) = watcher();
    let here = pair.client.spawn(here);
    let watched = forged().await;
    send(&here, Order::Watch(watched.clone())).await;
    assert_eq!(seen.recv().await.as_deref(), Some("Ok(())"));
    assert_eq!(seen.recv().await.as_deref(), Some("WrongType"));
    // Whoever asks later is told at once.
    assert_eq!(watched.ended().await, Err(WatchError::WrongType));
    send(&here, Order::Watch(watched)).await;
    assert_eq!(seen.recv().await.as_deref(), Some("Err(WrongType)"));

    // One that waits is told the same.
    let waited_for = forged().await;
    assert_eq!(waited_for.ended().await, Err(WatchError::WrongType));
    assert!(!other.is_closed());
    drop(waited_for);
    pair.shutdown().await;
}
