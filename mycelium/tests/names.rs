//! Names of a node: given, found, listed, taken away.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows tests by their attribute, not their helpers"
)]

use std::time::Duration;

use mycelium::{
    prelude::*,
    testing::{Probe, linked_pair},
};
use tokio::{join, runtime, time};

async fn node() -> Node {
    Node::builder("names").start().await.unwrap()
}

#[tokio::test]
async fn names_are_listed_found_by_type_and_taken_away() {
    let node = node().await;
    let (orders, quotes) = (Probe::<u64>::new(&node), Probe::<u32>::new(&node));
    node.register("orders", &orders.actor_ref()).unwrap();
    node.register("quotes", &quotes.actor_ref()).unwrap();
    let mut names = node.names();
    names.sort_unstable();
    assert_eq!(names, ["orders".into(), "quotes".into()]);

    let found = node.resolve::<u64>("orders").await.unwrap();
    assert_eq!(found, orders.actor_ref());
    let other = node.resolve::<u32>("orders").await;
    assert!(matches!(other, Err(ResolveError::WrongType { .. })));

    assert!(node.unregister("orders"));
    assert!(!node.unregister("orders"));
    let gone = node.resolve::<u64>("orders").await;
    assert!(matches!(gone, Err(ResolveError::NotFound(_))));
}

#[tokio::test]
async fn a_name_is_one_actors_at_a_time_and_has_a_length() {
    let node = node().await;
    let (first, second) = (Probe::<u64>::new(&node), Probe::<u64>::new(&node));
    node.register("orders", &first.actor_ref()).unwrap();
    let taken = node.register("orders", &second.actor_ref());
    assert!(matches!(taken, Err(RegisterError::NameTaken(_))));
    for name in [String::new(), "x".repeat(256)] {
        let bad = node.register(&name, &second.actor_ref());
        assert!(matches!(bad, Err(RegisterError::BadName { .. })));
    }
}

/// Cannot travel: `usize` is not the same on every machine.
struct HereOnly(usize);

#[tokio::test(start_paused = true)]
async fn a_local_name_is_for_any_message_and_is_not_found_from_afar() {
    let (here, there) = linked_pair().await.unwrap();
    let mut probe = Probe::<HereOnly>::new(&there);
    there.register_local("here", &probe.actor_ref()).unwrap();
    let found = there.resolve_local::<HereOnly>("here").unwrap();
    found.try_send(HereOnly(7)).unwrap();
    assert_eq!(probe.recv().await.0, 7);

    let numbers = Probe::<u64>::new(&there);
    there
        .register_local("numbers", &numbers.actor_ref())
        .unwrap();
    let hidden = here.resolve::<u64>("numbers").await;
    assert!(matches!(hidden, Err(ResolveError::NotFound(_))));
    here.shutdown(Duration::from_mins(1)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_name_of_a_node_that_starts_later_is_waited_for() {
    let in_memory = |name| Node::builder(name).transport(Transport::Memory);
    let address = "memory:names-late".parse().unwrap();
    let early = in_memory("names-early")
        .peer(address)
        .start()
        .await
        .unwrap();
    let waiting = early.wait_for::<u64>("numbers", Duration::from_mins(1));
    let starting = async {
        time::sleep(Duration::from_secs(10)).await;
        let late = in_memory("names-late").start().await.unwrap();
        let numbers = Probe::<u64>::new(&late);
        late.register("numbers", &numbers.actor_ref()).unwrap();
        (late, numbers)
    };
    let (found, (_late, mut numbers)) = join!(waiting, starting);
    found.unwrap().send(7).await.unwrap();
    assert_eq!(numbers.recv().await, 7);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_its_node_has_not_registered_yet_is_waited_for() {
    let (here, there) = linked_pair().await.unwrap();
    let numbers = Probe::<u64>::new(&there);
    let waiting = here.wait_for::<u64>("numbers", Duration::from_mins(1));
    let registering = async {
        time::sleep(Duration::from_secs(10)).await;
        there.register("numbers", &numbers.actor_ref()).unwrap();
    };
    let (found, ()) = join!(waiting, registering);
    assert!(found.is_ok(), "{found:?}");
}

/// The question was asked by a task that was cancelled, and its caller panicked.
#[test]
fn a_look_up_after_the_end_of_the_nodes_runtime_says_that_nobody_can_be_asked() {
    let runtime = || {
        let built = runtime::Builder::new_multi_thread().enable_all().build();
        built.unwrap()
    };
    let (ended, caller) = (runtime(), runtime());
    let (here, there) = ended.block_on(linked_pair()).unwrap();
    drop(ended);
    let found = caller.block_on(here.resolve::<u64>("numbers"));
    assert!(
        matches!(&found, Err(ResolveError::Unreachable { node, .. }) if node == there.id()),
        "{found:?}"
    );
}

mod here {
    use mycelium::message;

    #[message]
    pub(crate) struct Quote {
        pub(crate) price: i64,
    }
}

/// The types of another build: one that agrees with ours, and one that does not.
mod there {
    use mycelium::message;

    #[message]
    pub(crate) struct Quote {
        pub(crate) price: i64,
    }

    pub(crate) mod later {
        use mycelium::message;

        #[message]
        pub(crate) struct Quote {
            pub(crate) price: i64,
            pub(crate) size: u32,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn from_afar_a_name_is_found_by_any_rust_type_of_its_name_and_schema() {
    let (here, there) = linked_pair().await.unwrap();
    let mut quotes = Probe::<there::Quote>::new(&there);
    there.register("quotes", &quotes.actor_ref()).unwrap();
    let found = here.resolve::<here::Quote>("quotes").await.unwrap();
    found.send(here::Quote { price: 7 }).await.unwrap();
    assert_eq!(quotes.recv().await.price, 7);

    // On its own node only the very type is.
    let found = there.resolve::<here::Quote>("quotes").await;
    assert!(matches!(found, Err(ResolveError::WrongType { .. })));
}

#[tokio::test(start_paused = true)]
async fn from_afar_a_type_of_the_same_name_and_another_schema_is_told_as_such() {
    let (here, there) = linked_pair().await.unwrap();
    let quotes = Probe::<there::later::Quote>::new(&there);
    there.register("quotes", &quotes.actor_ref()).unwrap();
    let found = here.resolve::<here::Quote>("quotes").await;
    let text = found.unwrap_err().to_string();
    assert_eq!(
        text,
        "\"quotes\" takes a Quote too, but one of another schema"
    );
}
