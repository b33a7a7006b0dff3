//! Trees: nested supervisors, children that come and go, what is told of them, and what the node does when
//! a root gives up.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows tests by their attribute, not their helpers"
)]

#[path = "kit/member.rs"]
mod member;

use std::time::Duration;

use mycelium_core::{
    Actor, ActorRef, ActorResult, Context, DeadLetterReason, Node, ReplyTo, SendError, StopReason,
    testing::VirtualTime,
};
use mycelium_supervisor::{
    Backoff, BuildSupervision, Change, ChildError, ChildSpec, ChildState, Intensity,
    NodeSupervision, OnEscalation, Restart, StartFailure, Strategy, SupervisionEvents,
    SupervisionNotice, Supervisor, SupervisorRef,
};

use crate::member::{Log, Member, Order, Start};

const SECOND: Duration = Duration::from_secs(1);

const MANY: Intensity = Intensity {
    max_restarts: 100,
    within: SECOND,
};

async fn node() -> Node {
    Node::builder("test").start().await.unwrap()
}

async fn life(actor: &ActorRef<Order>) -> u32 {
    actor.ask(Order::Life).await.unwrap()
}

/// What happened to whom, until this has.
async fn events(events: &mut SupervisionEvents, last: &str) -> Vec<String> {
    let mut seen = Vec::new();
    while seen.last().is_none_or(|event| event != last) {
        match events.next().await.unwrap() {
            SupervisionNotice::Event(event) => seen.push(event.to_string()),
            SupervisionNotice::Missed(count) => panic!("{count} events were missed"),
        }
    }
    seen
}

/// A root over `inner`, which has the children `a` and `b`.
async fn nested(node: &Node, log: &Log, strategy: Strategy) -> (SupervisorRef, SupervisorRef) {
    let mut root = Supervisor::builder(node, "root").intensity(MANY);
    let mut inner = Supervisor::builder(node, "inner").strategy(strategy);
    inner.child(log.child("a", Start::Works)).unwrap();
    inner.child(log.child("b", Start::Works)).unwrap();
    let inner = root.supervisor(inner.into_child()).unwrap();
    root.child(log.child("c", Start::Works)).unwrap();
    (root.start().await.unwrap(), inner)
}

#[tokio::test]
async fn a_supervisor_that_gives_up_is_restarted_by_the_one_above_and_refs_stay_good() {
    let (node, log) = (node().await, Log::default());
    let mut told = node.supervision_events();
    let (root, inner) = nested(&node, &log, Strategy::OneForOne).await;
    let child = inner.child::<Order>("a").unwrap();
    for _ in 0..2 {
        child.send(Order::Fail).await.unwrap();
    }
    assert_eq!(life(&child).await, 3);
    let seen = events(&mut told, "root/inner has started, life 2").await;
    let expected = [
        "root/inner/a has started, life 1",
        "root/inner/b has started, life 1",
        "root/inner has started, life 1",
        "root/c has started, life 1",
        "root/inner/a has ended: the actor failed: told to",
        "root/inner/a is restarted after 0ns",
        "root/inner/a has started, life 2",
        "root/inner/a has ended: the actor failed: told to",
        "root/inner/a is given up: the actor failed: told to",
        "root/inner/a is left to root",
        "root/inner has ended: the actor failed: gave up on the child `a`: more than 1 restarts in 5s; at last: the \
         actor failed: told to",
        "root/inner is restarted after 0ns",
        "root/inner/a has started, life 3",
        "root/inner/b has started, life 2",
        "root/inner has started, life 2",
    ];
    assert_eq!(seen, expected);
    assert_eq!(root.report().restarts, 1);
}

#[tokio::test]
async fn a_supervisor_that_is_killed_leaves_no_child_that_lives() {
    let (node, log) = (node().await, Log::default());
    let (_root, inner) = nested(&node, &log, Strategy::OneForOne).await;
    let child = inner.child::<Order>("a").unwrap();
    log.take();
    inner.actor_ref().kill();
    log.wait_for("b2 started").await;
    assert_eq!(life(&child).await, 2);
    let mut noted = log.take();
    noted[..2].sort();
    assert_eq!(noted[..2], ["a1 dropped", "b1 dropped"]);
}

