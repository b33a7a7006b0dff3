//! Messages of one sender are handled in the order of their sends.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows tests by their attribute, not their helpers"
)]

use std::num::NonZeroUsize;

use mycelium_core::{Actor, ActorRef, ActorResult, Context, SendError, SpawnOptions};
use tokio::task::{JoinSet, yield_now};

use crate::{ended::ended, node::node};

#[path = "kit/ended.rs"]
mod ended;
#[path = "kit/node.rs"]
mod node;

const SENDERS: usize = 4;

/// Fails where a message does not carry its sender's next number.
#[derive(Default)]
struct Counts {
    next: [u64; SENDERS],
    expected: u64,
}

impl Actor for Counts {
    type Message = (usize, u64);

    async fn handle(
        &mut self,
        (sender, number): Self::Message,
        cx: &mut Context<Self>,
    ) -> ActorResult {
        assert_eq!(number, self.next[sender], "of sender {sender}");
        self.next[sender] += 1;
        if number % 1_000 == 0 {
            yield_now().await;
        }
        self.expected -= 1;
        if self.expected == 0 {
            cx.stop();
        }
        Ok(())
    }
}

async fn send_all(counts: ActorRef<(usize, u64)>, sender: usize, messages: u64) {
    for number in 0..messages {
        let mut message = (sender, number);
        if number % 2 == 0 {
            match counts.try_send(message) {
                Ok(()) => continue,
                Err(SendError::Full(back)) => message = back,
                Err(other) => panic!("{other}"),
            }
        }
        counts.send(message).await.unwrap();
    }
}

async fn all_arrive_in_order(capacity_messages: usize, messages: u64) {
    let node = node().await;
    let options = SpawnOptions::default().capacity(NonZeroUsize::new(capacity_messages).unwrap());
    let counts = node.spawn_with(
        options,
        Counts {
            next: [0; SENDERS],
            expected: messages * SENDERS as u64,
        },
    );
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        senders.spawn(send_all(counts.clone(), sender, messages));
    }
    senders.join_all().await;
    assert_eq!(ended(&counts).await, mycelium_core::StopReason::Stopped);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_each_sender_are_handled_in_the_order_of_their_sends() {
    all_arrive_in_order(1_024, 25_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_holds_where_sends_wait_for_room() {
    for capacity_messages in [1, 2, 3, 7] {
        all_arrive_in_order(capacity_messages, 2_500).await;
    }
}

/// More than one batch, more than one turn of the owner task.
#[tokio::test]
async fn order_holds_across_batches_and_turns() {
    all_arrive_in_order(10_000, 2_000).await;
}
