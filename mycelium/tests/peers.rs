//! What a program sees of its peers' ends, and what is left of them.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows tests by their attribute, not their helpers"
)]

use std::{fs, num::NonZeroUsize, path::Path, time::Duration};

use mycelium::{
    prelude::*,
    testing::{Probe, linked_pair},
};
use tokio::task::yield_now;

const GRACE: Duration = Duration::from_mins(1);

/// Sends until the actor takes no more.
async fn refusal(to: &ActorRef<u64>) -> SendError<u64> {
    loop {
        match to.send(0).await {
            Ok(()) => yield_now().await,
            Err(refused) => return refused,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn senders_see_the_orderly_end_of_a_peer_as_that_of_its_actors() {
    struct Counter;

    impl Actor for Counter {
        type Message = u64;

        async fn handle(&mut self, _: u64, _cx: &mut Context<Self>) -> ActorResult {
            Ok(())
        }
    }

    let (here, there) = linked_pair().await.unwrap();
    there.register("numbers", &there.spawn(Counter)).unwrap();
    let numbers = here.resolve::<u64>("numbers").await.unwrap();
    numbers.send(1).await.unwrap();
    there.shutdown(GRACE).await.unwrap();
    let refused = refusal(&numbers).await;
    let SendError::ActorDown { reason, .. } = refused else {
        panic!("{refused}")
    };
    assert_eq!(reason, StopReason::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_stop_and_a_kill_of_an_actor_whose_node_is_down_do_nothing() {
    let (here, there) = linked_pair().await.unwrap();
    let probe = Probe::<u64>::new(&there);
    there.register("numbers", &probe.actor_ref()).unwrap();
    let numbers = here.resolve::<u64>("numbers").await.unwrap();
    there.shutdown(GRACE).await.unwrap();
    while !here.links().is_empty() {
        yield_now().await;
    }
    numbers.stop();
    numbers.kill();
    let refused = refusal(&numbers).await;
    assert!(matches!(refused, SendError::NodeDown(0)), "{refused}");
    here.shutdown(GRACE).await.unwrap();
}

/// The files of a directory, sorted.
fn files(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn a_node_that_has_ended_leaves_its_lock_file_which_may_be_deleted() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path().join("fabric");
    for _ in 0..2 {
        let node = Node::builder("book").unix(&dir).start().await.unwrap();
        assert_eq!(files(&dir), ["book.lock", "book.sock"]);
        node.shutdown(GRACE).await.unwrap();
        assert_eq!(files(&dir), ["book.lock"]);
        fs::remove_file(dir.join("book.lock")).unwrap();
    }
}

/// Fills its own mailbox, then finds no room in it.
struct Narcissus(ActorRef<&'static str>);

impl Actor for Narcissus {
    type Message = ();

    async fn handle(&mut self, (): (), cx: &mut Context<Self>) -> ActorResult {
        let me = cx.actor_ref();
        while me.try_send(()).is_ok() {}
        self.0.send("full").await?;
        let limit = Duration::from_secs(1);
        if let Err(SendError::Timeout(())) = me.send_timeout((), limit).await {
            self.0.send("timed out").await?;
        }
        cx.stop();
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn an_actor_with_a_full_mailbox_is_told_when_it_tries_to_send_to_itself() {
    let node = Node::builder("mirror").start().await.unwrap();
    let mut probe = Probe::new(&node);
    let small = SpawnOptions::default().capacity(NonZeroUsize::MIN);
    let narcissus = node.spawn_with(small, Narcissus(probe.actor_ref()));
    narcissus.send(()).await.unwrap();
    assert_eq!(probe.recv().await, "full");
    assert_eq!(probe.recv().await, "timed out");
}
