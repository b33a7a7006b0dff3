//! Asks within one process.

use std::{
    future::{Future, poll_fn},
    num::NonZeroUsize,
    pin::pin,
    task::Poll,
    time::Duration,
};

use mycelium_core::{
    Actor, ActorRef, ActorResult, AskError, Context, Node, ReplyTo, SendError, SpawnOptions,
};
use tokio::{
    sync::oneshot,
    time::{self, Instant},
};

enum Question {
    Double { number: u64, reply: ReplyTo<u64> },
    Drop { reply: ReplyTo<u64> },
    Panic { reply: ReplyTo<u64> },
    Keep { reply: ReplyTo<u64> },
    Wait(oneshot::Receiver<()>),
    Handled { reply: ReplyTo<u64> },
    Count(oneshot::Sender<u64>),
}

#[derive(Default)]
struct Answers {
    kept: Vec<ReplyTo<u64>>,
    handled: u64,
}

impl Actor for Answers {
    type Message = Question;

    async fn handle(&mut self, message: Question, _cx: &mut Context<Self>) -> ActorResult {
        self.handled += 1;
        match message {
            Question::Double { number, reply } => reply.send(2 * number),
            Question::Drop { reply } => drop(reply),
            Question::Panic { reply } => {
                let _reply = reply;
                panic!("asked to");
            }
            Question::Keep { reply } => self.kept.push(reply),
            Question::Wait(until) => drop(until.await),
            Question::Handled { reply } => reply.send(self.handled),
            // The test may have left.
            Question::Count(counted) => drop(counted.send(self.handled)),
        }
        Ok(())
    }
}

async fn answers() -> (Node, ActorRef<Question>) {
    let node = Node::builder("asks")
        .start()
        .await
        .expect("a runtime is there");
    let actor = node.spawn(Answers::default());
    (node, actor)
}

#[tokio::test]
async fn an_ask_brings_the_answer() {
    let (_node, actor) = answers().await;
    for number in 0..1_000 {
        let doubled = actor.ask(|reply| Question::Double { number, reply }).await;
        assert_eq!(doubled.expect("the actor answers"), 2 * number);
    }
}

#[tokio::test]
async fn a_dropped_port_fails_the_ask_at_once() {
    let (_node, actor) = answers().await;
    let outcome = actor.ask(|reply| Question::Drop { reply }).await;
    assert!(matches!(outcome, Err(AskError::NoReply)), "{outcome:?}");
}

#[tokio::test]
async fn a_panic_in_the_handler_fails_the_ask_at_once() {
    let (_node, actor) = answers().await;
    let outcome = actor.ask(|reply| Question::Panic { reply }).await;
    assert!(matches!(outcome, Err(AskError::NoReply)), "{outcome:?}");
    let outcome = actor.ask(|reply| Question::Drop { reply }).await;
    let Err(AskError::NotSent(SendError::ActorDown { .. })) = outcome else {
        panic!("{outcome:?}");
    };
}

#[tokio::test(start_paused = true)]
async fn an_ask_has_an_outcome_by_its_deadline() {
    let (_node, actor) = answers().await;
    let asked = Instant::now();
    let ask = actor.ask(|reply| Question::Keep { reply });
    let outcome = ask.timeout(Duration::from_millis(30)).await;
    assert!(matches!(outcome, Err(AskError::Timeout)), "{outcome:?}");
    assert_eq!(asked.elapsed(), Duration::from_millis(30));
    let outcome = actor.ask(|reply| Question::Keep { reply }).await;
    assert!(matches!(outcome, Err(AskError::Timeout)), "{outcome:?}");
    assert_eq!(asked.elapsed(), Duration::from_millis(5_030));
}

#[tokio::test(start_paused = true)]
async fn an_ask_that_was_given_up_before_its_turn_is_skipped() {
    let (_node, actor) = answers().await;
    let (release, until) = oneshot::channel();
    actor
        .send(Question::Wait(until))
        .await
        .expect("the actor lives");
    for _ in 0..3 {
        let ask = actor.ask(|reply| Question::Double { number: 1, reply });
        let outcome = ask.timeout(Duration::from_millis(1)).await;
        assert!(matches!(outcome, Err(AskError::Timeout)), "{outcome:?}");
    }
    release.send(()).expect("the actor waits");
    let handled = actor.ask(|reply| Question::Handled { reply }).await;
    assert_eq!(handled.expect("the actor answers"), 2);
}

#[tokio::test]
async fn a_thread_outside_the_runtime_may_ask() {
    let (_node, actor) = answers().await;
    let asker = tokio::task::spawn_blocking(move || {
        let doubled = actor.ask_blocking(Duration::from_mins(1), |reply| Question::Double {
            number: 4,
            reply,
        });
        let late = actor.ask_blocking(Duration::ZERO, |reply| Question::Keep { reply });
        (doubled, late)
    });
    let (doubled, late) = asker.await.expect("the thread ends");
    assert_eq!(doubled.expect("the actor answers"), 8);
    assert!(matches!(late, Err(AskError::Timeout)), "{late:?}");
}

/// Polls a future that has to wait.
async fn begin(future: &mut (impl Future + Unpin)) {
    poll_fn(|cx| {
        let poll = pin!(&mut *future).poll(cx);
        assert!(poll.is_pending(), "it has to wait");
        Poll::Ready(())
    })
    .await;
}

