//! Asks, ports and bindings leave nothing behind, however they end.

mod support;

use std::{
    future::{Future, poll_fn},
    num::NonZeroUsize,
    pin::pin,
};

use mycelium_core::{
    Actor, ActorRef, ActorResult, AskError, Context, Node, ReplyTo, SendError, SpawnOptions,
};
use mycelium_macros::message;
use mycelium_registry::Registry;
use mycelium_transport::Transport;
use tokio::{
    sync::{
        mpsc::{self, UnboundedReceiver, UnboundedSender},
        oneshot,
    },
    task::{self, JoinHandle},
};

use crate::support::{GRACE, Pair, over_every_transport};

#[message(crate = mycelium_wire)]
enum Question {
    Double {
        number: u64,
        reply: ReplyTo<u64>,
    },
    /// Two ports, and as many bytes between them as the test likes.
    Both {
        first: ReplyTo<u64>,
        between: Vec<u8>,
        second: ReplyTo<u64>,
    },
    Pass {
        to: ActorRef<Question>,
        reply: ReplyTo<u64>,
    },
    Fill(Vec<u8>),
    Panic {
        reply: ReplyTo<u64>,
    },
}

/// Answers, panics, passes ports on, and keeps what it is told to keep.
struct Answers;

impl Actor for Answers {
    type Message = Question;

    async fn handle(&mut self, message: Question, _: &mut Context<Self>) -> ActorResult {
        match message {
            Question::Double { number, reply } => reply.send(2 * number),
            Question::Both { first, second, .. } => {
                second.send(2);
                first.send(1);
            }
            Question::Pass { to, reply } => to.send(Question::Double { number: 1, reply }).await?,
            Question::Fill(_) => {}
            Question::Panic { reply } => {
                let _reply = reply;
                panic!("told to");
            }
        }
        Ok(())
    }
}

/// Gives the test every message, and waits until the test lets it go on.
struct Keeper(UnboundedSender<Question>, UnboundedReceiver<()>);

impl Actor for Keeper {
    type Message = Question;

    async fn handle(&mut self, message: Question, _: &mut Context<Self>) -> ActorResult {
        self.0.send(message)?;
        // Goes on at once when the test has dropped the gate.
        self.1.recv().await;
        Ok(())
    }
}

/// What the test holds of a [`Keeper`].
struct Kept {
    messages: UnboundedReceiver<Question>,
    gate: UnboundedSender<()>,
}

impl Kept {
    /// The port of the next message.
    async fn port(&mut self) -> ReplyTo<u64> {
        match self.messages.recv().await {
            Some(Question::Double { reply, .. }) => reply,
            _ => panic!("a port was sent"),
        }
    }
}

fn keeper() -> (Keeper, Kept) {
    let (sender, messages) = mpsc::unbounded_channel();
    let (gate, opened) = mpsc::unbounded_channel();
    (Keeper(sender, opened), Kept { messages, gate })
}

/// A ref of the client to an actor of the server.
async fn served<A>(pair: &Pair, capacity: usize, name: &str, actor: A) -> ActorRef<Question>
where
    A: Actor<Message = Question>,
{
    let capacity = NonZeroUsize::new(capacity).expect("not zero");
    let options = SpawnOptions::default().capacity(capacity);
    let actor = pair.server.spawn_with(options, actor);
    pair.server.register(name, &actor).expect("the name is free");
    pair.client.resolve(name).await.expect("it is registered")
}

fn double(reply: ReplyTo<u64>) -> Question {
    Question::Double { number: 21, reply }
}

/// Runs a future as a task, and comes back once it waits for something.
async fn begun<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let (begin, has_begun) = oneshot::channel();
    let mut begin = Some(begin);
    let running = task::spawn(async move {
        let mut future = pin!(future);
        poll_fn(|cx| {
            let poll = future.as_mut().poll(cx);
            // The test waits for it.
            let _ = begin.take().map(|begin| begin.send(()));
            poll
        })
        .await
    });
    has_begun.await.expect("it is polled");
    running
}

/// Waits for what other tasks bring about.
async fn until(holds: impl Fn() -> bool) {
    let come = async {
        while !holds() {
            task::yield_now().await;
        }
    };
    let come = tokio::time::timeout(GRACE, come).await;
    come.expect("it has not come about");
}

/// Asks that wait on any link of the node, and its bindings.
fn open(node: &Node) -> (usize, usize) {
    let links = node.links();
    let asks = links.iter().map(|link| link.pending_asks()).sum();
    (asks, links.iter().map(|link| link.bindings()).sum())
}

async fn at_rest(pair: &Pair) {
    until(|| open(&pair.client) == (0, 0) && open(&pair.server) == (0, 0)).await;
}

/// As many messages as the actor has room for while it handles none.
fn fill(actor: &ActorRef<Question>) {
    while actor.try_send(Question::Fill(Vec::new())).is_ok() {}
}

// Each who waited woke the next by leaving the line, which an actor's end kept all but the first
// from: they waited for ever.
async fn all_who_wait_for_room_are_told_when_the_actor_ends(transport: Transport) {
    let pair = Pair::over(transport).await;
    let (keeper, _kept) = keeper();
    let actor = served(&pair, 1, "stuck", keeper).await;
    fill(&actor);
    let mut waits = Vec::new();
    for _ in 0..4 {
        let actor = actor.clone();
        waits.push(
            begun(async move {
                let asked = actor.ask(double).timeout(GRACE * 2).await;
                // One that got the room of a message that was refused is refused like it.
                matches!(
                    asked,
                    Err(AskError::NotSent(SendError::ActorDown { .. }) | AskError::NoReply)
                )
            })
            .await,
        );
    }
    actor.kill();
    for wait in waits {
        let told = tokio::time::timeout(GRACE, wait).await;
        assert!(told.expect("it is told").expect("it ends"));
    }
    drop(actor);
    at_rest(&pair).await;
    pair.shutdown().await;
}

over_every_transport!(all_who_wait_for_room_are_told_when_the_actor_ends,);
