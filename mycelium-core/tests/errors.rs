//! Errors give the message back and ask nothing of its type.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows tests by their attribute, not their helpers"
)]

use std::{cell::Cell, error::Error, num::ParseIntError, time::Duration};

use mycelium_core::{
    Actor, ActorError, ActorResult, Context, SendError, ShutdownTimeout, StopReason,
};

use crate::{ended::ended, node::node};

#[path = "kit/ended.rs"]
mod ended;
#[path = "kit/node.rs"]
mod node;

/// Neither `Debug` nor `Clone`, nor `Sync`.
struct Opaque(Cell<u32>);

fn opaque() -> Opaque {
    Opaque(Cell::new(7))
}

fn every_error() -> Vec<SendError<Opaque>> {
    vec![
        SendError::Full(opaque()),
        SendError::Timeout(opaque()),
        SendError::ActorDown {
            message: opaque(),
            reason: StopReason::Stopped,
        },
        SendError::NodeDown(opaque()),
        SendError::LinkDown(opaque()),
        SendError::Stale(opaque()),
        SendError::WrongType {
            message: opaque(),
            wanted: "Order",
            found: "Trade".into(),
        },
        SendError::TooLarge {
            message: opaque(),
            size_bytes: 2_000,
            limit_bytes: 1_000,
        },
    ]
}

#[test]
fn every_error_gives_the_message_back() {
    for error in every_error() {
        assert_eq!(error.into_inner().0.get(), 7);
    }
}

#[test]
fn every_error_says_what_happened_in_lower_case_without_a_full_stop() {
    for error in every_error() {
        let text = error.to_string();
        assert!(text.starts_with(char::is_lowercase), "{text}");
        assert!(!text.ends_with('.'), "{text}");
        assert!(format!("{error:?}").contains(&text), "{error:?}");
    }
}

#[test]
fn an_error_names_both_types_and_both_sizes() {
    let text = |at: usize| every_error().remove(at).to_string();
    assert!(text(6).contains("Order") && text(6).contains("Trade"));
    assert!(text(7).contains("2000") && text(7).contains("1000"));
}

#[test]
fn reasons_carry_the_text_of_what_went_wrong() {
    assert_eq!(
        StopReason::Failed("no".into()).to_string(),
        "the actor failed: no"
    );
    assert_eq!(
        StopReason::Panicked("oh".into()).to_string(),
        "the actor panicked: oh"
    );
}

#[test]
fn an_actors_error_is_made_of_any_error_and_gives_it_back() {
    fn handler(text: &str) -> ActorResult {
        text.parse::<u32>()?;
        Err("not a failure of parsing".into())
    }
    let error: ActorError = handler("seven").unwrap_err();
    assert!(error.into_inner().is::<ParseIntError>());
    assert_eq!(
        handler("7").unwrap_err().to_string(),
        "not a failure of parsing"
    );
}

/// By `?`, where the message itself may be shared.
#[test]
fn a_send_error_is_an_error_that_handlers_can_answer() {
    let error: ActorError = SendError::Full(7_u32).into();
    assert_eq!(error.to_string(), SendError::Full(7_u32).to_string());
    assert!(SendError::Full(opaque()).source().is_none());
}

#[test]
fn a_shutdown_timeout_says_how_many_were_killed() {
    let timeout = ShutdownTimeout {
        killed_actors: 3,
        timeout: Duration::from_secs(2),
    };
    assert_eq!(
        timeout.to_string(),
        "3 actors did not end within 2s and were killed"
    );
}

/// A message that is neither `Debug` nor `Sync` comes back from a dead actor.
#[tokio::test]
async fn an_opaque_message_comes_back() {
    struct Sink;
    impl Actor for Sink {
        type Message = Opaque;

        async fn handle(&mut self, _message: Opaque, _cx: &mut Context<Self>) -> ActorResult {
            Ok(())
        }
    }
    let sink = node().await.spawn(Sink);
    sink.send(opaque()).await.unwrap();
    sink.stop();
    ended(&sink).await;
    assert_eq!(
        sink.send(opaque()).await.unwrap_err().into_inner().0.get(),
        7
    );
    assert_eq!(sink.try_send(opaque()).unwrap_err().into_inner().0.get(), 7);
    assert_eq!(
        sink.send_blocking(opaque())
            .unwrap_err()
            .into_inner()
            .0
            .get(),
        7
    );
}
