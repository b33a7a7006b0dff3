//! An inbox is to its senders what an actor is, and to its holder a queue without a runtime.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows tests by their attribute, not their helpers"
)]

use std::{
    future::Future,
    num::NonZeroUsize,
    pin::pin,
    sync::mpsc,
    task::{Context as TaskContext, Waker},
    thread,
    time::Duration,
};

use allocation_counter::measure;
use mycelium_core::{
    Actor, ActorRef, ActorResult, AskError, Context, DeadLetterNotice, DeadLetterReason, Inbox,
    Node, ReplyTo, SendError, SpawnOptions, StopReason, Terminated,
};
use mycelium_wire::Shared;
use tokio::sync::oneshot;

use crate::{drops::Drops, ended::ended, node::node};

#[path = "kit/drops.rs"]
mod drops;
#[path = "kit/ended.rs"]
mod ended;
#[path = "kit/node.rs"]
mod node;

fn small<M: Send + 'static>(node: &Node, capacity_messages: usize) -> Inbox<M> {
    let capacity = NonZeroUsize::new(capacity_messages).unwrap();
    node.inbox_with(SpawnOptions::default().capacity(capacity))
}

#[tokio::test]
async fn what_is_sent_is_received_in_order() {
    let mut inbox: Inbox<u32> = node().await.inbox();
    assert_eq!(inbox.try_recv(), Ok(None));
    let actor = inbox.actor_ref();
    for message in 0..200 {
        actor.send(message).await.unwrap();
    }
    assert_eq!(inbox.mailbox_len(), 200);
    for message in 0..200 {
        assert_eq!(inbox.try_recv(), Ok(Some(message)));
    }
    assert_eq!((inbox.try_recv(), inbox.mailbox_len()), (Ok(None), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_that_polls_receives_all_of_many_senders() {
    let mut inbox: Inbox<(u32, u32)> = small(&node().await, 16);
    let actor = inbox.actor_ref();
    let holder = thread::spawn(move || {
        let mut next = [0; 4];
        while next != [1_000; 4] {
            match inbox.try_recv().unwrap() {
                Some((sender, number)) => {
                    assert_eq!(number, next[sender as usize]);
                    next[sender as usize] += 1;
                }
                None => thread::yield_now(),
            }
        }
    });
    let senders: Vec<_> = (0..4)
        .map(|sender| {
            let actor = actor.clone();
            tokio::spawn(async move {
                for number in 0..1_000 {
                    actor.send((sender, number)).await.unwrap();
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await.unwrap();
    }
    holder.join().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_that_waits_receives_what_is_sent_later() {
    let mut inbox: Inbox<u32> = node().await.inbox();
    let actor = inbox.actor_ref();
    let (received, told) = mpsc::channel();
    let holder = thread::spawn(move || {
        loop {
            match inbox.recv_blocking() {
                Ok(message) => received.send(message).unwrap(),
                Err(reason) => return reason,
            }
        }
    });
    for message in 0..100 {
        actor.send(message).await.unwrap();
        assert_eq!(told.recv().unwrap(), message);
    }
    actor.stop();
    assert_eq!(holder.join().unwrap(), StopReason::Stopped);
}

#[tokio::test]
async fn a_task_that_waits_is_woken() {
    let mut inbox: Inbox<u32> = node().await.inbox();
    let actor = inbox.actor_ref();
    let holder = tokio::spawn(async move {
        let mut received = Vec::new();
        while let Ok(message) = inbox.recv().await {
            received.push(message);
        }
        received
    });
    for message in 0..10 {
        tokio::task::yield_now().await;
        actor.send(message).await.unwrap();
    }
    actor.stop();
    assert_eq!(holder.await.unwrap(), (0..10).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_receive_that_is_given_up_loses_nothing_and_another_may_wait() {
    let mut inbox: Inbox<u32> = node().await.inbox();
    let actor = inbox.actor_ref();
    {
        let mut given_up = pin!(inbox.recv());
        let mut cx = TaskContext::from_waker(Waker::noop());
        assert!(given_up.as_mut().poll(&mut cx).is_pending());
        actor.try_send(7).unwrap();
    }
    assert_eq!(inbox.recv().await, Ok(7));
    assert_eq!(inbox.recv_timeout(Duration::ZERO), Ok(None));
    let sender = tokio::spawn(async move { actor.send(8).await.unwrap() });
    assert_eq!(inbox.recv().await, Ok(8));
    sender.await.unwrap();
}

#[tokio::test]
async fn a_receive_with_a_time_limit_gives_up_or_takes_what_is_there() {
    let mut inbox: Inbox<u32> = node().await.inbox();
    assert_eq!(inbox.recv_timeout(Duration::from_millis(1)), Ok(None));
    inbox.actor_ref().try_send(1).unwrap();
    assert_eq!(inbox.recv_timeout(Duration::MAX), Ok(Some(1)));
}

#[test]
fn no_runtime_is_needed_to_receive() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut inbox: Inbox<u32> = runtime.block_on(node()).inbox();
    let actor = inbox.actor_ref();
    actor.send_blocking(1).unwrap();
    assert_eq!(inbox.try_recv(), Ok(Some(1)));
    let later = thread::spawn(move || actor.send_blocking(2).unwrap());
    assert_eq!(inbox.recv_blocking(), Ok(2));
    later.join().unwrap();
}

#[tokio::test]
async fn a_full_inbox_refuses_and_makes_senders_wait_as_an_actor_does() {
    let mut inbox: Inbox<u32> = small(&node().await, 2);
    let actor = inbox.actor_ref();
    actor.try_send(0).unwrap();
    actor.try_send(1).unwrap();
    assert!(matches!(actor.try_send(2), Err(SendError::Full(2))));
    let waiting = tokio::spawn(async move { actor.send(2).await });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    assert_eq!(inbox.try_recv(), Ok(Some(0)));
    // The holder need not look again for the sender to go on.
    waiting.await.unwrap().unwrap();
    assert_eq!(inbox.try_recv(), Ok(Some(1)));
    assert_eq!(inbox.try_recv(), Ok(Some(2)));
}

#[tokio::test]
async fn an_ask_is_answered_or_fails_with_its_port() {
    let mut inbox: Inbox<ReplyTo<u32>> = node().await.inbox();
    let actor = inbox.actor_ref();
    let asker = tokio::spawn(async move {
        let first = actor.ask(|reply| reply).await;
        (first.unwrap(), actor.ask(|reply| reply).await)
    });
    inbox.recv().await.unwrap().send(42);
    drop(inbox.recv().await.unwrap());
    let (first, second) = asker.await.unwrap();
    assert_eq!(first, 42);
    assert!(matches!(second, Err(AskError::NoReply)), "{second:?}");
}

#[tokio::test]
async fn an_ask_that_was_given_up_is_skipped() {
    let mut inbox: Inbox<ReplyTo<u32>> = node().await.inbox();
    let actor = inbox.actor_ref();
    {
        let mut given_up = pin!(actor.ask(|reply| reply));
        let mut cx = TaskContext::from_waker(Waker::noop());
        assert!(given_up.as_mut().poll(&mut cx).is_pending());
    }
    assert!(matches!(inbox.try_recv(), Ok(None)));
}

#[tokio::test]
async fn after_a_stop_what_was_accepted_is_received_then_the_reason() {
    let mut inbox: Inbox<u32> = node().await.inbox();
    let actor = inbox.actor_ref();
    actor.send(1).await.unwrap();
    actor.stop();
    let refused = actor.try_send(2).unwrap_err();
    assert!(matches!(refused, SendError::ActorDown { message: 2, .. }));
    assert_eq!(inbox.try_recv(), Ok(Some(1)));
    for _ in 0..2 {
        assert_eq!(inbox.try_recv(), Err(StopReason::Stopped));
    }
    assert_eq!(inbox.recv_blocking(), Err(StopReason::Stopped));
    assert_eq!(ended(&actor).await, StopReason::Stopped);
}

#[tokio::test]
async fn a_kill_leaves_dead_letters() {
    let node = node().await;
    let mut letters = node.dead_letters();
    let mut inbox: Inbox<u32> = node.inbox();
    let actor = inbox.actor_ref();
    for message in 0..3 {
        actor.send(message).await.unwrap();
    }
    assert_eq!(inbox.try_recv(), Ok(Some(0)));
    actor.kill();
    assert_eq!(inbox.try_recv(), Err(StopReason::Killed));
    let Some(DeadLetterNotice::Letter(letter)) = letters.next().await else {
        panic!("no dead letter")
    };
    assert_eq!((letter.target, letter.count), (actor.id(), 2));
    let killed = DeadLetterReason::ActorEnded(StopReason::Killed);
    assert_eq!(letter.reason, killed);
    assert_eq!(letter.message_type, "u32");
}

#[tokio::test]
async fn a_kill_wakes_a_holder_that_waits() {
    let mut inbox: Inbox<u32> = node().await.inbox();
    let actor = inbox.actor_ref();
    let holder = thread::spawn(move || inbox.recv_blocking());
    actor.kill();
    assert_eq!(holder.join().unwrap(), Err(StopReason::Killed));
}

#[tokio::test]
async fn dropping_an_inbox_ends_it_and_what_it_left_is_a_dead_letter() {
    let node = node().await;
    let mut letters = node.dead_letters();
    let inbox = node.inbox();
    let (actor, drops) = (inbox.actor_ref(), Drops::default());
    for _ in 0..3 {
        actor.send(drops.guard()).await.unwrap();
    }
    drop(inbox);
    assert_eq!(drops.count(), 3);
    assert_eq!(ended(&actor).await, StopReason::Stopped);
    let Some(DeadLetterNotice::Letter(letter)) = letters.next().await else {
        panic!("no dead letter")
    };
    assert_eq!((letter.target, letter.count), (actor.id(), 3));
    assert!(actor.is_closed());
}

#[tokio::test]
async fn an_inbox_whose_thread_panics_has_panicked() {
    let mut inbox: Inbox<u32> = node().await.inbox();
    let actor = inbox.actor_ref();
    let holder = thread::spawn(move || assert_eq!(inbox.recv_blocking(), Ok(0)));
    actor.send(1).await.unwrap();
    assert!(holder.join().is_err());
    assert!(matches!(ended(&actor).await, StopReason::Panicked(_)));
}

/// Tells when what it watches is gone.
struct Watcher(ActorRef<u32>, Option<oneshot::Sender<StopReason>>);

impl Actor for Watcher {
    type Message = ();

    async fn handle(&mut self, (): (), cx: &mut Context<Self>) -> ActorResult {
        Ok(cx.watch(&self.0)?)
    }

    async fn terminated(&mut self, notice: Terminated, _: &mut Context<Self>) -> ActorResult {
        assert!(notice.concerns(&self.0));
        let told = self.1.take().ok_or("told twice")?;
        told.send(notice.reason).map_err(|_| "nobody waits".into())
    }
}

#[tokio::test]
async fn an_inbox_can_be_watched() {
    let node = node().await;
    let inbox: Inbox<u32> = node.inbox();
    let (tell, told) = oneshot::channel();
    let watcher = node.spawn(Watcher(inbox.actor_ref(), Some(tell)));
    watcher.send(()).await.unwrap();
    drop(inbox);
    assert_eq!(told.await.unwrap(), StopReason::Stopped);
}

#[tokio::test]
async fn a_shutdown_stops_an_inbox_and_does_not_wait_for_its_holder() {
    let node = node().await;
    let mut inbox: Inbox<u32> = node.inbox();
    inbox.actor_ref().send(1).await.unwrap();
    node.shutdown(Duration::from_mins(1)).await.unwrap();
    assert!(inbox.actor_ref().is_closed());
    assert_eq!(inbox.try_recv(), Ok(Some(1)));
    assert_eq!(inbox.try_recv(), Err(StopReason::Stopped));
    let mut late: Inbox<u32> = node.inbox();
    assert_eq!(late.try_recv(), Err(StopReason::Stopped));
}

#[test]
fn receiving_allocates_nothing_whether_it_polls_or_waits() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut inbox: Inbox<u64> = runtime.block_on(node()).inbox();
    let actor = inbox.actor_ref();
    let mut receive = || {
        for message in 0..1_000 {
            assert_eq!(inbox.recv_timeout(Duration::ZERO), Ok(None));
            actor.try_send(message).unwrap();
            actor.try_send(message).unwrap();
            assert_eq!(inbox.try_recv(), Ok(Some(message)));
            assert_eq!(inbox.recv_blocking(), Ok(message));
        }
    };
    receive();
    assert_eq!(measure(receive).count_total, 0);
}

#[test]
fn a_shared_message_to_many_receivers_is_one_allocation() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let node = runtime.block_on(node());
    let mut inboxes: Vec<Inbox<Shared<[u64; 1_000]>>> = (0..8).map(|_| node.inbox()).collect();
    let actors: Vec<_> = inboxes.iter().map(Inbox::actor_ref).collect();
    let mut fan_out = || {
        let sent = Shared::new([7; 1_000]);
        for actor in &actors {
            actor.try_send(sent.clone()).unwrap();
        }
        for inbox in &mut inboxes {
            let received = inbox.try_recv().unwrap().unwrap();
            assert!(Shared::is_same(&received, &sent));
        }
    };
    fan_out();
    assert_eq!(measure(fan_out).count_total, 1);
}
