//! A mailbox takes what it has room for; what it does not take comes back or waits.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows tests by their attribute, not their helpers"
)]

use std::{
    future::Future,
    num::NonZeroUsize,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use mycelium_core::{Actor, ActorRef, ActorResult, SendError, SpawnOptions, StopReason};
use tokio::{
    runtime::Builder,
    sync::mpsc::{UnboundedSender, unbounded_channel},
    task::{coop, yield_now},
    time,
};

use crate::{ended::ended, gated::Gate, node::node};

#[path = "kit/ended.rs"]
mod ended;
#[path = "kit/gated.rs"]
mod gated;
#[path = "kit/node.rs"]
mod node;

fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn full<M: std::fmt::Debug>(sent: Result<(), SendError<M>>) -> M {
    match sent {
        Err(SendError::Full(message)) => message,
        other => panic!("not full: {other:?}"),
    }
}

/// Fills its own mailbox before it handles anything.
struct Eager(UnboundedSender<u64>);

impl Actor for Eager {
    type Message = u64;

    async fn started(&mut self, cx: &mut mycelium_core::Context<Self>) -> ActorResult {
        let me = cx.actor_ref();
        me.try_send(1)?;
        assert_eq!(full(me.try_send(2)), 2);
        let late = me.send_timeout(3, Duration::from_secs(1)).await;
        assert!(matches!(late, Err(SendError::Timeout(3))), "{late:?}");
        Ok(())
    }

    async fn handle(&mut self, message: u64, _: &mut mycelium_core::Context<Self>) -> ActorResult {
        Ok(self.0.send(message)?)
    }
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_fills_its_mailbox_as_it_starts_is_told_and_lives_on() {
    let (sender, mut handled) = unbounded_channel();
    let one = SpawnOptions::default().capacity(NonZeroUsize::MIN);
    let eager = node().await.spawn_with(one, Eager(sender));
    assert_eq!(handled.recv().await, Some(1));
    eager.send(4).await.unwrap();
    assert_eq!(handled.recv().await, Some(4));
}

#[tokio::test]
async fn a_stopped_consumer_makes_try_send_full_and_nothing_is_lost() {
    let gate = Gate::spawn(&node().await, 16);
    let mut accepted = Vec::new();
    let returned = (1..).find_map(|message| match gate.actor.try_send(message) {
        Ok(()) => {
            accepted.push(message);
            None
        }
        refused => Some(full(refused)),
    });
    assert_eq!(returned, accepted.last().map(|last| last + 1));
    assert_eq!(gate.rest().await, accepted);
}

#[tokio::test]
async fn a_busy_actor_has_room_for_exactly_the_capacity() {
    let node = node().await;
    for capacity in [1, 2, 3, 63, 64, 65, 1_000] {
        let mut gate = Gate::spawn(&node, capacity);
        gate.occupy().await;
        for message in 1..=capacity as u64 {
            gate.actor.try_send(message).unwrap();
        }
        assert_eq!(full(gate.actor.try_send(9_999)), 9_999);
        assert_eq!(gate.rest().await, (1..=capacity as u64).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn the_room_of_a_message_is_free_once_its_handling_starts() {
    let node = node().await;
    for capacity in [1, 2, 5, 200] {
        let mut gate = Gate::spawn(&node, capacity);
        gate.occupy().await;
        for message in 1..=capacity as u64 {
            gate.actor.try_send(message).unwrap();
        }
        for message in 1..=3 * capacity as u64 {
            gate.permits.add_permits(1);
            assert_eq!(gate.entered.recv().await, Some(message));
            let next = message + capacity as u64;
            gate.actor.try_send(next).unwrap();
            assert_eq!(full(gate.actor.try_send(9_999)), 9_999);
        }
        gate.actor.kill();
        ended(&gate.actor).await;
    }
}

#[tokio::test]
async fn a_send_waits_until_there_is_room() {
    let mut gate = Gate::spawn(&node().await, 1);
    gate.occupy().await;
    gate.actor.try_send(1).unwrap();
    let mut send = gate.actor.send(2);
    assert!(poll_once(&mut send).is_pending());
    gate.permits.add_permits(1);
    send.await.unwrap();
    assert_eq!(gate.rest().await, [1, 2]);
}

#[tokio::test]
async fn waiting_senders_are_served_in_the_order_they_came() {
    let mut gate = Gate::spawn(&node().await, 4);
    gate.occupy().await;
    for message in 1..=4 {
        gate.actor.try_send(message).unwrap();
    }
    let waiting = (5..105).map(|message| {
        let actor = gate.actor.clone();
        tokio::spawn(async move { actor.send(message).await.unwrap() })
    });
    let waiting: Vec<_> = waiting.collect();
    yield_now().await;
    gate.open();
    for sender in waiting {
        sender.await.unwrap();
    }
    assert_eq!(gate.rest().await, (1..105).collect::<Vec<_>>());
}

#[tokio::test]
async fn try_send_does_not_pass_those_who_wait() {
    let mut gate = Gate::spawn(&node().await, 1);
    gate.occupy().await;
    gate.actor.try_send(1).unwrap();
    let actor = gate.actor.clone();
    let mut first = actor.send(2);
    assert!(poll_once(&mut first).is_pending());
    gate.permits.add_permits(1);
    assert_eq!(gate.entered.recv().await, Some(1));
    assert_eq!(full(gate.actor.try_send(9)), 9);
    first.await.unwrap();
    assert_eq!(gate.rest().await, [2]);
}

#[tokio::test]
async fn a_dropped_send_sends_nothing_and_lets_the_next_one_in() {
    let mut gate = Gate::spawn(&node().await, 1);
    gate.occupy().await;
    gate.actor.try_send(1).unwrap();
    let actor = gate.actor.clone();
    let mut dropped = Box::pin(actor.send(2));
    assert!(poll_once(&mut dropped).is_pending());
    let next = tokio::spawn({
        let actor = actor.clone();
        async move { actor.send(3).await }
    });
    yield_now().await;
    gate.permits.add_permits(1);
    assert_eq!(gate.entered.recv().await, Some(1));
    assert!(!next.is_finished());
    drop(dropped);
    next.await.unwrap().unwrap();
    assert_eq!(gate.rest().await, [3]);
}

#[tokio::test]
async fn a_send_that_is_never_polled_sends_nothing() {
    let mut gate = Gate::spawn(&node().await, 1);
    gate.occupy().await;
    drop(gate.actor.send(1));
    assert!(gate.rest().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn send_timeout_gives_the_message_back() {
    let mut gate = Gate::spawn(&node().await, 1);
    gate.occupy().await;
    gate.actor.try_send(1).unwrap();
    let sent = gate.actor.send_timeout(2, Duration::from_secs(3)).await;
    assert!(matches!(sent, Err(SendError::Timeout(2))), "{sent:?}");
    gate.permits.add_permits(1);
    assert_eq!(gate.entered.recv().await, Some(1));
    gate.actor.try_send(3).unwrap();
    assert_eq!(gate.rest().await, [3]);
}

#[tokio::test(start_paused = true)]
async fn send_timeout_sends_when_room_comes_in_time() {
    let mut gate = Gate::spawn(&node().await, 1);
    gate.occupy().await;
    gate.actor.try_send(1).unwrap();
    let opens = async {
        time::sleep(Duration::from_secs(1)).await;
        gate.permits.add_permits(1);
    };
    let (sent, ()) = tokio::join!(gate.actor.send_timeout(2, Duration::from_secs(3)), opens);
    sent.unwrap();
    assert_eq!(gate.rest().await, [1, 2]);
}

#[tokio::test]
async fn send_blocking_waits_on_a_thread_of_its_own() {
    let mut gate = Gate::spawn(&node().await, 2);
    gate.occupy().await;
    let actor = gate.actor.clone();
    let thread = thread::spawn(move || {
        for message in 1..=100 {
            actor.send_blocking(message).unwrap();
        }
        actor.stop();
    });
    gate.open();
    let mut handled = Vec::new();
    while handled.len() < 100 {
        handled.push(gate.entered.recv().await.unwrap());
    }
    thread.join().unwrap();
    assert_eq!(handled, (1..=100).collect::<Vec<_>>());
}

/// Once such a send hung for ever: with the task's budget used up, its waker waited for the task
/// to give way, and the task for the waker.
#[test]
fn send_blocking_needs_no_budget_of_the_task_it_is_called_in() {
    let elsewhere = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap();
    let here = Builder::new_current_thread().enable_time().build().unwrap();
    let gate = elsewhere.block_on(async { Gate::spawn(&node().await, 1) });
    gate.open();
    here.block_on(async {
        while coop::has_budget_remaining() {
            coop::consume_budget().await;
        }
        let actor = gate.actor.clone();
        for message in 0..1_000 {
            actor.send_blocking(message).unwrap();
        }
    });
    assert_eq!(elsewhere.block_on(gate.rest()).len(), 1_000);
}

#[tokio::test]
async fn send_blocking_fails_once_the_actor_is_gone() {
    let mut gate = Gate::spawn(&node().await, 1);
    gate.occupy().await;
    let actor = gate.actor.clone();
    let thread =
        thread::spawn(move || (1..).find_map(|message| actor.send_blocking(message).err()));
    while has_room(&gate.actor) {
        yield_now().await;
    }
    gate.actor.kill();
    let refused = thread.join().unwrap().unwrap();
    assert!(
        matches!(
            refused,
            SendError::ActorDown {
                reason: StopReason::Killed,
                ..
            }
        ),
        "{refused:?}"
    );
}

/// Whether the mailbox still has room.
fn has_room(actor: &ActorRef<u64>) -> bool {
    let ActorRef::Local(local) = actor else {
        unreachable!("the actor lives here")
    };
    local.mailbox_len() < local.capacity_messages()
}

#[tokio::test]
async fn all_who_wait_are_told_when_the_actor_is_stopped() {
    let mut gate = Gate::spawn(&node().await, 1);
    gate.occupy().await;
    gate.actor.try_send(1).unwrap();
    let waiting: Vec<_> = (2..10)
        .map(|message| {
            let actor = gate.actor.clone();
            tokio::spawn(async move { actor.send(message).await.unwrap_err().into_inner() })
        })
        .collect();
    yield_now().await;
    gate.actor.stop();
    for (message, sender) in (2..).zip(waiting) {
        assert_eq!(sender.await.unwrap(), message);
    }
    assert_eq!(gate.rest().await, [1]);
}

#[tokio::test]
async fn ten_thousand_messages_pass_a_mailbox_of_four() {
    let gate = Gate::spawn(&node().await, 4);
    gate.open();
    for message in 0..10_000 {
        gate.actor.send(message).await.unwrap();
    }
    assert_eq!(gate.rest().await, (0..10_000).collect::<Vec<_>>());
}

/// A loop of sends that always finds room must not keep the other tasks of its thread waiting.
#[test]
fn a_loop_of_sends_with_room_lets_other_tasks_run() {
    let elsewhere = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap();
    let here = Builder::new_current_thread().enable_time().build().unwrap();
    let gate = elsewhere.block_on(async { Gate::spawn(&node().await, 100_000) });
    here.block_on(async {
        let flag = Arc::new(AtomicBool::new(false));
        let other = Arc::clone(&flag);
        tokio::spawn(async move { other.store(true, Ordering::SeqCst) });
        while !flag.load(Ordering::SeqCst) {
            assert!(has_room(&gate.actor), "the loop never yielded");
            gate.actor.send(1).await.unwrap();
        }
    });
}

#[test]
fn a_timeout_around_an_endless_loop_of_sends_fires() {
    let elsewhere = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap();
    let here = Builder::new_current_thread().enable_time().build().unwrap();
    let gate = elsewhere.block_on(async { Gate::spawn(&node().await, 1_024) });
    gate.open();
    here.block_on(async {
        let endless = async {
            loop {
                gate.actor.send(1).await.unwrap();
            }
        };
        let fired = time::timeout(Duration::from_millis(20), endless).await;
        assert!(fired.is_err());
    });
}
