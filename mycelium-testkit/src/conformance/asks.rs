//! Every ask has one outcome.

use std::{pin::pin, thread, time::Duration};

use mycelium::prelude::*;
use tokio::{sync::oneshot, task::JoinSet};

use super::actors::{Desk, LIVES, PATIENCE, Question, capacity, fill, gated, poll_once, refusal};
use crate::bed::Bed;

fn double(number: u64) -> impl FnOnce(ReplyTo<u64>) -> Question {
    move |reply| Question::Double { number, reply }
}

fn keep(number: u64) -> impl FnOnce(ReplyTo<u64>) -> Question {
    move |reply| Question::Keep { number, reply }
}

pub(super) async fn an_ask_is_answered(bed: &Bed) {
    let desk = bed.place(Desk::default()).await;
    for number in 0..2_000 {
        let answer = desk.ask(double(number)).timeout(PATIENCE).await;
        assert_eq!(answer.expect(LIVES), 2 * number);
    }
}

pub(super) async fn an_ask_is_answered_on_a_thread_outside_the_runtime(bed: &Bed) {
    let desk = bed.place(Desk::default()).await;
    let (done, is_done) = oneshot::channel();
    let asking = thread::spawn(move || {
        for number in 0..100 {
            let answer = desk.ask_blocking(PATIENCE, double(number));
            assert_eq!(answer.expect(LIVES), 2 * number);
        }
        let moment = Duration::from_millis(20);
        let late = desk.ask_blocking(moment, keep(1));
        assert!(matches!(late, Err(AskError::Timeout)), "{late:?}");
        done.send(()).expect("the test waits");
    });
    // Fails where the thread panicked.
    is_done.await.expect("all was answered");
    asking.join().expect("it is done");
}

pub(super) async fn a_port_that_is_dropped_fails_its_ask(bed: &Bed) {
    let desk = bed.place(Desk::default()).await;
    let outcome = desk.ask(|reply| Question::Drop { reply });
    let outcome = outcome.timeout(PATIENCE).await;
    assert!(matches!(outcome, Err(AskError::NoReply)), "{outcome:?}");
}

pub(super) async fn a_panic_fails_the_ask_that_is_being_handled(bed: &Bed) {
    let desk = bed.place(Desk::default()).await;
    let outcome = desk.ask(|reply| Question::Panic { reply });
    let outcome = outcome.timeout(PATIENCE).await;
    assert!(matches!(outcome, Err(AskError::NoReply)), "{outcome:?}");
}

pub(super) async fn an_ask_that_is_not_answered_times_out(bed: &Bed) {
    let desk = bed.place(Desk::default()).await;
    let outcome = desk.ask(keep(1)).timeout(Duration::from_millis(20)).await;
    assert!(matches!(outcome, Err(AskError::Timeout)), "{outcome:?}");
    // The answer that comes too late is nobody's.
    desk.send(Question::AnswerKept).await.expect(LIVES);
    let answer = desk.ask(double(4)).timeout(PATIENCE).await;
    assert_eq!(answer.expect(LIVES), 8);
}

pub(super) async fn an_ask_that_finds_no_room_in_time_gives_its_message_back(bed: &Bed) {
    let (actor, gate) = gated();
    let stuck = bed.place_with(capacity(2), actor).await;
    fill(bed, &stuck, |_| Question::AnswerKept).await;
    let outcome = stuck.ask(double(7)).timeout(Duration::from_millis(20));
    let outcome = outcome.await;
    let Err(AskError::NotSent(SendError::Timeout(Question::Double { number: 7, .. }))) = outcome
    else {
        panic!("{outcome:?}")
    };
    drop(gate);
}

pub(super) async fn an_ask_of_an_actor_that_is_gone_gives_its_message_back(bed: &Bed) {
    let desk = bed.place(Desk::default()).await;
    desk.stop();
    refusal(&desk, || Question::AnswerKept).await;
    let outcome = desk.ask(double(7)).timeout(PATIENCE).await;
    let Err(AskError::NotSent(SendError::ActorDown { message, reason })) = outcome else {
        panic!("{outcome:?}")
    };
    assert!(matches!(message, Question::Double { number: 7, .. }));
    assert_eq!(reason, StopReason::Stopped);
}

pub(super) async fn an_ask_that_waits_for_an_actor_that_is_killed_fails(bed: &Bed) {
    let (actor, gate) = gated::<Question>();
    let stuck = bed.place(actor).await;
    let mut ask = pin!(stuck.ask(double(1)).timeout(PATIENCE));
    assert!(poll_once(&mut ask).await.is_none());
    bed.round_trip().await;
    stuck.kill();
    let outcome = ask.await;
    assert!(
        matches!(
            outcome,
            Err(AskError::ActorDown(StopReason::Killed) | AskError::NoReply)
        ),
        "{outcome:?}"
    );
    drop(gate);
}

pub(super) async fn an_ask_that_is_dropped_disturbs_nobody(bed: &Bed) {
    let desk = bed.place(Desk::default()).await;
    for number in 0..100 {
        let mut given_up = Box::pin(desk.ask(keep(number)));
        poll_once(&mut given_up).await;
        drop(given_up);
        let answer = desk.ask(double(number)).timeout(PATIENCE).await;
        assert_eq!(answer.expect(LIVES), 2 * number);
    }
    desk.send(Question::AnswerKept).await.expect(LIVES);
    let answer = desk.ask(double(4)).timeout(PATIENCE).await;
    assert_eq!(answer.expect(LIVES), 8);
}

pub(super) async fn many_asks_at_once_each_get_their_answer(bed: &Bed) {
    const ASKERS: u64 = 500;
    let desk = bed.place_with(capacity(50), Desk::default()).await;
    let mut asking = JoinSet::new();
    for asker in 0..ASKERS {
        let desk = desk.clone();
        asking.spawn(async move {
            for round in 0..4 {
                let number = 10 * asker + round;
                let answer = desk.ask(double(number)).timeout(PATIENCE).await;
                assert_eq!(answer.expect(LIVES), 2 * number);
            }
        });
    }
    asking.join_all().await;
}

pub(super) async fn ports_are_kept_and_answered_later_in_any_order(bed: &Bed) {
    const ASKERS: u64 = 100;
    let desk = bed.place(Desk::default()).await;
    let mut asking = JoinSet::new();
    for number in 0..ASKERS {
        let asker = desk.clone();
        let mut ask = Box::pin(async move {
            let answer = asker.ask(keep(number)).timeout(PATIENCE).await;
            assert_eq!(answer.expect(LIVES), 2 * number);
            number
        });
        assert!(poll_once(&mut ask).await.is_none(), "it is kept");
        asking.spawn(ask);
    }
    desk.send(Question::AnswerKept).await.expect(LIVES);
    let mut answered = asking.join_all().await;
    answered.sort_unstable();
    assert!(answered.into_iter().eq(0..ASKERS));
}
