//! Asks, ports and bindings leave nothing behind, however they end.

mod support;

use std::{
    future::{Future, poll_fn},
    num::NonZeroUsize,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use mycelium_core::{
    Actor, ActorRef, ActorResult, AskError, Context, LinkRefusal, Node, Purpose, ReplyTo,
    SendError, SpawnOptions, StopReason,
};
use mycelium_macros::message;
use mycelium_registry::Registry;
use mycelium_transport::Transport;
use mycelium_wire::{
    CloseReason, Encoder, ExportKey, FrameExtensions, Resolved, WireError,
    rkyv::{ser::allocator::Arena, util::AlignedVec},
};
use tokio::{
    runtime::Builder,
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
    /// Two ports, and as many bytes between and behind them as the test likes.
    Both {
        first: ReplyTo<u64>,
        between: Vec<u8>,
        second: ReplyTo<u64>,
        behind: Vec<u8>,
    },
    Pass {
        to: ActorRef<Question>,
        reply: ReplyTo<u64>,
    },
    Fill,
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
            Question::Fill => {}
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
    /// The port of the next message; the actor goes on.
    async fn port(&mut self) -> ReplyTo<u64> {
        match self.messages.recv().await {
            Some(Question::Double { reply, .. }) => {
                // The actor may have been ended meanwhile.
                let _ = self.gate.send(());
                reply
            }
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
    pair.server
        .register(name, &actor)
        .expect("the name is free");
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

/// Leaves no room at a keeper with room for one: it stays at the first message.
async fn fill(actor: &ActorRef<Question>) {
    for _ in 0..2 {
        let filled = actor.send(Question::Fill).await;
        filled.expect("the actor lives");
    }
}

// Each who waited woke the next by leaving the line, which an actor's end kept all but the first
// from: they waited for ever.
async fn all_who_wait_for_room_are_told_when_the_actor_ends(transport: Transport) {
    let pair = Pair::over(transport).await;
    let (keeper, _kept) = keeper();
    let actor = served(&pair, 1, "stuck", keeper).await;
    fill(&actor).await;
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

async fn an_answered_ask_leaves_nothing(transport: Transport) {
    let pair = Pair::over(transport).await;
    let actor = served(&pair, 16, "answers", Answers).await;
    for _ in 0..100 {
        assert_eq!(actor.ask(double).await.expect("it answers"), 42);
        assert_eq!(open(&pair.client).0, 0);
    }
    assert_eq!(open(&pair.client).1, 1);
    drop(actor);
    at_rest(&pair).await;
    pair.shutdown().await;
}

async fn an_ask_that_is_dropped_leaves_nothing_wherever_it_was(transport: Transport) {
    let pair = Pair::over(transport).await;
    let (keeper, mut kept) = keeper();
    let actor = served(&pair, 1, "keeper", keeper).await;
    let ask = |actor: &ActorRef<Question>| {
        let actor = actor.clone();
        begun(async move { actor.ask(double).timeout(GRACE).await.is_ok() })
    };
    // Before it is polled.
    drop(actor.ask(double));
    assert_eq!(open(&pair.client).0, 0);

    // While it waits for its answer.
    let asked = ask(&actor).await;
    assert_eq!(open(&pair.client).0, 1);
    let late = kept.port().await;
    asked.abort();
    until(|| open(&pair.client).0 == 0).await;

    // While it waits for room.
    fill(&actor).await;
    let waits = ask(&actor).await;
    assert_eq!(open(&pair.client).0, 0);
    waits.abort();
    assert!(waits.await.expect_err("it was dropped").is_cancelled());

    late.send(2);
    drop(kept);

    // After its answer came, and before it was taken.
    let (other, mut kept) = self::keeper();
    let other = served(&pair, 1, "other", other).await;
    {
        let mut asked = pin!(other.ask(double).timeout(GRACE));
        poll_fn(|cx| {
            assert!(asked.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        kept.port().await.send(1);
        until(|| open(&pair.client).0 == 0).await;
    }
    drop((actor, other));
    at_rest(&pair).await;
    pair.shutdown().await;
}

async fn an_answer_that_comes_late_is_not_the_next_asks(transport: Transport) {
    let pair = Pair::over(transport).await;
    let (keeper, mut kept) = keeper();
    let actor = served(&pair, 16, "keeper", keeper).await;
    let ask = |actor: ActorRef<Question>| {
        begun(async move { actor.ask(double).timeout(GRACE).await.ok() })
    };
    for round in 0..100 {
        let given_up = ask(actor.clone()).await;
        let late = kept.port().await;
        given_up.abort();
        until(|| open(&pair.client).0 == 0).await;
        let next = ask(actor.clone()).await;
        let in_time = kept.port().await;
        late.send(1_000);
        in_time.send(round);
        assert_eq!(next.await.expect("it ends"), Some(round));
    }
    assert_eq!(pair.client.links()[0].stats().late_replies, 100);
    drop(actor);
    at_rest(&pair).await;
    pair.shutdown().await;
}

// Was handled: the actor's node did not hear that nobody waited.
async fn an_ask_that_was_given_up_before_its_turn_is_skipped(transport: Transport) {
    let pair = Pair::over(transport).await;
    let (keeper, mut kept) = keeper();
    let actor = served(&pair, 16, "keeper", keeper).await;
    let ask = |number| {
        let actor = actor.clone();
        let asked = async move {
            let answer = actor.ask(|reply| Question::Double { number, reply });
            answer.timeout(GRACE).await.ok()
        };
        begun(asked)
    };
    let first = ask(1).await;
    let Some(Question::Double { reply: port, .. }) = kept.messages.recv().await else {
        panic!("a port was sent")
    };
    let given_up = [ask(2).await, ask(3).await];
    let last = ask(4).await;
    until(|| open(&pair.client).0 == 4).await;
    for asked in &given_up {
        asked.abort();
    }
    until(|| open(&pair.client).0 == 2).await;
    // Answered after the cancels were read.
    assert!(pair.client.resolve::<Question>("nobody").await.is_err());
    kept.gate.send(()).expect("it is there");
    port.send(1);
    assert_eq!(first.await.expect("it ends"), Some(1));
    match kept.messages.recv().await {
        Some(Question::Double { number, reply }) => {
            assert_eq!(number, 4, "{:?}", pair.client.links()[0].stats());
            reply.send(4);
        }
        _ => panic!("a port was sent"),
    }
    assert_eq!(last.await.expect("it ends"), Some(4));
    drop(kept);
    until(|| pair.client.links()[0].stats().in_flight == 0).await;
    let stats = pair.client.links()[0].stats();
    assert_eq!(
        (stats.confirmed, stats.refused, stats.late_replies),
        (2, 2, 0)
    );
    drop(actor);
    at_rest(&pair).await;
    pair.shutdown().await;
}

/// A way for an actor to end.
type End = fn(&ActorRef<Question>);

async fn asks_of_an_actor_that_ends_fail_at_once(transport: Transport) {
    let pair = Pair::over(transport).await;
    let ends: [(&str, End); 3] = [
        ("stopped", ActorRef::stop),
        ("killed", ActorRef::kill),
        ("panicked", |actor| {
            let panic = actor.ask(|reply| Question::Panic { reply });
            drop(panic);
        }),
    ];
    for (name, end) in ends {
        let (sender, mut messages) = mpsc::unbounded_channel();
        let (gate, opened) = mpsc::unbounded_channel();
        let actor = served(&pair, 16, name, Keeper(sender, opened)).await;
        let mut asks = Vec::new();
        for _ in 0..8 {
            let actor = actor.clone();
            asks.push(begun(async move { actor.ask(double).timeout(GRACE).await.is_ok() }).await);
        }
        let first = messages.recv().await.expect("it is handled");
        end(&actor);
        drop((first, messages, gate));
        for ask in asks {
            assert!(!ask.await.expect("it ends"), "{name}: nobody answers");
        }
        actor.kill();
        drop(actor);
        at_rest(&pair).await;
    }
    pair.shutdown().await;
}

async fn a_message_that_cannot_be_encoded_comes_back_with_its_ports_whole(transport: Transport) {
    let pair = Pair::over(transport).await;
    let actor = served(&pair, 16, "answers", Answers).await;
    let (keeper, mut kept) = keeper();
    let here = pair.client.spawn(keeper);
    for (between, behind) in [(2 << 20, 0), (0, 2 << 20)] {
        let ask = || {
            let here = here.clone();
            begun(async move { here.ask(double).await.ok() })
        };
        let (one, two) = (ask().await, ask().await);
        let message = Question::Both {
            first: kept.port().await,
            between: vec![0; between],
            second: kept.port().await,
            behind: vec![0; behind],
        };
        let refused = actor.send(message).await;
        let Err(SendError::TooLarge { message, .. }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(open(&pair.client).0, 0);
        let Question::Both { first, second, .. } = message else {
            unreachable!("it is the one that was sent")
        };
        let smaller = Question::Both {
            first,
            between: Vec::new(),
            second,
            behind: Vec::new(),
        };
        actor.send(smaller).await.expect("it fits");
        assert_eq!(one.await.expect("it ends"), Some(1));
        assert_eq!(two.await.expect("it ends"), Some(2));
    }
    drop(actor);
    at_rest(&pair).await;
    pair.shutdown().await;
}

async fn a_port_is_encoded_once(transport: Transport) {
    let pair = Pair::over(transport).await;
    let actor = served(&pair, 16, "answers", Answers).await;
    let (keeper, mut kept) = keeper();
    let here = pair.client.spawn(keeper);
    let asked = begun(async move { here.ask(double).await.ok() }).await;
    let reply = kept.port().await;
    let message = Question::Double { number: 2, reply };

    let link = pair.client.links().remove(0);
    let described = link.resolve("answers").await.expect("it is up");
    let described = described.expect("it is registered");
    let remote = Arc::clone(&link).attach(described).expect("it is up");
    let mut encode = |encoder: &mut Encoder<'_>| {
        encoder.encode(&message)?;
        encoder.encode(&message)
    };
    let nothing = FrameExtensions::default();
    let twice = link.try_send(&remote, Purpose::Tell, nothing, &mut encode);
    let Err(LinkRefusal::Wire(WireError::Port(why))) = twice else {
        panic!("{twice:?}");
    };
    assert!(why.to_string().contains("once"), "{why}");
    assert_eq!(link.pending_asks(), 0);
    actor.send(message).await.expect("its port is whole");
    assert_eq!(asked.await.expect("it ends"), Some(4));
    drop((actor, remote));
    at_rest(&pair).await;
    pair.shutdown().await;
}

/// Something that the server would not know its actor by.
fn forged(pair: &Pair, described: &Resolved) -> ActorRef<Question> {
    let forged = Resolved {
        key: ExportKey::from_u64(!described.key.as_u64()),
        ..described.clone()
    };
    let link = pair.client.links().remove(0);
    Node::remote_ref(link, forged).expect("the link is up")
}

async fn described(pair: &Pair, name: &str) -> Resolved {
    let link = pair.client.links().remove(0);
    let described = link.resolve(name).await.expect("the link is up");
    described.expect("it is registered")
}

async fn asks_of_a_binding_that_is_refused_fail_at_once(transport: Transport) {
    let pair = Pair::over(transport).await;
    let actor = served(&pair, 16, "answers", Answers).await;
    let forged = forged(&pair, &described(&pair, "answers").await);
    for _ in 0..3 {
        let refused = forged.ask(double).timeout(GRACE).await;
        let Err(
            AskError::ActorDown(reason) | AskError::NotSent(SendError::ActorDown { reason, .. }),
        ) = refused
        else {
            panic!("{refused:?}");
        };
        assert_eq!(reason, StopReason::NoSuchActor);
    }
    drop((forged, actor));
    at_rest(&pair).await;
    pair.shutdown().await;
}

// All refs to an actor shared one binding, whatever key they had come with: the first that was
// refused ended all that were made while it lived.
async fn a_ref_with_a_wrong_key_ends_no_other(transport: Transport) {
    let pair = Pair::over(transport).await;
    let actor = served(&pair, 16, "answers", Answers).await;
    let described = described(&pair, "answers").await;
    drop(actor);
    until(|| open(&pair.client).1 == 0).await;
    let forged = forged(&pair, &described);
    forged.ask(double).await.expect_err("it is refused");
    let link = pair.client.links().remove(0);
    let actor: ActorRef<Question> = Node::remote_ref(link, described).expect("the link is up");
    assert_eq!(actor.ask(double).await.expect("it answers"), 42);
    forged.ask(double).await.expect_err("it is refused");
    drop((forged, actor));
    at_rest(&pair).await;
    pair.shutdown().await;
}

// An ask was known by the id of the binding it had left through, which came to mean another one:
// when that was refused the ask failed, though an actor had it.
async fn an_ask_outlives_the_binding_it_left_through(transport: Transport) {
    let pair = Pair::over(transport).await;
    let (away, mut kept_away) = keeper();
    let actor = served(&pair, 16, "keeper", away).await;
    let other = served(&pair, 16, "answers", Answers).await;
    let described = described(&pair, "answers").await;
    let (here, mut kept) = keeper();
    let here = pair.client.spawn(here);
    let asked = begun(async move { here.ask(double).timeout(GRACE).await.ok() }).await;
    let reply = kept.port().await;
    actor.send(double(reply)).await.expect("there is room");
    let reply = kept_away.port().await;
    drop(actor);
    until(|| open(&pair.client) == (1, 1)).await;

    let forged = forged(&pair, &described);
    forged.ask(double).await.expect_err("it is refused");
    assert_eq!(open(&pair.client).0, 1);
    reply.send(7);
    assert_eq!(asked.await.expect("it ends"), Some(7));
    drop((forged, other));
    at_rest(&pair).await;
    pair.shutdown().await;
}

async fn asks_under_way_fail_when_the_link_is_lost_and_late_answers_go_nowhere(
    transport: Transport,
) {
    let pair = Pair::over(transport).await;
    let (keeper, mut kept) = keeper();
    let actor = served(&pair, 16, "keeper", keeper).await;
    let answers = served(&pair, 16, "answers", Answers).await;
    let asking = actor.clone();
    let asked = begun(async move { asking.ask(double).timeout(GRACE).await }).await;
    let late = kept.port().await;
    let link = pair.client.links().remove(0);
    // The first connection of the link.
    link.fail(1, CloseReason::Corrupt("a test".into()));
    let lost = asked.await.expect("it ends");
    assert!(matches!(lost, Err(AskError::LinkDown)), "{lost:?}");
    assert_eq!(link.pending_asks(), 0);

    // The next connection numbers its asks from the same table.
    assert_eq!(
        answers
            .ask(double)
            .timeout(GRACE)
            .await
            .expect("it is dialled again"),
        42
    );
    let asked = begun(async move { actor.ask(double).timeout(GRACE).await.ok() }).await;
    let in_time = kept.port().await;
    late.send(1_000);
    in_time.send(1);
    assert_eq!(asked.await.expect("it ends"), Some(1));
    drop(answers);
    at_rest(&pair).await;
    pair.shutdown().await;
}

// A port that was passed on stayed in the table of the node in between for as long as whoever had
// it kept it, though its asker had long given up.
async fn a_port_that_was_passed_on_is_forgotten_when_its_time_is_up(transport: Transport) {
    let pair = Pair::over(transport).await;
    let away = served(&pair, 16, "answers", Answers).await;
    let (keeper, mut kept) = keeper();
    let here = pair.client.spawn(keeper);
    let pass = |to: &ActorRef<Question>, timeout| {
        let (away, to) = (away.clone(), to.clone());
        begun(async move {
            let ask = away.ask(|reply| Question::Pass { to, reply });
            ask.timeout(timeout).await.ok()
        })
    };
    let hopeful = pass(&here, GRACE).await;
    let hopeful_port = kept.port().await;
    // A question whose time is up before its turn is cancelled, and not passed on.
    let mut time = Duration::from_millis(50);
    let (late, late_port) = loop {
        let mut late = pass(&here, time).await;
        tokio::select! {
            port = kept.port() => break (late, port),
            answer = &mut late => assert_eq!(answer.expect("it ends"), None),
        }
        time *= 2;
    };
    assert_eq!(late.await.expect("it ends"), None);
    until(|| open(&pair.server).0 == 1).await;
    late_port.send(1_000);
    hopeful_port.send(5);
    assert_eq!(hopeful.await.expect("it ends"), Some(5));
    here.kill();
    drop(away);
    at_rest(&pair).await;
    pair.shutdown().await;
}

async fn a_thread_outside_the_runtime_asks_an_actor_of_another_node(transport: Transport) {
    let pair = Pair::over(transport).await;
    let actor = served(&pair, 16, "answers", Answers).await;
    let (keeper, kept) = keeper();
    let stuck = served(&pair, 16, "stuck", keeper).await;
    let asker = task::spawn_blocking(move || {
        let doubled = actor.ask_blocking(GRACE, double);
        (doubled, stuck.ask_blocking(Duration::ZERO, double))
    });
    let (doubled, late) = asker.await.expect("the thread ends");
    assert_eq!(doubled.expect("it answers"), 42);
    assert!(matches!(late, Err(AskError::Timeout)), "{late:?}");
    at_rest(&pair).await;
    drop(kept);
    pair.shutdown().await;
}

/// As many asks as may wait on one link.
const ASKS: usize = 65_536;

// The next one was `Refused`, as if its message were at fault.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ask_beyond_those_that_may_wait_comes_back_as_full() {
    let pair = Pair::over(Transport::Memory).await;
    let (keeper, mut kept) = keeper();
    let actor = served(&pair, 1_024, "keeper", keeper).await;
    let (mut asks, mut ports) = (Vec::new(), Vec::new());
    for _ in 0..ASKS {
        let mut ask = Box::pin(actor.ask(double).timeout(GRACE));
        // Its message has left, and come, before the next: there is room for each.
        let port = tokio::select! {
            _answer = &mut ask => panic!("nobody has answered"),
            port = kept.port() => port,
        };
        ports.push(port);
        asks.push(ask);
    }
    assert_eq!(open(&pair.client).0, ASKS);
    match actor.ask(double).timeout(GRACE).await {
        Err(AskError::NotSent(SendError::Full(Question::Double { number: 21, .. }))) => {}
        other => panic!("{other:?}"),
    }
    ports.pop().expect("there are many").send(7);
    let answer = asks.pop().expect("there are many").await;
    assert_eq!(answer.expect("it was answered"), 7);
    let answering = async { kept.port().await.send(8) };
    let (answer, ()) = tokio::join!(actor.ask(double).timeout(GRACE), answering);
    assert_eq!(answer.expect("there is room again"), 8);
    drop(asks);
    drop((ports, actor));
    at_rest(&pair).await;
    pair.shutdown().await;
}

#[test]
fn a_message_with_a_port_is_encoded_by_nodes_only() {
    let mut buffer = AlignedVec::new();
    let mut arena = Arena::new();
    let mut nothing = ();
    let mut encoder = Encoder::new(&mut buffer, &mut arena, &mut nothing, 1 << 20);
    let runtime = Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let node = runtime.block_on(Node::builder("alone").start());
    let (keeper, _kept) = keeper();
    let actor = node.expect("it starts").spawn(keeper);
    let mut refused = Vec::new();
    drop(actor.ask(|reply| {
        let to = actor.clone();
        let message = Question::Pass { to, reply };
        refused.push(encoder.encode(&message));
        message
    }));
    refused.push(encoder.encode(&actor));
    for refused in refused {
        let Err(WireError::Port(why)) = refused else {
            panic!("{refused:?}");
        };
        assert!(why.to_string().contains("between nodes"), "{why}");
    }
}

over_every_transport!(
    all_who_wait_for_room_are_told_when_the_actor_ends,
    an_answered_ask_leaves_nothing,
    an_ask_that_is_dropped_leaves_nothing_wherever_it_was,
    an_answer_that_comes_late_is_not_the_next_asks,
    an_ask_that_was_given_up_before_its_turn_is_skipped,
    asks_of_an_actor_that_ends_fail_at_once,
    a_message_that_cannot_be_encoded_comes_back_with_its_ports_whole,
    a_port_is_encoded_once,
    asks_of_a_binding_that_is_refused_fail_at_once,
    a_ref_with_a_wrong_key_ends_no_other,
    an_ask_outlives_the_binding_it_left_through,
    asks_under_way_fail_when_the_link_is_lost_and_late_answers_go_nowhere,
    a_port_that_was_passed_on_is_forgotten_when_its_time_is_up,
    a_thread_outside_the_runtime_asks_an_actor_of_another_node,
);
