//! What OTP's supervisors do, row by row: each strategy with each kind of restart and each kind of end.
//!
//! The expectations are taken from Erlang/OTP's documentation: of the design principles, the chapter on
//! supervisors (<https://www.erlang.org/doc/system/sup_princ.html>: restart strategy, maximum restart
//! intensity, automatic shutdown, child specification), and the reference of the module `supervisor`
//! (<https://www.erlang.org/doc/apps/stdlib/supervisor.html>). A supervisor has three children, `a`, `b` and `c`, all
//! permanent but `b`, which has the row's kind of restart and ends in the row's way. What is looked at
//! are the lives of the three afterwards, and the order in which they started and ended.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows tests by their attribute, not their helpers"
)]

#[path = "kit/member.rs"]
mod member;

use std::time::Duration;

use mycelium_core::{Node, StopReason, testing::VirtualTime};
use mycelium_supervisor::{
    AutoShutdown, ChildError, ChildSpec, Intensity, Restart, Shutdown, StartFailed, StartFailure,
    Strategy, Supervisor, SupervisorBuilder, SupervisorRef,
};

use crate::member::{Log, Member, Order, Start};

/// How the middle child ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Normal,
    Error,
    Panic,
    Kill,
    /// It fails, and does not come up the next time.
    StartFails,
    /// It fails, and its next `started` does not return.
    StartHangs,
}

/// What is left afterwards.
#[derive(Clone, Copy)]
enum Left {
    /// The lives of the three.
    All([u32; 3]),
    /// The lives of the outer two; the middle one has left.
    Outer([u32; 2]),
}

const LONG: Intensity = Intensity {
    max_restarts: 10,
    within: Duration::from_secs(10),
};

/// Plays a row, and says what happened to the members behind their first start.
async fn play(strategy: Strategy, restart: Restart, end: End, left: Left) -> Vec<String> {
    let time = VirtualTime::start();
    let node = Node::builder("test").start().await.unwrap();
    let log = Log::default();
    let mut tree = Supervisor::builder(&node, "top")
        .strategy(strategy)
        .intensity(LONG);
    tree.child(log.child("a", Start::Works)).unwrap();
    let start = match end {
        End::StartFails => Start::FailsInLife(2),
        End::StartHangs => Start::HangsInLife(2),
        _ => Start::Works,
    };
    let middle = tree.child(log.child("b", start).restart(restart)).unwrap();
    tree.child(log.child("c", Start::Works)).unwrap();
    let supervisor = tree.start().await.unwrap();
    assert_eq!(log.take(), ["a1 started", "b1 started", "c1 started"]);
    match end {
        End::Normal => middle.stop(),
        End::Error | End::StartFails | End::StartHangs => {
            middle.send(Order::Fail).await.unwrap();
        }
        End::Panic => middle.send(Order::Panic).await.unwrap(),
        End::Kill => middle.kill(),
    }
    // Longer than any start may take.
    time.advance(Duration::from_secs(20)).await;
    let lives = |name: &str| {
        let report = supervisor.report();
        let mut children = report.children.iter();
        children
            .find(|child| *child.name == *name)
            .map(|child| child.lives)
    };
    let found = ["a", "b", "c"].map(lives);
    match left {
        Left::All(expected) => assert_eq!(found, expected.map(Some)),
        Left::Outer([a, c]) => assert_eq!(found, [Some(a), None, Some(c)]),
    }
    assert_eq!(middle.is_alive(), matches!(left, Left::All(_)));
    log.take()
}

