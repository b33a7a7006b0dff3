//! Names that come and go while others do the same.

use std::{
    sync::{
        Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use mycelium_core::{Inbox, Node};
use mycelium_registry::{RegisterError, Registry};

/// More than a node lets others reach.
const TOO_MANY: usize = 65_537;

async fn node() -> Node {
    let node = Node::builder("names").start().await;
    node.expect("a node without parts starts")
}

/// The name was free before its actor had lost it: a registration in between was noted and then
/// struck out, and nothing took the name away when the actor ended.
#[tokio::test]
async fn a_name_registered_while_it_is_taken_away_still_ends_with_its_actor() {
    const ROUNDS: usize = 100;
    let node = node().await;
    for round in 0..ROUNDS {
        let inbox: Inbox<u64> = node.inbox();
        let (actor, both, done) = (inbox.actor_ref(), Barrier::new(2), AtomicBool::new(false));
        thread::scope(|threads| {
            threads.spawn(|| {
                both.wait();
                // Relaxed: it only ends the loop.
                while !done.load(Ordering::Relaxed) {
                    node.unregister("name");
                }
            });
            both.wait();
            for _ in 0..200 {
                // Taken as often as not.
                let _ = node.register("name", &actor);
            }
            done.store(true, Ordering::Relaxed);
        });
        let _ = node.register("name", &actor);
        drop(inbox);
        assert_eq!(node.names(), [], "in round {round}");
    }
}

/// A refused registration left its name with the actor, so that trying again grew the list.
#[tokio::test]
async fn a_registration_that_is_refused_leaves_nothing_however_often_it_is_tried() {
    let node = node().await;
    let inboxes: Vec<Inbox<u64>> = (0..TOO_MANY).map(|_| node.inbox()).collect();
    let (last, others) = inboxes.split_last().expect("there are many");
    for other in others {
        let actor = other.actor_ref();
        let mycelium_core::ActorRef::Local(local) = &actor else {
            panic!("{actor:?} lives here")
        };
        node.export(local).expect("the node has room for it");
    }
    let actor = last.actor_ref();
    let cost = |rounds| {
        allocation_counter::measure(|| {
            for _ in 0..rounds {
                let refused = node.register("name", &actor);
                assert!(matches!(refused, Err(RegisterError::TooManyExports(_))));
            }
        })
        .bytes_current
    };
    cost(10);
    assert_eq!(cost(1_000), 0);
    assert_eq!(node.names(), []);
}