#[tokio::test]
async fn a_group_of_supervisors_stops_and_starts_as_a_whole() {
    let (node, log) = (node().await, Log::default());
    let mut root = Supervisor::builder(&node, "root").strategy(Strategy::OneForAll);
    root.child(log.child("first", Start::Works)).unwrap();
    let mut inner = Supervisor::builder(&node, "inner");
    inner.child(log.child("a", Start::Works)).unwrap();
    let inner = root.supervisor(inner.into_child()).unwrap();
    let root = root.start().await.unwrap();
    log.take();
    root.child::<Order>("first").unwrap().kill();
    log.wait_for("a2 started").await;
    let child = inner.child::<Order>("a").unwrap();
    assert_eq!(life(&child).await, 2);
    let expected = [
        "first1 dropped",
        "a1 stopped",
        "first2 started",
        "a2 started",
    ];
    assert_eq!(log.take(), expected);
}

#[tokio::test]
async fn the_tree_of_a_node_prints_itself() {
    let (node, log) = (node().await, Log::default());
    let (_root, inner) = nested(&node, &log, Strategy::RestForOne).await;
    let child = inner.child::<Order>("a").unwrap();
    child.send(Order::Fail).await.unwrap();
    log.wait_for("b2 started").await;
    inner.restart("b").await.unwrap();
    let expected = "\
root (one for one)
├─ inner (rest for one): up, restarts 0, mailbox 0
│  ├─ a: up, restarts 1, mailbox 0
│  └─ b: up, restarts 2, mailbox 0
└─ c: up, restarts 0, mailbox 0";
    assert_eq!(node.tree().to_string(), expected);
}

#[tokio::test]
async fn children_are_added_found_restarted_and_removed() {
    let (node, log) = (node().await, Log::default());
    let supervisor = Supervisor::builder(&node, "top").start().await.unwrap();
    let child = supervisor.add(log.child("a", Start::Works)).await.unwrap();
    let taken = supervisor.add(log.child("a", Start::Works)).await;
    assert_eq!(taken.unwrap_err(), ChildError::NameTaken("a".into()));
    let found = supervisor.child::<Order>("a").unwrap();
    assert_eq!(found, child);
    let wrong = supervisor.child::<u64>("a").unwrap_err();
    assert!(matches!(wrong, ChildError::WrongType { wanted: "u64", .. }));
    supervisor.restart("a").await.unwrap();
    assert_eq!(life(&child).await, 2);
    let asked = child.ask(Order::Life);
    supervisor.remove("a").await.unwrap();
    drop(asked);
    assert_eq!(child.ended().await.unwrap(), StopReason::Stopped);
    let nobody = Err(ChildError::NoSuchChild("a".into()));
    assert_eq!(supervisor.remove("a").await, nobody);
    assert_eq!(supervisor.restart("a").await, nobody);
    let below = Supervisor::builder(&node, "below").into_child();
    let below = supervisor.add_supervisor(below).await.unwrap();
    below.add(log.child("b", Start::Works)).await.unwrap();
    assert_eq!(
        node.tree().0[0].children[0]
            .below
            .as_ref()
            .unwrap()
            .children
            .len(),
        1
    );
    supervisor.remove("below").await.unwrap();
    assert_eq!(node.actors_len(), 1);
}

#[tokio::test]
async fn a_child_that_is_added_and_does_not_start_is_not_there() {
    let (node, log) = (node().await, Log::default());
    let supervisor = Supervisor::builder(&node, "top").start().await.unwrap();
    let failed = supervisor.add(log.child("a", Start::FailsInLife(1))).await;
    let Err(ChildError::StartFailed(failed)) = failed else {
        panic!("it has started");
    };
    let why = StartFailure::Ended(StopReason::Failed("not today".into()));
    assert_eq!((&*failed.child, failed.why), ("a", why));
    assert!(supervisor.report().children.is_empty());
    assert_eq!(node.actors_len(), 1);
}

