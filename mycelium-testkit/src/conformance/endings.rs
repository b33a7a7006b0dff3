//! What senders see when an actor ends.

use std::time::Duration;

use mycelium::prelude::*;
use tokio::{sync::mpsc, task::JoinSet};

use super::actors::{
    Desk, LIVES, PATIENCE, Question, Tick, capacity, fill, gated, poll_once, probe, refusal,
};
use crate::bed::Bed;

/// Ends in the way it is told to.
struct Fragile(mpsc::UnboundedSender<End>);

#[message]
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    NotYet,
    Stop,
    Fail,
    Panic,
}

impl Actor for Fragile {
    type Message = End;

    async fn handle(&mut self, end: End, cx: &mut Context<Self>) -> ActorResult {
        match end {
            End::NotYet => self.0.send(end)?,
            End::Stop => cx.stop(),
            End::Fail => return Err("no price".into()),
            End::Panic => panic!("no side"),
        }
        Ok(())
    }
}

pub(super) async fn senders_are_told_why_an_actor_ended_and_keep_their_messages(bed: &Bed) {
    let ends = [
        (End::Stop, StopReason::Stopped),
        (End::Fail, StopReason::Failed("no price".into())),
        (End::Panic, StopReason::Panicked("no side".into())),
    ];
    for (end, expected) in ends {
        let (sender, mut handled) = mpsc::unbounded_channel();
        let fragile = bed.place(Fragile(sender)).await;
        fragile.send(End::NotYet).await.expect(LIVES);
        assert_eq!(handled.recv().await, Some(End::NotYet));
        fragile.send(end).await.expect(LIVES);
        let refused = refusal(&fragile, || End::NotYet).await;
        let SendError::ActorDown { message, reason } = refused else {
            panic!("{refused}")
        };
        assert_eq!((message, &reason), (End::NotYet, &expected));
        assert!(fragile.is_closed());
        let refused = fragile.try_send(End::NotYet);
        let Err(SendError::ActorDown { reason, .. }) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(reason, expected);
    }
}

pub(super) async fn an_actor_that_was_sent_nothing_is_stopped_and_killed(bed: &Bed) {
    let (actor, mut handled) = probe::<Tick>();
    bed.place(actor).await.stop();
    assert_eq!(handled.recv().await, None, "it has ended");
    let (actor, mut handled) = probe::<Tick>();
    let quiet = bed.place(actor).await;
    quiet.kill();
    assert_eq!(handled.recv().await, None, "it has ended");
}

pub(super) async fn a_kill_overtakes_what_was_not_handled(bed: &Bed) {
    let (actor, mut gate) = gated();
    let stuck = bed.place_with(capacity(16), actor).await;
    let (_, refused) = fill(bed, &stuck, Tick::number).await;
    stuck.kill();
    assert_eq!(gate.handled.recv().await, None, "nothing was handled");
    let refused = refusal(&stuck, || refused).await;
    let SendError::ActorDown { reason, .. } = refused else {
        panic!("{refused}")
    };
    assert_eq!(reason, StopReason::Killed);
}

pub(super) async fn waiting_senders_get_their_messages_back_when_the_actor_ends(bed: &Bed) {
    let (actor, gate) = gated();
    let stuck = bed.place_with(capacity(2), actor).await;
    fill(bed, &stuck, Tick::number).await;
    let mut waiting = JoinSet::new();
    for sequence in 100..110 {
        let stuck = stuck.clone();
        let mut send =
            Box::pin(async move { (sequence, stuck.send(Tick::number(sequence)).await) });
        assert!(poll_once(&mut send).await.is_none(), "there is no room");
        waiting.spawn(send);
    }
    stuck.kill();
    for (sequence, sent) in waiting.join_all().await {
        let refused = sent.expect_err("the actor never takes one");
        let SendError::ActorDown { message, reason } = refused else {
            panic!("{refused}")
        };
        assert_eq!(message, Tick::number(sequence));
        assert_eq!(reason, StopReason::Killed);
    }
    drop(gate);
}

pub(super) async fn a_panic_ends_that_actor_and_no_other(bed: &Bed) {
    let (fragile, sound) = (
        bed.place(Desk::default()).await,
        bed.place(Desk::default()).await,
    );
    let before = bed.far.actors_len();
    let outcome = fragile.ask(|reply| Question::Panic { reply });
    let outcome = outcome.timeout(PATIENCE).await;
    assert!(matches!(outcome, Err(AskError::NoReply)), "{outcome:?}");
    let refused = refusal(&fragile, || Question::AnswerKept).await;
    let SendError::ActorDown { reason, .. } = refused else {
        panic!("{refused}")
    };
    assert_eq!(reason, StopReason::Panicked("asked to".into()));
    let answer = sound.ask(|reply| Question::Double { number: 2, reply });
    assert_eq!(answer.timeout(PATIENCE).await.expect(LIVES), 4);
    assert_eq!(bed.far.actors_len(), before - 1);
}

pub(super) async fn refs_fail_when_the_node_of_their_actors_has_shut_down(bed: &Bed) {
    let (actor, mut handled) = probe();
    let ticks = bed.place(actor).await;
    for sequence in 0..100 {
        ticks.send(Tick::number(sequence)).await.expect(LIVES);
    }
    bed.round_trip().await;
    let grace = Duration::from_mins(2);
    bed.far.shutdown(grace).await.expect("its actors end");
    for sequence in 0..100 {
        assert_eq!(handled.recv().await, Some(Tick::number(sequence)));
    }
    let refused = refusal(&ticks, || Tick::number(100)).await;
    let is_local = bed.reach().is_local();
    match refused {
        SendError::ActorDown { message, reason } if is_local => {
            assert_eq!((message, reason), (Tick::number(100), StopReason::Stopped));
        }
        // The actor's end is told first.
        SendError::ActorDown { message, .. } | SendError::NodeDown(message) if !is_local => {
            assert_eq!(message, Tick::number(100));
        }
        refused => panic!("{refused}"),
    }
}
