//! The handler of a message that belongs to a trace runs inside a span with its ids.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows tests by their attribute, not their helpers"
)]

use std::{
    fmt::{self, Write as _},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use mycelium_core::{Actor, ActorResult, Context, SendOptions};
use mycelium_wire::TraceContext;
use tokio::task::yield_now;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
    subscriber,
};

use crate::node::node;

#[path = "kit/node.rs"]
mod node;

/// Notes the spans and events of the actor's handlers, each time they are entered or left.
#[derive(Clone, Default)]
struct Notes {
    lines: Arc<Mutex<Vec<String>>>,
    spans: Arc<AtomicU64>,
}

impl Notes {
    fn note(&self, line: impl Into<String>) {
        self.lines.lock().unwrap().push(line.into());
    }
}

impl Subscriber for Notes {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let is_ours = metadata.target().starts_with("mycelium_core::cell");
        is_ours || metadata.target().starts_with("traces")
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut text = Text::default();
        attributes.record(&mut text);
        assert!(attributes.is_root(), "spans are linked, not nested");
        assert_eq!(*attributes.metadata().level(), Level::DEBUG);
        self.note(format!("new {}", text.0.trim_end()));
        Id::from_u64(1 + self.spans.fetch_add(1, Ordering::Relaxed))
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        self.note(text.0.trim_end());
    }

    fn enter(&self, id: &Id) {
        self.note(format!("enter {}", id.into_u64()));
    }

    fn exit(&self, id: &Id) {
        self.note(format!("exit {}", id.into_u64()));
    }

    fn try_close(&self, id: Id) -> bool {
        self.note(format!("close {}", id.into_u64()));
        true
    }
}

/// The fields of a span or an event.
#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }
}

/// Says its number before and after it has waited.
struct Waits;

impl Actor for Waits {
    type Message = u64;

    async fn handle(&mut self, number: u64, _cx: &mut Context<Self>) -> ActorResult {
        tracing::info!(number);
        yield_now().await;
        tracing::info!(number);
        Ok(())
    }
}

#[tokio::test]
async fn a_handler_runs_inside_the_span_of_its_message_and_no_other_does() {
    let notes = Notes::default();
    let _default = subscriber::set_default(notes.clone());
    let node = node().await;
    let actor = node.spawn(Waits);
    let trace = TraceContext {
        trace_id: 0xfeed,
        span_id: 0xbeef,
    };
    actor.send(1).await.unwrap();
    let traced = SendOptions::default().trace(trace);
    actor.with(traced).send(2).await.unwrap();
    actor.send(3).await.unwrap();
    actor.stop();
    actor.ended().await.unwrap();
    let lines = notes.lines.lock().unwrap();
    let wanted = [
        "number=1",
        "number=1",
        "new trace_id=000000000000feed span_id=000000000000beef",
        "enter 1",
        "number=2",
        "exit 1",
        "enter 1",
        "number=2",
        "exit 1",
        "close 1",
        "number=3",
        "number=3",
    ];
    assert_eq!(*lines, wanted);
}