#[tokio::test]
async fn the_children_of_a_builder_that_is_dropped_never_lived() {
    let (node, log) = (node().await, Log::default());
    let mut tree = Supervisor::builder(&node, "top");
    let child = tree.child(log.child("a", Start::Works)).unwrap();
    let mut inner = Supervisor::builder(&node, "inner");
    let below = inner.child(log.child("b", Start::Works)).unwrap();
    tree.supervisor(inner.into_child()).unwrap();
    drop(tree);
    for child in [child, below] {
        assert_eq!(child.ended().await.unwrap(), StopReason::Stopped);
    }
    assert!(log.take().is_empty());
}

#[tokio::test]
async fn waits_between_restarts_grow_and_siblings_go_on_meanwhile() {
    let time = VirtualTime::start();
    let (node, log) = (node().await, Log::default());
    let mut told = node.supervision_events();
    let mut tree = Supervisor::builder(&node, "top").intensity(MANY);
    let backoff = Backoff::new(SECOND, 4 * SECOND);
    let failing = tree
        .child(log.child("a", Start::Works).backoff(backoff))
        .unwrap();
    let other = tree.child(log.child("b", Start::Works)).unwrap();
    let supervisor = tree.start().await.unwrap();
    for waits in [1, 2, 4, 4] {
        failing.send(Order::Fail).await.unwrap();
        events(&mut told, &format!("top/a is restarted after {waits}s")).await;
        assert!(!failing.is_alive());
        assert_eq!(life(&other).await, 1);
        time.advance((waits * SECOND).mul_f64(0.99)).await;
        let state = supervisor.report().children[0].state;
        assert!(matches!(state, ChildState::Restarting { .. }), "{state}");
        time.advance((waits * SECOND).mul_f64(0.02)).await;
        assert!(failing.is_alive());
    }
    time.advance(4 * SECOND).await;
    failing.send(Order::Fail).await.unwrap();
    events(&mut told, "top/a is restarted after 1s").await;
}

#[tokio::test]
async fn a_group_that_waits_is_superseded_by_the_end_of_one_before_it() {
    let time = VirtualTime::start();
    let (node, log) = (node().await, Log::default());
    let mut tree = Supervisor::builder(&node, "top")
        .strategy(Strategy::RestForOne)
        .intensity(MANY);
    let first = tree.child(log.child("a", Start::Works)).unwrap();
    let backoff = Backoff::new(SECOND, SECOND);
    let second = tree
        .child(log.child("b", Start::Works).backoff(backoff))
        .unwrap();
    tree.child(log.child("c", Start::Works)).unwrap();
    let _supervisor = tree.start().await.unwrap();
    second.send(Order::Fail).await.unwrap();
    log.wait_for("c1 stopped").await;
    first.send(Order::Fail).await.unwrap();
    log.wait_for("c2 started").await;
    time.advance(10 * SECOND).await;
    let expected = [
        "a1 started",
        "b1 started",
        "c1 started",
        "b1 failed",
        "c1 stopped",
        "a1 failed",
        "a2 started",
        "b2 started",
        "c2 started",
    ];
    assert_eq!(log.take(), expected, "nothing is started twice");
}

#[tokio::test]
async fn a_root_that_gives_up_stops_its_node() {
    let (node, log) = (node().await, Log::default());
    let mut told = node.supervision_events();
    let mut tree = Supervisor::builder(&node, "top");
    let child = tree.child(log.child("a", Start::Works)).unwrap();
    let supervisor = tree.start().await.unwrap();
    for _ in 0..2 {
        child.send(Order::Fail).await.unwrap();
    }
    assert!(matches!(supervisor.ended().await, StopReason::Failed(_)));
    node.closing().cancelled().await;
    let seen = events(&mut told, "top/a is left to the node").await;
    let escalated = seen.iter().filter(|event| event.contains("is left to"));
    assert_eq!(escalated.count(), 1);
    assert!(matches!(
        child.send(Order::Fail).await,
        Err(SendError::ActorDown { .. })
    ));
}

