//! What goes along with a message: a time to live, its age, a place in a trace.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows tests by their attribute, not their helpers"
)]

use std::{
    collections::BTreeSet,
    future::poll_fn,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use mycelium_core::{
    Actor, ActorRef, ActorResult, AskError, Context, DeadLetterNotice, DeadLetterReason, Inbox,
    Node, ReplyTo, SendError, SendOptions, SpawnOptions, Terminated,
};
use mycelium_wire::TraceContext;
use tokio::{
    sync::{
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        oneshot,
    },
    task,
    time::{advance, sleep},
};

use crate::{gated::Gate, node::node};

#[path = "kit/gated.rs"]
mod gated;
#[path = "kit/node.rs"]
mod node;

const SECOND: Duration = Duration::from_secs(1);

const TRACE: TraceContext = TraceContext {
    trace_id: 0xfeed,
    span_id: 0xbeef,
};

fn ttl(ttl: Duration) -> SendOptions {
    SendOptions::default().ttl(ttl)
}

/// A busy actor.
async fn busy(node: &Node, capacity_messages: usize) -> Gate {
    let mut gate = Gate::spawn(node, capacity_messages);
    gate.occupy().await;
    gate
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_time_has_passed_when_its_turn_comes_is_a_dead_letter() {
    let node = node().await;
    let mut letters = node.dead_letters();
    let gate = busy(&node, 16).await;
    let short = gate.actor.with(ttl(SECOND));
    short.send(1).await.unwrap();
    gate.actor.with(ttl(2 * SECOND)).send(2).await.unwrap();
    gate.actor.send(3).await.unwrap();
    short.try_send(4).unwrap();
    advance(SECOND).await;
    short.try_send(5).unwrap();
    let id = gate.actor.id();
    assert_eq!(gate.rest().await, [2, 3, 5]);
    for count in [1, 1] {
        let Some(DeadLetterNotice::Letter(letter)) = letters.next().await else {
            panic!("a letter")
        };
        assert_eq!((letter.target, letter.count), (id, count));
        assert_eq!(letter.reason, DeadLetterReason::Expired);
    }
    let counts = node.stats().dead_letters;
    assert_eq!((counts.expired, counts.total()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn messages_that_expired_one_after_the_other_are_one_letter() {
    let node = node().await;
    let mut letters = node.dead_letters();
    let gate = busy(&node, 16).await;
    for message in 1..=7 {
        gate.actor.with(ttl(SECOND)).try_send(message).unwrap();
    }
    advance(SECOND).await;
    assert!(gate.rest().await.is_empty());
    let Some(DeadLetterNotice::Letter(letter)) = letters.next().await else {
        panic!("a letter")
    };
    assert_eq!(letter.count, 7);
}

/// Notes, when it is dropped, how often others have run by then.
struct Witness(Arc<AtomicUsize>, Arc<Mutex<BTreeSet<usize>>>);

impl Drop for Witness {
    fn drop(&mut self) {
        let turns = self.0.load(Ordering::Relaxed);
        self.1.lock().unwrap().insert(turns);
    }
}

/// Handles nothing before the test lets it.
struct Late(Option<oneshot::Receiver<()>>);

impl Actor for Late {
    type Message = Witness;

    async fn started(&mut self, _: &mut Context<Self>) -> ActorResult {
        if let Some(go) = self.0.take() {
            go.await?;
        }
        Ok(())
    }

    async fn handle(&mut self, _: Witness, _: &mut Context<Self>) -> ActorResult {
        Ok(())
    }
}

// Whole mailboxes were dropped in one go, and no other task of the thread ran meanwhile.
#[tokio::test(start_paused = true)]
async fn others_run_while_expired_messages_are_dropped() {
    const MESSAGES: usize = 1_000;
    let node = node().await;
    let (go, is_going) = oneshot::channel();
    let actor = node.spawn(Late(Some(is_going)));
    let (turns, seen) = (Arc::default(), Arc::default());
    for _ in 0..MESSAGES {
        let witness = Witness(Arc::clone(&turns), Arc::clone(&seen));
        let Ok(()) = actor.with(ttl(SECOND)).try_send(witness) else {
            panic!("there is room")
        };
    }
    advance(SECOND).await;
    go.send(()).unwrap();
    let other = task::spawn(poll_fn(move |cx| {
        turns.fetch_add(1, Ordering::Relaxed);
        cx.waker().wake_by_ref();
        match node.stats().dead_letters.expired {
            expired if expired == MESSAGES as u64 => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }));
    other.await.unwrap();
    assert!(seen.lock().unwrap().len() >= MESSAGES / 64, "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn what_an_actor_leaves_is_a_letter_of_its_end_however_old_it_is() {
    let node = node().await;
    let gate = busy(&node, 16).await;
    gate.actor.with(ttl(SECOND)).try_send(1).unwrap();
    advance(SECOND).await;
    gate.actor.kill();
    gate.actor.ended().await.unwrap();
    let counts = node.stats().dead_letters;
    assert_eq!((counts.killed, counts.expired), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_send_whose_time_passes_while_it_waits_for_room_gives_its_message_back() {
    let gate = busy(&node().await, 1).await;
    gate.actor.try_send(1).unwrap();
    let sent = gate.actor.with(ttl(3 * SECOND)).send(2).await;
    assert!(matches!(sent, Err(SendError::Timeout(2))), "{sent:?}");
    assert_eq!(gate.rest().await, [1]);
}

#[tokio::test(start_paused = true)]
async fn the_time_counts_from_the_call_and_the_wait_for_room_is_of_it() {
    let node = node().await;
    let mut gate = busy(&node, 1).await;
    gate.actor.try_send(1).unwrap();
    let to = gate.actor.clone();
    let late = to.with(ttl(3 * SECOND)).send(2);
    advance(2 * SECOND).await;
    let opens = async {
        sleep(SECOND / 2).await;
        gate.permits.add_permits(1);
        assert_eq!(gate.entered.recv().await, Some(1));
    };
    let (sent, ()) = tokio::join!(late, opens);
    sent.unwrap();
    advance(SECOND / 2).await;
    assert!(gate.rest().await.is_empty());
    assert_eq!(node.stats().dead_letters.expired, 1);
}

#[tokio::test(start_paused = true)]
async fn the_longest_time_is_no_limit() {
    let gate = busy(&node().await, 16).await;
    gate.actor.with(ttl(Duration::MAX)).send(1).await.unwrap();
    advance(Duration::from_hours(24 * 365)).await;
    assert_eq!(gate.rest().await, [1]);
}

#[tokio::test(start_paused = true)]
async fn the_holder_of_an_inbox_does_not_receive_what_has_expired() {
    let node = node().await;
    let mut inbox: Inbox<u64> = node.inbox();
    let actor = inbox.actor_ref();
    actor.with(ttl(SECOND)).try_send(1).unwrap();
    actor.with(ttl(2 * SECOND)).try_send(2).unwrap();
    actor.with(ttl(SECOND)).try_send(3).unwrap();
    advance(SECOND).await;
    assert_eq!(inbox.try_recv(), Ok(Some(2)));
    assert_eq!(inbox.try_recv(), Ok(None));
    assert_eq!(node.stats().dead_letters.expired, 2);
}

/// What a handler finds in its context.
#[derive(Debug, PartialEq)]
struct Found {
    age: Option<Duration>,
    trace: Option<TraceContext>,
}

enum Question {
    /// Busy until then.
    Wait(oneshot::Receiver<()>),
    Look,
    Asked(ReplyTo<Option<Duration>>),
    Watch(ActorRef<u64>),
}

/// Tells the test what it finds.
struct Finder(UnboundedSender<Found>);

impl Finder {
    fn spawn(node: &Node, options: SpawnOptions) -> (ActorRef<Question>, UnboundedReceiver<Found>) {
        let (sender, found) = unbounded_channel();
        (node.spawn_with(options, Self(sender)), found)
    }

    fn look(&self, cx: &Context<Self>) -> ActorResult {
        let (age, trace) = (cx.age(), cx.trace());
        Ok(self.0.send(Found { age, trace })?)
    }
}

impl Actor for Finder {
    type Message = Question;

    async fn handle(&mut self, message: Question, cx: &mut Context<Self>) -> ActorResult {
        match message {
            Question::Wait(until) => until.await?,
            Question::Look => self.look(cx)?,
            Question::Asked(reply) => reply.send(cx.age()),
            Question::Watch(actor) => cx.watch(&actor)?,
        }
        Ok(())
    }

    async fn terminated(&mut self, _: Terminated, cx: &mut Context<Self>) -> ActorResult {
        self.look(cx)
    }
}

/// Keeps the actor busy until what is given back is dropped.
async fn wait(actor: &ActorRef<Question>) -> oneshot::Sender<()> {
    let (go, until) = oneshot::channel();
    actor.send(Question::Wait(until)).await.unwrap();
    go
}

#[tokio::test(start_paused = true)]
async fn the_age_of_a_message_is_known_where_it_was_sent_with_options() {
    let node = node().await;
    let (actor, mut found) = Finder::spawn(&node, SpawnOptions::default());
    let go = wait(&actor).await;
    actor
        .with(ttl(9 * SECOND))
        .send(Question::Look)
        .await
        .unwrap();
    actor
        .with(SendOptions::default())
        .send(Question::Look)
        .await
        .unwrap();
    actor.send(Question::Look).await.unwrap();
    advance(3 * SECOND).await;
    go.send(()).unwrap();
    let trace = None;
    let aged = Found {
        age: Some(3 * SECOND),
        trace,
    };
    assert_eq!(found.recv().await, Some(aged));
    assert_eq!(found.recv().await, Some(Found { age: None, trace }));
    assert_eq!(found.recv().await, Some(Found { age: None, trace }));
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_measures_ages_knows_that_of_every_message() {
    let node = node().await;
    let (actor, mut found) = Finder::spawn(&node, SpawnOptions::default().measure_age());
    let go = wait(&actor).await;
    actor.send(Question::Look).await.unwrap();
    actor.try_send(Question::Look).unwrap();
    let ActorRef::Local(local) = &actor else {
        panic!("it lives here")
    };
    local.try_send(Question::Look).unwrap();
    actor.send_timeout(Question::Look, SECOND).await.unwrap();
    let answer = actor.ask(Question::Asked);
    let aged = async {
        advance(2 * SECOND).await;
        go.send(()).unwrap();
    };
    let (answer, ()) = tokio::join!(answer, aged);
    assert_eq!(answer.unwrap(), Some(2 * SECOND));
    for _ in 0..4 {
        let age = found.recv().await.unwrap().age;
        assert_eq!(age, Some(2 * SECOND));
    }
}

#[tokio::test(start_paused = true)]
async fn a_notice_has_no_age_and_no_trace_of_the_message_before() {
    let node = node().await;
    let (actor, mut found) = Finder::spawn(&node, SpawnOptions::default().measure_age());
    let gate = Gate::spawn(&node, 1);
    let watch = Question::Watch(gate.actor.clone());
    let traced = SendOptions::default().trace(TRACE);
    actor.with(traced).send(watch).await.unwrap();
    gate.actor.kill();
    let nothing = Found {
        age: None,
        trace: None,
    };
    assert_eq!(found.recv().await, Some(nothing));
}

#[tokio::test(start_paused = true)]
async fn a_trace_is_that_of_one_message() {
    let node = node().await;
    let (actor, mut found) = Finder::spawn(&node, SpawnOptions::default());
    let traced = SendOptions::default().trace(TRACE);
    actor.with(traced).send(Question::Look).await.unwrap();
    actor.send(Question::Look).await.unwrap();
    assert_eq!(found.recv().await.unwrap().trace, Some(TRACE));
    assert_eq!(found.recv().await.unwrap().trace, None);
}

#[tokio::test(start_paused = true)]
async fn an_ask_with_a_trace_is_an_ask() {
    let node = node().await;
    let (actor, _found) = Finder::spawn(&node, SpawnOptions::default());
    let go = wait(&actor).await;
    let given_up = actor.ask(Question::Asked).trace(TRACE).timeout(SECOND);
    let outcome = given_up.await;
    assert!(matches!(outcome, Err(AskError::Timeout)), "{outcome:?}");
    go.send(()).unwrap();
    let answer = actor.ask(Question::Asked).trace(TRACE).await;
    assert_eq!(answer.unwrap(), Some(Duration::ZERO));
    // The one that was given up was skipped, and is no dead letter.
    assert_eq!(node.stats().dead_letters.total(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_port_in_a_message_that_has_expired_fails_its_ask() {
    let node = node().await;
    let (actor, _found) = Finder::spawn(&node, SpawnOptions::default());
    let (front, mut ports) = unbounded_channel();
    let forward = node.spawn(Forward(front));
    let asked = tokio::spawn(async move { forward.ask(|reply| reply).await });
    let port = ports.recv().await.unwrap();
    let go = wait(&actor).await;
    actor
        .with(ttl(SECOND))
        .send(Question::Asked(port))
        .await
        .unwrap();
    advance(SECOND).await;
    go.send(()).unwrap();
    let outcome = asked.await.unwrap();
    assert!(matches!(outcome, Err(AskError::NoReply)), "{outcome:?}");
}

/// Gives the test the ports it is sent.
struct Forward(UnboundedSender<ReplyTo<Option<Duration>>>);

impl Actor for Forward {
    type Message = ReplyTo<Option<Duration>>;

    async fn handle(&mut self, port: Self::Message, _: &mut Context<Self>) -> ActorResult {
        Ok(self.0.send(port)?)
    }
}
