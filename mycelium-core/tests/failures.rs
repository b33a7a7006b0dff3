//! A panic or an error ends the actor it comes from, and nothing else.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows tests by their attribute, not their helpers"
)]

use std::{fmt, panic::panic_any};

use mycelium_core::{
    Actor, ActorError, ActorRef, ActorResult, Context, DeadLetterNotice, DeadLetterReason, Node,
    SendError, StopReason,
};
use tokio::sync::oneshot;

use crate::{
    drops::{Drops, Guard},
    ended::ended,
    node::node,
};

#[path = "kit/drops.rs"]
mod drops;
#[path = "kit/ended.rs"]
mod ended;
#[path = "kit/node.rs"]
mod node;

type Deed = Box<dyn FnOnce() -> ActorResult + Send>;

/// Does what it is sent.
#[derive(Default)]
struct Doer {
    start: Option<Deed>,
    /// Told the reason in `stopped`.
    farewell: Option<oneshot::Sender<StopReason>>,
    stops_badly: bool,
    _guard: Option<Guard>,
    _drops_badly: Option<PanicOnDrop>,
}

impl Actor for Doer {
    type Message = Deed;

    async fn started(&mut self, _cx: &mut Context<Self>) -> ActorResult {
        self.start.take().map_or(Ok(()), |start| start())
    }

    async fn handle(&mut self, deed: Deed, _cx: &mut Context<Self>) -> ActorResult {
        deed()
    }

    async fn stopped(&mut self, reason: &StopReason) {
        if let Some(farewell) = self.farewell.take() {
            farewell.send(reason.clone()).unwrap();
        }
        assert!(!self.stops_badly, "at the end");
    }
}

#[derive(Default)]
struct PanicOnDrop;

impl Drop for PanicOnDrop {
    fn drop(&mut self) {
        panic!("in a drop");
    }
}

fn panics(text: &'static str) -> Deed {
    Box::new(move || panic!("{text}"))
}

fn fails(text: &'static str) -> Deed {
    Box::new(move || Err(text.into()))
}

fn works() -> Deed {
    Box::new(|| Ok(()))
}

async fn reason_of(node: &Node, deed: Deed) -> StopReason {
    let doer = node.spawn(Doer::default());
    doer.send(deed).await.unwrap();
    ended(&doer).await
}

async fn assert_works(doer: &ActorRef<Deed>) {
    let (sender, receiver) = oneshot::channel();
    let deed = move || sender.send(()).map_err(|()| "nobody waits".into());
    doer.send(Box::new(deed)).await.unwrap();
    receiver.await.unwrap();
}

#[tokio::test]
async fn a_panic_ends_its_actor_with_the_panics_text_and_no_other() {
    let node = node().await;
    let other = node.spawn(Doer::default());
    assert_eq!(
        reason_of(&node, panics("oh")).await,
        StopReason::Panicked("oh".into())
    );
    let text = String::from("owned");
    let owned = Box::new(move || panic_any(text));
    assert_eq!(
        reason_of(&node, owned).await,
        StopReason::Panicked("owned".into())
    );
    assert_works(&other).await;
    assert_works(&node.spawn(Doer::default())).await;
}

#[tokio::test]
async fn a_panic_without_a_text_ends_its_actor() {
    let reason = reason_of(&node().await, Box::new(|| panic_any(7))).await;
    assert!(matches!(reason, StopReason::Panicked(_)), "{reason:?}");
}

#[tokio::test]
async fn senders_are_told_of_the_panic_and_get_their_message_back() {
    let node = node().await;
    let doer = node.spawn(Doer::default());
    doer.send(panics("oh")).await.unwrap();
    ended(&doer).await;
    let refused = doer.send(fails("it came back")).await.unwrap_err();
    assert!(
        matches!(&refused, SendError::ActorDown { reason: StopReason::Panicked(text), .. } if **text == *"oh")
    );
    assert_eq!(
        (refused.into_inner())().unwrap_err().to_string(),
        "it came back"
    );
}

#[tokio::test]
async fn an_error_ends_its_actor_with_the_errors_text() {
    let node = node().await;
    assert_eq!(
        reason_of(&node, fails("no")).await,
        StopReason::Failed("no".into())
    );
}

#[tokio::test]
async fn stopped_runs_after_an_error() {
    let (farewell, heard) = oneshot::channel();
    let doer = node().await.spawn(Doer {
        farewell: Some(farewell),
        ..Doer::default()
    });
    doer.send(fails("no")).await.unwrap();
    assert_eq!(heard.await, Ok(StopReason::Failed("no".into())));
}

#[tokio::test]
async fn stopped_does_not_run_after_a_panic() {
    let (farewell, heard) = oneshot::channel();
    let doer = node().await.spawn(Doer {
        farewell: Some(farewell),
        ..Doer::default()
    });
    doer.send(panics("oh")).await.unwrap();
    ended(&doer).await;
    assert!(heard.await.is_err());
}