#[tokio::test]
async fn a_root_that_gives_up_may_leave_its_node_alone() {
    let time = VirtualTime::start();
    let node = Node::builder("test").on_escalation(OnEscalation::Log);
    let (node, log) = (node.start().await.unwrap(), Log::default());
    let mut tree = Supervisor::builder(&node, "top");
    let child = tree.child(log.child("a", Start::Works)).unwrap();
    let supervisor = tree.start().await.unwrap();
    for _ in 0..2 {
        child.send(Order::Fail).await.unwrap();
    }
    supervisor.ended().await;
    time.advance(Duration::from_mins(1)).await;
    assert!(!node.closing().is_cancelled());
    assert!(node.tree().0.is_empty());
}

#[tokio::test]
async fn a_root_that_is_stopped_or_killed_does_not_escalate() {
    let time = VirtualTime::start();
    let node = node().await;
    for is_killed in [false, true] {
        let tree = Supervisor::builder(&node, "top");
        let supervisor = tree.start().await.unwrap();
        if is_killed {
            supervisor.actor_ref().kill();
        } else {
            supervisor.stop();
        }
        supervisor.ended().await;
        time.advance(Duration::from_mins(1)).await;
        assert!(!node.closing().is_cancelled());
    }
}

#[tokio::test]
async fn a_shutdown_of_the_node_stops_children_in_reverse_order() {
    let (node, log) = (node().await, Log::default());
    let (_root, inner) = nested(&node, &log, Strategy::OneForOne).await;
    let child = inner.child::<Order>("a").unwrap();
    log.take();
    node.shutdown(10 * SECOND).await.unwrap();
    assert_eq!(log.take(), ["c1 stopped", "b1 stopped", "a1 stopped"]);
    assert!(child.is_closed());
    assert_eq!(node.actors_len(), 0);
}

/// Counts what it was sent, across its lives.
struct Counter(u64);

impl Actor for Counter {
    type Message = Option<ReplyTo<u64>>;

    async fn handle(&mut self, ask: Self::Message, _: &mut Context<Self>) -> ActorResult {
        self.0 += 1;
        if let Some(reply) = ask {
            reply.send(self.0);
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_child_that_is_removed_handles_what_it_has_accepted() {
    let node = node().await;
    let mut letters = node.dead_letters();
    let supervisor = Supervisor::builder(&node, "top").start().await.unwrap();
    let counter = supervisor
        .add(ChildSpec::new("counter", || Counter(0)))
        .await
        .unwrap();
    for _ in 0..100 {
        counter.send(None).await.unwrap();
    }
    let asked = counter.ask(Some);
    let (asked, removed) = tokio::join!(asked, supervisor.remove("counter"));
    removed.unwrap();
    assert_eq!(asked.unwrap(), 101);
    node.shutdown(SECOND).await.unwrap();
    let none = tokio::time::timeout(Duration::ZERO, letters.next()).await;
    assert!(none.is_err(), "nothing was left behind");
}

#[tokio::test]
async fn what_a_child_that_is_not_restarted_leaves_are_dead_letters() {
    let (node, log) = (node().await, Log::default());
    let mut letters = node.dead_letters();
    let supervisor = Supervisor::builder(&node, "top").start().await.unwrap();
    let temporary = log.child("a", Start::Works).restart(Restart::Temporary);
    let child: ActorRef<Order> = supervisor.add::<Member>(temporary).await.unwrap();
    for _ in 0..3 {
        child.send(Order::Fail).await.unwrap();
    }
    let reason = child.ended().await.unwrap();
    assert_eq!(reason, StopReason::Failed("told to".into()));
    let Some(mycelium_core::DeadLetterNotice::Letter(letter)) = letters.next().await else {
        panic!("no letter");
    };
    let why = DeadLetterReason::ActorEnded(reason);
    assert_eq!((letter.count, letter.reason), (2, why));
}

#[tokio::test]
async fn an_event_says_of_whom_it_is() {
    let (node, log) = (node().await, Log::default());
    let mut told = node.supervision_events();
    let supervisor = Supervisor::builder(&node, "top").start().await.unwrap();
    let child = supervisor.add(log.child("a", Start::Works)).await.unwrap();
    let Some(SupervisionNotice::Event(event)) = told.next().await else {
        panic!("no event");
    };
    assert_eq!((&*event.supervisor, &*event.child), ("top", "a"));
    assert_eq!(event.actor, child.id());
    assert_eq!(event.change, Change::Started { life: 1 });
}
