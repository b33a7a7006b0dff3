//! The published test support does what its users' tests lean on.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows tests by their attribute, not their helpers"
)]

use std::{num::NonZeroUsize, time::Duration};

use mycelium::{
    prelude::*,
    testing::{Probe, VirtualTime, ended, linked_pair},
};
use tokio::time::Instant;

const HOUR: Duration = Duration::from_hours(1);

async fn node() -> Node {
    Node::builder("test").start().await.unwrap()
}

/// Tokio's timers are exact to the millisecond.
fn seconds(duration: Duration) -> u64 {
    (duration + Duration::from_millis(500)).as_secs()
}

#[tokio::test]
async fn a_probe_hands_out_what_it_is_sent_in_order() {
    let mut probe = Probe::new(&node().await);
    assert_eq!(probe.try_recv(), None);
    let actor = probe.actor_ref();
    actor.send(1).await.unwrap();
    actor.send(2).await.unwrap();
    assert_eq!((probe.mailbox_len(), probe.recv().await), (2, 1));
    assert_eq!((probe.try_recv(), probe.try_recv()), (Some(2), None));
}

#[tokio::test]
async fn a_probe_that_is_not_asked_fills_up() {
    let options = SpawnOptions::default().capacity(NonZeroUsize::MIN);
    let mut probe = Probe::with(&node().await, options);
    let actor = probe.actor_ref();
    actor.try_send(1).unwrap();
    assert!(matches!(actor.try_send(2), Err(SendError::Full(2))));
    assert_eq!(probe.recv().await, 1);
    actor.try_send(2).unwrap();
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "no u64 in 30s")]
async fn a_probe_that_is_sent_nothing_fails_its_test() {
    Probe::<u64>::new(&node().await).recv().await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "the probe has ended: the actor was stopped")]
async fn a_probe_that_was_stopped_fails_its_test() {
    let mut probe = Probe::<u64>::new(&node().await);
    probe.actor_ref().stop();
    probe.recv().await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "a u64 came")]
async fn a_probe_is_not_quiet_when_it_is_sent_something() {
    let mut probe = Probe::<u64>::new(&node().await);
    probe.is_quiet_for(HOUR).await;
    probe.actor_ref().send(1).await.unwrap();
    probe.is_quiet_for(HOUR).await;
}

#[derive(Debug, PartialEq, Eq)]
enum Tick {
    Once,
    Again,
}

/// Sends itself messages, and tells a probe of them.
struct Clockwork(ActorRef<(Tick, Instant)>);

impl Actor for Clockwork {
    type Message = Tick;

    async fn started(&mut self, cx: &mut Context<Self>) -> ActorResult {
        cx.send_after(HOUR, Tick::Once);
        cx.send_interval(HOUR * 2 / 5, || Tick::Again);
        Ok(())
    }

    async fn handle(&mut self, tick: Tick, _cx: &mut Context<Self>) -> ActorResult {
        Ok(self.0.send((tick, Instant::now())).await?)
    }
}

#[tokio::test]
async fn timers_fire_in_their_order_at_their_moments_of_virtual_time() {
    let time = VirtualTime::start();
    let node = node().await;
    let mut probe = Probe::new(&node);
    let start = Instant::now();
    node.spawn(Clockwork(probe.actor_ref()));
    time.advance(HOUR * 9 / 10).await;
    assert_eq!(probe.mailbox_len(), 2);
    time.advance(HOUR / 10).await;
    time.advance(HOUR * 2 / 5).await;
    for (expected, fifths) in [
        (Tick::Again, 2),
        (Tick::Again, 4),
        (Tick::Once, 5),
        (Tick::Again, 6),
    ] {
        let (tick, at) = probe.try_recv().unwrap();
        assert_eq!((tick, seconds(at - start)), (expected, 720 * fifths));
    }
}

#[tokio::test]
async fn deadlines_of_asks_and_sends_pass_in_virtual_time() {
    let _time = VirtualTime::start();
    let options = SpawnOptions::default().capacity(NonZeroUsize::MIN);
    let probe = Probe::<ReplyTo<u64>>::with(&node().await, options);
    let actor = probe.actor_ref();
    let start = Instant::now();
    let answer = actor.ask(|reply| reply).timeout(HOUR).await;
    assert!(matches!(answer, Err(AskError::Timeout)), "{answer:?}");
    assert_eq!(seconds(start.elapsed()), 3_600);
    // The message of the ask that was given up still takes the room.
    let answer = actor.ask(|reply| reply).timeout(HOUR).await;
    let Err(AskError::NotSent(SendError::Timeout(message))) = answer else {
        panic!("{answer:?}")
    };
    let sent = actor.send_timeout(message, HOUR).await;
    assert!(matches!(sent, Err(SendError::Timeout(_))), "{sent:?}");
    assert_eq!(seconds(start.elapsed()), 3 * 3_600);
}

struct Failing;

impl Actor for Failing {
    type Message = ();

    async fn handle(&mut self, (): (), _cx: &mut Context<Self>) -> ActorResult {
        Err("it failed".into())
    }
}

#[tokio::test]
async fn the_end_of_an_actor_can_be_awaited() {
    let failing = node().await.spawn(Failing);
    failing.send(()).await.unwrap();
    let reason = StopReason::Failed("it failed".into());
    assert_eq!(ended(&failing).await, reason);
    assert_eq!(ended(&failing).await, reason);
}

#[tokio::test(start_paused = true)]
async fn linked_nodes_send_ask_and_resolve_both_ways() {
    let (here, there) = linked_pair().await.unwrap();
    for (asker, answerer) in [(&here, &there), (&there, &here)] {
        let mut probe = Probe::<ReplyTo<u64>>::new(answerer);
        answerer.register("answerer", &probe.actor_ref()).unwrap();
        let actor = asker.resolve::<ReplyTo<u64>>("answerer").await.unwrap();
        assert!(matches!(actor, ActorRef::Unix(_)));
        let ask = actor.ask(|reply| reply);
        let (answer, ()) = tokio::join!(ask, async { probe.recv().await.send(42) });
        assert_eq!(answer.unwrap(), 42);
        answerer.unregister("answerer");
    }
    here.shutdown(HOUR).await.unwrap();
    there.shutdown(HOUR).await.unwrap();
}

#[tokio::test]
async fn many_pairs_may_be_linked_at_once() {
    let (first, second) = tokio::join!(linked_pair(), linked_pair());
    assert_ne!(first.unwrap().0.id().name(), second.unwrap().0.id().name());
}

#[tokio::test(start_paused = true)]
async fn a_full_probe_holds_back_a_sender_across_a_link() {
    let (here, there) = linked_pair().await.unwrap();
    let options = SpawnOptions::default().capacity(NonZeroUsize::MIN);
    let mut probe = Probe::<u64>::with(&there, options);
    there.register("small", &probe.actor_ref()).unwrap();
    let actor = here.resolve::<u64>("small").await.unwrap();
    actor.send(0).await.unwrap();
    let refused = actor.send_timeout(1, HOUR).await;
    assert!(matches!(refused, Err(SendError::Timeout(1))), "{refused:?}");
    assert_eq!(probe.recv().await, 0);
    actor.send(1).await.unwrap();
    assert_eq!(probe.recv().await, 1);
}