// The longest duration there is was added to the clock, which panicked.
#[tokio::test]
async fn an_ask_may_wait_for_ever() {
    let (_node, actor) = answers().await;
    let ask = actor.ask(|reply| Question::Double { number: 2, reply });
    assert_eq!(ask.timeout(Duration::MAX).await.expect("it answers"), 4);
    let asker = tokio::task::spawn_blocking(move || {
        actor.ask_blocking(Duration::MAX, |reply| Question::Double { number: 2, reply })
    });
    let doubled = asker.await.expect("the thread ends");
    assert_eq!(doubled.expect("it answers"), 4);
}

// An ask that was out of time kept its place in the line until it was dropped, and nobody behind
// it could send.
#[tokio::test(start_paused = true)]
async fn an_ask_that_is_out_of_time_holds_up_nobody() {
    let node = Node::builder("asks").start().await.expect("it starts");
    let one = SpawnOptions::default().capacity(NonZeroUsize::MIN);
    let actor = node.spawn_with(one, Answers::default());
    let (release, until) = oneshot::channel();
    actor.send(Question::Wait(until)).await.expect("it lives");
    // Has room once the first is handled, and leaves none.
    let second = Question::Wait(oneshot::channel().1);
    actor.send(second).await.expect("it lives");
    let ask = actor.ask(|reply| Question::Double { number: 2, reply });
    let mut ask = pin!(ask.timeout(Duration::from_secs(1)));
    begin(&mut ask).await;
    let mut behind = pin!(actor.ask(|reply| Question::Double { number: 3, reply }));
    begin(&mut behind).await;
    let late = ask.as_mut().await;
    let Err(AskError::NotSent(SendError::Timeout(_))) = late else {
        panic!("{late:?}");
    };
    release.send(()).expect("the actor waits");
    assert_eq!(behind.await.expect("it answers"), 6);
}

// Its slot had come to be another ask's by then, which was given up: the message was skipped.
#[tokio::test]
async fn a_message_whose_port_was_taken_out_is_handled() {
    let (_node, actor) = answers().await;
    let (release, until) = oneshot::channel();
    actor.send(Question::Wait(until)).await.expect("it lives");
    let (counted, count) = oneshot::channel();
    let mut counted = Some(counted);
    let outcome = actor.ask(|reply: ReplyTo<()>| {
        reply.send(());
        let counted = counted.take().expect("it is made once");
        Question::Count(counted)
    });
    outcome.await.expect("it was answered before it was sent");
    for _ in 0..3 {
        drop(actor.ask(|_reply: ReplyTo<()>| Question::Wait(oneshot::channel().1)));
        let mut given_up = pin!(actor.ask(|reply| Question::Keep { reply }));
        begin(&mut given_up).await;
    }
    release.send(()).expect("the actor waits");
    assert_eq!(count.await.expect("it is handled"), 2);
}

// Asks that are answered at once never wait: without a budget no timer of their worker fires.
#[tokio::test]
async fn a_loop_of_asks_lets_timers_run() {
    let (_node, actor) = answers().await;
    let asks = async {
        loop {
            let ask = actor.ask(|reply| Question::Double { number: 1, reply });
            ask.await.expect("it answers");
        }
    };
    let ended = time::timeout(Duration::from_millis(20), asks).await;
    ended.expect_err("the asks go on for ever");
    let ready = async {
        loop {
            // Answered before it is polled.
            let ask = actor.ask(|reply: ReplyTo<()>| {
                reply.send(());
                Question::Wait(oneshot::channel().1)
            });
            ask.await.expect("it was answered");
        }
    };
    let ended = time::timeout(Duration::from_millis(20), ready).await;
    ended.expect_err("the asks go on for ever");
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

enum Fragile {
    Wait(oneshot::Receiver<()>),
    Carry { _bomb: Bomb, _reply: ReplyTo<u64> },
    Double { number: u64, reply: ReplyTo<u64> },
}

struct Carrier;

impl Actor for Carrier {
    type Message = Fragile;

    async fn handle(&mut self, message: Fragile, _cx: &mut Context<Self>) -> ActorResult {
        match message {
            Fragile::Wait(until) => drop(until.await),
            Fragile::Carry { .. } => {}
            Fragile::Double { number, reply } => reply.send(2 * number),
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn an_ask_that_was_given_up_and_panics_when_it_is_dropped_leaves_the_actor_alone() {
    let node = Node::builder("asks").start().await.expect("it starts");
    let carrier = node.spawn(Carrier);
    let (go_on, wait) = oneshot::channel();
    let waits = carrier.send(Fragile::Wait(wait)).await;
    waits.expect("the actor lives");
    let carry = carrier.ask(|reply| Fragile::Carry {
        _bomb: Bomb,
        _reply: reply,
    });
    let carried = carry.timeout(Duration::from_millis(5)).await;
    assert!(matches!(carried, Err(AskError::Timeout)), "{carried:?}");
    go_on.send(()).expect("the actor waits");
    let double = carrier.ask(|reply| Fragile::Double { number: 4, reply });
    assert_eq!(double.await.expect("the actor lives"), 8);
}

#[tokio::test(start_paused = true)]
async fn an_ask_without_a_time_of_its_own_takes_that_of_the_node() {
    let timeout = Duration::from_millis(70);
    let builder = Node::builder("asks").ask_timeout(timeout);
    let node = builder.start().await.expect("it starts");
    let answers = node.spawn(Answers::default());
    let begun = Instant::now();
    let asked = answers.ask(|reply| Question::Keep { reply }).await;
    assert!(matches!(asked, Err(AskError::Timeout)), "{asked:?}");
    assert!(begun.elapsed() >= timeout);
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "the clock is virtual"
    );
}
