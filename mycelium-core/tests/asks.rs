//! Asks within one process.

use std::time::Duration;

use mycelium_core::{Actor, ActorRef, ActorResult, AskError, Context, Node, ReplyTo, SendError};
use tokio::sync::oneshot;

enum Question {
    Double { number: u64, reply: ReplyTo<u64> },
    Drop { reply: ReplyTo<u64> },
    Panic { reply: ReplyTo<u64> },
    Keep { reply: ReplyTo<u64> },
    Wait(oneshot::Receiver<()>),
    Handled { reply: ReplyTo<u64> },
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
    let asked = tokio::time::Instant::now();
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
        let doubled = actor.ask_blocking(Duration::from_secs(60), |reply| Question::Double {
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
