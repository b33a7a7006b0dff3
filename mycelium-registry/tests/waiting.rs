//! Waiting for a name, on a clock that nobody waits for.

use std::{
    pin::pin,
    task::{Context, Waker},
    time::Duration,
};

use mycelium_core::{Inbox, Node};
use mycelium_registry::{Registry, ResolveError};
use tokio::{join, runtime, time::Instant};

const MINUTE: Duration = Duration::from_mins(1);

async fn node() -> Node {
    let node = Node::builder("names").start().await;
    node.expect("a node without parts starts")
}

#[tokio::test(start_paused = true)]
async fn a_name_is_waited_for_until_it_is_registered() {
    let node = node().await;
    let counter: Inbox<u64> = node.inbox();
    let started = Instant::now();
    let waiting = node.wait_for::<u64>("counter", MINUTE);
    let registering = async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        node.register("counter", &counter.actor_ref())
    };
    let (found, registered) = join!(waiting, registering);
    registered.expect("the name is free");
    assert_eq!(found.expect("it is registered"), counter.actor_ref());
    // Within the longest pause after it was there, and a tick of the clock.
    assert!(started.elapsed() >= Duration::from_secs(10));
    assert!(started.elapsed() <= Duration::from_millis(10_051));
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_there_is_found_without_time() {
    let node = node().await;
    let counter: Inbox<u64> = node.inbox();
    node.register("counter", &counter.actor_ref())
        .expect("the name is free");
    let mut waiting = pin!(node.wait_for::<u64>("counter", Duration::ZERO));
    let polled = waiting
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_name_that_does_not_come_is_not_found_when_the_time_is_up() {
    let node = node().await;
    let started = Instant::now();
    let found = node.wait_for::<u64>("nobody", MINUTE).await;
    assert!(
        matches!(&found, Err(ResolveError::NotFound(name)) if **name == *"nobody"),
        "{found:?}"
    );
    assert_eq!(started.elapsed().as_secs(), MINUTE.as_secs());
}

#[tokio::test(start_paused = true)]
async fn another_type_is_not_waited_out() {
    let node = node().await;
    let counter: Inbox<u64> = node.inbox();
    node.register("counter", &counter.actor_ref())
        .expect("the name is free");
    let started = Instant::now();
    let found = node.wait_for::<String>("counter", MINUTE).await;
    assert!(
        matches!(found, Err(ResolveError::WrongType { .. })),
        "{found:?}"
    );
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[test]
fn nothing_is_waited_for_on_a_runtime_that_has_ended() {
    let ended = runtime::Builder::new_current_thread().enable_all().build();
    let ended = ended.expect("the system has room for it");
    let node = ended.block_on(node());
    drop(ended);
    let caller = runtime::Builder::new_current_thread().build();
    let caller = caller.expect("the system has room for it");
    let found = caller.block_on(node.wait_for::<u64>("nobody", Duration::MAX));
    assert!(matches!(found, Err(ResolveError::NotFound(_))), "{found:?}");
}