/// Rows of the table: a test each.
macro_rules! rows {
    ($($(#[$doc:meta])* $name:ident: $strategy:ident $restart:ident $end:ident -> $left:expr, $log:expr;)*) => {$(
        $(#[$doc])*
        #[tokio::test]
        async fn $name() {
            let log = play(Strategy::$strategy, Restart::$restart, End::$end, $left).await;
            let expected: &[&str] = &$log;
            assert_eq!(log, expected);
        }
    )*};
}

use Left::{All, Outer};

rows! {
    // One for one: nobody but the child that ended is restarted.
    one_for_one_permanent_normal: OneForOne Permanent Normal -> All([1, 2, 1]), ["b1 stopped", "b2 started"];
    one_for_one_permanent_error: OneForOne Permanent Error -> All([1, 2, 1]), ["b1 failed", "b2 started"];
    one_for_one_permanent_panic: OneForOne Permanent Panic -> All([1, 2, 1]), ["b1 dropped", "b2 started"];
    one_for_one_permanent_kill: OneForOne Permanent Kill -> All([1, 2, 1]), ["b1 dropped", "b2 started"];
    one_for_one_permanent_start_fails: OneForOne Permanent StartFails -> All([1, 3, 1]),
        ["b1 failed", "b2 failed", "b3 started"];
    one_for_one_permanent_start_hangs: OneForOne Permanent StartHangs -> All([1, 3, 1]),
        ["b1 failed", "b2 dropped", "b3 started"];
    // Transient: an orderly end is final.
    one_for_one_transient_normal: OneForOne Transient Normal -> Outer([1, 1]), ["b1 stopped"];
    one_for_one_transient_error: OneForOne Transient Error -> All([1, 2, 1]), ["b1 failed", "b2 started"];
    one_for_one_transient_panic: OneForOne Transient Panic -> All([1, 2, 1]), ["b1 dropped", "b2 started"];
    one_for_one_transient_kill: OneForOne Transient Kill -> All([1, 2, 1]), ["b1 dropped", "b2 started"];
    one_for_one_transient_start_fails: OneForOne Transient StartFails -> All([1, 3, 1]),
        ["b1 failed", "b2 failed", "b3 started"];
    one_for_one_transient_start_hangs: OneForOne Transient StartHangs -> All([1, 3, 1]),
        ["b1 failed", "b2 dropped", "b3 started"];
    // Temporary: each end is final.
    one_for_one_temporary_normal: OneForOne Temporary Normal -> Outer([1, 1]), ["b1 stopped"];
    one_for_one_temporary_error: OneForOne Temporary Error -> Outer([1, 1]), ["b1 failed"];
    one_for_one_temporary_panic: OneForOne Temporary Panic -> Outer([1, 1]), ["b1 dropped"];
    one_for_one_temporary_kill: OneForOne Temporary Kill -> Outer([1, 1]), ["b1 dropped"];
    one_for_one_temporary_start_fails: OneForOne Temporary StartFails -> Outer([1, 1]), ["b1 failed"];
    one_for_one_temporary_start_hangs: OneForOne Temporary StartHangs -> Outer([1, 1]), ["b1 failed"];

    // One for all: the others are stopped, last one first, then all are started, first one first.
    one_for_all_permanent_normal: OneForAll Permanent Normal -> All([2, 2, 2]),
        ["b1 stopped", "c1 stopped", "a1 stopped", "a2 started", "b2 started", "c2 started"];
    one_for_all_permanent_error: OneForAll Permanent Error -> All([2, 2, 2]),
        ["b1 failed", "c1 stopped", "a1 stopped", "a2 started", "b2 started", "c2 started"];
    one_for_all_permanent_panic: OneForAll Permanent Panic -> All([2, 2, 2]),
        ["b1 dropped", "c1 stopped", "a1 stopped", "a2 started", "b2 started", "c2 started"];
    one_for_all_permanent_kill: OneForAll Permanent Kill -> All([2, 2, 2]),
        ["b1 dropped", "c1 stopped", "a1 stopped", "a2 started", "b2 started", "c2 started"];
    one_for_all_permanent_start_fails: OneForAll Permanent StartFails -> All([3, 3, 2]),
        ["b1 failed", "c1 stopped", "a1 stopped", "a2 started", "b2 failed", "a2 stopped", "a3 started",
         "b3 started", "c2 started"];
    one_for_all_permanent_start_hangs: OneForAll Permanent StartHangs -> All([3, 3, 2]),
        ["b1 failed", "c1 stopped", "a1 stopped", "a2 started", "b2 dropped", "a2 stopped", "a3 started",
         "b3 started", "c2 started"];
    one_for_all_transient_normal: OneForAll Transient Normal -> Outer([1, 1]), ["b1 stopped"];
    one_for_all_transient_error: OneForAll Transient Error -> All([2, 2, 2]),
        ["b1 failed", "c1 stopped", "a1 stopped", "a2 started", "b2 started", "c2 started"];
    one_for_all_transient_panic: OneForAll Transient Panic -> All([2, 2, 2]),
        ["b1 dropped", "c1 stopped", "a1 stopped", "a2 started", "b2 started", "c2 started"];
    one_for_all_transient_kill: OneForAll Transient Kill -> All([2, 2, 2]),
        ["b1 dropped", "c1 stopped", "a1 stopped", "a2 started", "b2 started", "c2 started"];
    one_for_all_transient_start_fails: OneForAll Transient StartFails -> All([3, 3, 2]),
        ["b1 failed", "c1 stopped", "a1 stopped", "a2 started", "b2 failed", "a2 stopped", "a3 started",
         "b3 started", "c2 started"];
    one_for_all_transient_start_hangs: OneForAll Transient StartHangs -> All([3, 3, 2]),
        ["b1 failed", "c1 stopped", "a1 stopped", "a2 started", "b2 dropped", "a2 stopped", "a3 started",
         "b3 started", "c2 started"];
    // A child that is not to be restarted concerns no sibling.
    one_for_all_temporary_normal: OneForAll Temporary Normal -> Outer([1, 1]), ["b1 stopped"];
    one_for_all_temporary_error: OneForAll Temporary Error -> Outer([1, 1]), ["b1 failed"];
    one_for_all_temporary_panic: OneForAll Temporary Panic -> Outer([1, 1]), ["b1 dropped"];
    one_for_all_temporary_kill: OneForAll Temporary Kill -> Outer([1, 1]), ["b1 dropped"];
    one_for_all_temporary_start_fails: OneForAll Temporary StartFails -> Outer([1, 1]), ["b1 failed"];
    one_for_all_temporary_start_hangs: OneForAll Temporary StartHangs -> Outer([1, 1]), ["b1 failed"];

    // Rest for one: those started later are stopped, then they and the child are started.
    rest_for_one_permanent_normal: RestForOne Permanent Normal -> All([1, 2, 2]),
        ["b1 stopped", "c1 stopped", "b2 started", "c2 started"];
    rest_for_one_permanent_error: RestForOne Permanent Error -> All([1, 2, 2]),
        ["b1 failed", "c1 stopped", "b2 started", "c2 started"];
    rest_for_one_permanent_panic: RestForOne Permanent Panic -> All([1, 2, 2]),
        ["b1 dropped", "c1 stopped", "b2 started", "c2 started"];
    rest_for_one_permanent_kill: RestForOne Permanent Kill -> All([1, 2, 2]),
        ["b1 dropped", "c1 stopped", "b2 started", "c2 started"];
    rest_for_one_permanent_start_fails: RestForOne Permanent StartFails -> All([1, 3, 2]),
        ["b1 failed", "c1 stopped", "b2 failed", "b3 started", "c2 started"];
    rest_for_one_permanent_start_hangs: RestForOne Permanent StartHangs -> All([1, 3, 2]),
        ["b1 failed", "c1 stopped", "b2 dropped", "b3 started", "c2 started"];
    rest_for_one_transient_normal: RestForOne Transient Normal -> Outer([1, 1]), ["b1 stopped"];
    rest_for_one_transient_error: RestForOne Transient Error -> All([1, 2, 2]),
        ["b1 failed", "c1 stopped", "b2 started", "c2 started"];
    rest_for_one_transient_panic: RestForOne Transient Panic -> All([1, 2, 2]),
        ["b1 dropped", "c1 stopped", "b2 started", "c2 started"];
    rest_for_one_transient_kill: RestForOne Transient Kill -> All([1, 2, 2]),
        ["b1 dropped", "c1 stopped", "b2 started", "c2 started"];
    rest_for_one_transient_start_fails: RestForOne Transient StartFails -> All([1, 3, 2]),
        ["b1 failed", "c1 stopped", "b2 failed", "b3 started", "c2 started"];
    rest_for_one_transient_start_hangs: RestForOne Transient StartHangs -> All([1, 3, 2]),
        ["b1 failed", "c1 stopped", "b2 dropped", "b3 started", "c2 started"];
    rest_for_one_temporary_normal: RestForOne Temporary Normal -> Outer([1, 1]), ["b1 stopped"];
    rest_for_one_temporary_error: RestForOne Temporary Error -> Outer([1, 1]), ["b1 failed"];
    rest_for_one_temporary_panic: RestForOne Temporary Panic -> Outer([1, 1]), ["b1 dropped"];
    rest_for_one_temporary_kill: RestForOne Temporary Kill -> Outer([1, 1]), ["b1 dropped"];
    rest_for_one_temporary_start_fails: RestForOne Temporary StartFails -> Outer([1, 1]), ["b1 failed"];
    rest_for_one_temporary_start_hangs: RestForOne Temporary StartHangs -> Outer([1, 1]), ["b1 failed"];
}

/// A supervisor whose middle child does not start the first time.
async fn start_in_vain(strategy: Strategy, start: Start) -> (StartFailed, Vec<String>, usize) {
    let _time = VirtualTime::start();
    let node = Node::builder("test").start().await.unwrap();
    let log = Log::default();
    let mut tree = Supervisor::builder(&node, "top").strategy(strategy);
    let first = tree.child(log.child("a", Start::Works)).unwrap();
    tree.child(log.child("b", start)).unwrap();
    tree.child(log.child("c", Start::Works)).unwrap();
    let failed = tree.start().await.unwrap_err();
    first.ended().await.unwrap();
    (failed, log.take(), node.tree_len())
}

/// A supervisor whose children do not all start stops those that did, and is not there.
macro_rules! starts_in_vain {
    ($($name:ident: $strategy:ident $start:expr => $ends:expr, $why:expr;)*) => {$(
        #[tokio::test]
        async fn $name() {
            let (failed, log, trees) = start_in_vain(Strategy::$strategy, $start).await;
            assert_eq!((&*failed.child, failed.why), ("b", $why));
            assert_eq!(log, ["a1 started", $ends, "a1 stopped"]);
            assert_eq!(trees, 0);
        }
    )*};
}

fn not_today() -> StartFailure {
    StartFailure::Ended(StopReason::Failed("not today".into()))
}

fn timed_out() -> StartFailure {
    StartFailure::TimedOut(Duration::from_secs(5))
}

starts_in_vain! {
    one_for_one_first_start_fails: OneForOne Start::FailsInLife(1) => "b1 failed", not_today();
    one_for_one_first_start_hangs: OneForOne Start::HangsInLife(1) => "b1 dropped", timed_out();
    one_for_all_first_start_fails: OneForAll Start::FailsInLife(1) => "b1 failed", not_today();
    one_for_all_first_start_hangs: OneForAll Start::HangsInLife(1) => "b1 dropped", timed_out();
    rest_for_one_first_start_fails: RestForOne Start::FailsInLife(1) => "b1 failed", not_today();
    rest_for_one_first_start_hangs: RestForOne Start::HangsInLife(1) => "b1 dropped", timed_out();
}

/// The trees of a node, for short.
trait TreeLen {
    fn tree_len(&self) -> usize;
}

impl TreeLen for Node {
    fn tree_len(&self) -> usize {
        mycelium_supervisor::NodeSupervision::tree(self).0.len()
    }
}

/// A started supervisor with these children.
async fn supervise(
    rules: impl FnOnce(SupervisorBuilder) -> SupervisorBuilder,
    children: Vec<ChildSpec<Member>>,
) -> (Node, SupervisorRef) {
    let node = Node::builder("test").start().await.unwrap();
    let mut tree = rules(Supervisor::builder(&node, "top"));
    for child in children {
        tree.child(child).unwrap();
    }
    let supervisor = tree.start().await.unwrap();
    (node, supervisor)
}

/// The restart that is one too many is not made: all children are stopped, and the supervisor ends.
#[tokio::test]
async fn too_many_restarts_end_all_children_in_reverse_order_and_the_supervisor() {
    let time = VirtualTime::start();
    let log = Log::default();
    let children = ["a", "b", "c"].map(|name| log.child(name, Start::Works));
    let (_node, supervisor) = supervise(|tree| tree, children.into()).await;
    let middle = supervisor.child::<Order>("b").unwrap();
    middle.send(Order::Fail).await.unwrap();
    time.advance(Duration::from_secs(4)).await;
    log.take();
    middle.send(Order::Fail).await.unwrap();
    let StopReason::Failed(why) = supervisor.ended().await else {
        panic!("it has not failed");
    };
    let expected =
        "gave up on the child `b`: more than 1 restarts in 5s; at last: the actor failed: told to";
    assert_eq!(&*why, expected);
    assert_eq!(log.take(), ["b2 failed", "c1 stopped", "a1 stopped"]);
}

#[tokio::test]
async fn restarts_that_lie_apart_are_borne_for_ever() {
    let time = VirtualTime::start();
    let log = Log::default();
    let (_node, supervisor) = supervise(|tree| tree, vec![log.child("a", Start::Works)]).await;
    let child = supervisor.child::<Order>("a").unwrap();
    for _ in 0..20 {
        child.send(Order::Fail).await.unwrap();
        time.advance(Duration::from_millis(5_001)).await;
    }
    assert_eq!(supervisor.report().children[0].lives, 21);
}

/// Automatic shutdown with the first significant child that ends.
#[tokio::test]
async fn any_significant_child_that_ends_takes_the_supervisor_with_it() {
    let log = Log::default();
    let significant = log
        .child("b", Start::Works)
        .restart(Restart::Transient)
        .significant();
    let children = vec![
        log.child("a", Start::Works),
        significant,
        log.child("c", Start::Works),
    ];
    let any = |tree: SupervisorBuilder| tree.auto_shutdown(AutoShutdown::AnySignificant);
    let (_node, supervisor) = supervise(any, children).await;
    log.take();
    supervisor.child::<Order>("b").unwrap().stop();
    assert_eq!(supervisor.ended().await, StopReason::Stopped);
    assert_eq!(log.take(), ["b1 stopped", "c1 stopped", "a1 stopped"]);
}

#[tokio::test]
async fn all_significant_children_have_to_end() {
    let time = VirtualTime::start();
    let log = Log::default();
    let mut children = vec![log.child("a", Start::Works)];
    for name in ["b", "c"] {
        let temporary = log.child(name, Start::Works).restart(Restart::Temporary);
        children.push(temporary.significant());
    }
    let all = |tree: SupervisorBuilder| tree.auto_shutdown(AutoShutdown::AllSignificant);
    let (_node, supervisor) = supervise(all, children).await;
    supervisor.child::<Order>("b").unwrap().kill();
    time.advance(Duration::from_mins(1)).await;
    let last = supervisor.child::<Order>("c").unwrap();
    assert!(last.is_alive());
    last.send(Order::Panic).await.unwrap();
    assert_eq!(supervisor.ended().await, StopReason::Stopped);
}

/// A significant child that is restarted has not ended, as far as automatic shutdown is concerned.
#[tokio::test]
async fn a_significant_child_that_is_restarted_takes_nobody_with_it() {
    let time = VirtualTime::start();
    let log = Log::default();
    let child = log
        .child("a", Start::Works)
        .restart(Restart::Transient)
        .significant();
    let any = |tree: SupervisorBuilder| tree.auto_shutdown(AutoShutdown::AnySignificant);
    let (_node, supervisor) = supervise(any, vec![child]).await;
    let child = supervisor.child::<Order>("a").unwrap();
    child.send(Order::Fail).await.unwrap();
    time.advance(Duration::from_mins(1)).await;
    assert!(child.is_alive());
    assert_eq!(supervisor.report().children[0].lives, 2);
}

/// Temporary children are stopped with their group, and are not among those that are started then.
#[tokio::test]
async fn a_temporary_sibling_ends_with_its_group_and_does_not_come_back() {
    for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
        let log = Log::default();
        let temporary = log.child("b", Start::Works).restart(Restart::Temporary);
        let children = vec![
            log.child("a", Start::Works),
            temporary,
            log.child("c", Start::Works),
        ];
        let (_node, supervisor) = supervise(|tree| tree.strategy(strategy), children).await;
        let gone = supervisor.child::<Order>("b").unwrap();
        log.take();
        supervisor.child::<Order>("a").unwrap().kill();
        assert_eq!(gone.ended().await.unwrap(), StopReason::Stopped);
        log.wait_for("c2 started").await;
        let expected = [
            "a1 dropped",
            "c1 stopped",
            "b1 stopped",
            "a2 started",
            "c2 started",
        ];
        assert_eq!(log.take(), expected);
        assert_eq!(supervisor.report().children.len(), 2);
    }
}

/// What was started last is stopped first.
#[tokio::test]
async fn a_supervisor_that_stops_ends_its_children_in_reverse_order() {
    let log = Log::default();
    let children = ["a", "b", "c"].map(|name| log.child(name, Start::Works));
    let (node, supervisor) = supervise(|tree| tree, children.into()).await;
    log.take();
    supervisor.stop();
    assert_eq!(supervisor.ended().await, StopReason::Stopped);
    assert_eq!(log.take(), ["c1 stopped", "b1 stopped", "a1 stopped"]);
    assert_eq!(node.actors_len(), 0);
    let refused = supervisor.restart("a").await;
    assert_eq!(refused, Err(ChildError::SupervisorGone));
}

/// A shutdown time is a limit: beyond it the child is killed.
#[tokio::test]
async fn a_child_that_ignores_its_stop_is_killed_when_its_time_is_up() {
    let time = VirtualTime::start();
    let log = Log::default();
    let second = Duration::from_secs(1);
    let stubborn = log
        .child("a", Start::Works)
        .shutdown(Shutdown::Within(second));
    let (_node, supervisor) = supervise(|tree| tree, vec![stubborn]).await;
    let child = supervisor.child::<Order>("a").unwrap();
    child.send(Order::Hang).await.unwrap();
    log.wait_for("a1 hangs").await;
    supervisor.stop();
    time.advance(second / 2).await;
    assert!(child.is_alive());
    time.advance(second).await;
    assert_eq!(supervisor.ended().await, StopReason::Stopped);
    assert_eq!(log.take().last().map(String::as_str), Some("a1 dropped"));
}

/// OTP's `brutal_kill`.
#[tokio::test]
async fn a_child_that_is_to_be_killed_does_not_run_stopped() {
    let log = Log::default();
    let child = log.child("a", Start::Works).shutdown(Shutdown::Kill);
    let (_node, supervisor) = supervise(|tree| tree, vec![child]).await;
    supervisor.stop();
    supervisor.ended().await;
    assert_eq!(log.take(), ["a1 started", "a1 dropped"]);
}