#[tokio::test]
async fn an_error_in_started_ends_the_actor_before_its_first_message() {
    let node = node().await;
    let mut dead_letters = node.dead_letters();
    let (farewell, heard) = oneshot::channel();
    let doer = node.spawn(Doer {
        start: Some(fails("not today")),
        farewell: Some(farewell),
        ..Doer::default()
    });
    doer.send(panics("never handled")).await.unwrap();
    assert_eq!(ended(&doer).await, StopReason::Failed("not today".into()));
    assert_eq!(heard.await, Ok(StopReason::Failed("not today".into())));
    let Some(DeadLetterNotice::Letter(letter)) = dead_letters.next().await else {
        panic!("no dead letter")
    };
    assert_eq!(letter.count, 1);
}

#[tokio::test]
async fn a_panic_in_started_ends_the_actor() {
    let doer = node().await.spawn(Doer {
        start: Some(panics("not today")),
        ..Doer::default()
    });
    assert_eq!(ended(&doer).await, StopReason::Panicked("not today".into()));
}

/// The reason was settled before the hook ran.
#[tokio::test]
async fn a_panic_in_stopped_does_not_change_the_reason() {
    let node = node().await;
    let doer = node.spawn(Doer {
        stops_badly: true,
        ..Doer::default()
    });
    doer.stop();
    assert_eq!(ended(&doer).await, StopReason::Stopped);
    assert_eq!(node.actors_len(), 0);
}

#[tokio::test]
async fn a_panic_in_the_drop_of_an_actor_is_contained() {
    let node = node().await;
    let drops = Drops::default();
    let doer = node.spawn(Doer {
        _guard: Some(drops.guard()),
        _drops_badly: Some(PanicOnDrop),
        ..Doer::default()
    });
    doer.stop();
    assert_eq!(ended(&doer).await, StopReason::Stopped);
    assert_eq!(drops.count(), 1);
    assert_eq!(node.actors_len(), 0);
}

#[tokio::test]
async fn a_panic_in_the_drop_of_a_message_keeps_no_other_from_being_dropped() {
    let node = node().await;
    let mut dead_letters = node.dead_letters();
    let doer = node.spawn(Doer::default());
    let drops = Drops::default();
    for _ in 0..3 {
        let (guard, bad) = (drops.guard(), PanicOnDrop);
        let deed = move || {
            let _held = (&guard, &bad);
            Ok(())
        };
        doer.try_send(Box::new(deed)).unwrap();
    }
    doer.kill();
    assert_eq!(ended(&doer).await, StopReason::Killed);
    assert_eq!(drops.count(), 3);
    let Some(DeadLetterNotice::Letter(letter)) = dead_letters.next().await else {
        panic!("no dead letter")
    };
    assert_eq!(letter.count, 3);
    assert_eq!(node.actors_len(), 0);
}

/// Once the panic's own value was dropped where nothing caught what its drop threw: the task
/// unwound and the actor was taken for killed.
#[tokio::test]
async fn a_panic_whose_value_panics_when_dropped_still_counts_as_a_panic() {
    let node = node().await;
    let reason = reason_of(&node, Box::new(|| panic_any(PanicOnDrop))).await;
    assert!(matches!(reason, StopReason::Panicked(_)), "{reason:?}");
    assert_eq!(node.actors_len(), 0);
}

/// Once the error's text was made where nothing caught what that threw: the task unwound and the
/// actor was taken for killed.
#[tokio::test]
async fn an_error_whose_text_panics_counts_as_a_panic() {
    #[derive(Debug)]
    struct Unspeakable;
    impl std::error::Error for Unspeakable {}
    impl fmt::Display for Unspeakable {
        fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("no words")
        }
    }
    let deed = || Err(ActorError::from(Unspeakable));
    let reason = reason_of(&node().await, Box::new(deed)).await;
    assert_eq!(reason, StopReason::Panicked("no words".into()));
}

/// Once the first hook that panicked kept all later ones from being called.
#[tokio::test]
async fn a_panic_in_a_hook_keeps_no_other_from_being_called() {
    let doer = node().await.spawn(Doer::default());
    let ActorRef::Local(local) = &doer else {
        unreachable!("the actor lives here")
    };
    local.on_end(|_| panic!("in a hook"));
    doer.stop();
    assert_eq!(ended(&doer).await, StopReason::Stopped);
}

#[tokio::test]
async fn messages_before_a_failure_are_handled_and_those_after_it_are_dead_letters() {
    let node = node().await;
    let mut dead_letters = node.dead_letters();
    let doer = node.spawn(Doer::default());
    for deed in [works(), fails("no"), works(), works()] {
        doer.try_send(deed).unwrap();
    }
    ended(&doer).await;
    let Some(DeadLetterNotice::Letter(letter)) = dead_letters.next().await else {
        panic!("no dead letter")
    };
    assert_eq!((letter.target, letter.count), (doer.id(), 2));
    let failed = DeadLetterReason::ActorEnded(StopReason::Failed("no".into()));
    assert_eq!(letter.reason, failed);
}
