//! [`Watchdog`]: reports that the node has named a handler which blocks its thread.

use std::{
    fmt::{self, Write as _},
    sync::Arc,
};

use tracing::{
    Event as Traced, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::{SetGlobalDefaultError, set_global_default},
};

use super::pipe::Pipe;
use crate::{
    clock::now_ns,
    record::{Event, Record},
};

/// What the warning has to say, whatever else it says: its kind, the actor's type and the message's.
const NAMES: [&str; 3] = ["blocks its thread", "::Sink\"", "::Packet\""];

/// Hears the warnings of the process.
pub(super) struct Watchdog(Arc<Pipe>);

impl Watchdog {
    /// The watchdog's thread knows no subscriber but that of the whole process.
    pub(super) fn report_to(pipe: &Arc<Pipe>) -> Result<(), SetGlobalDefaultError> {
        set_global_default(Self(Arc::clone(pipe)))
    }
}

impl Subscriber for Watchdog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, warning: &Traced<'_>) {
        let mut text = Text::default();
        warning.record(&mut text);
        if NAMES.iter().all(|name| text.0.contains(name)) {
            self.0.write(&[Record::of(Event::Named).value(now_ns())]);
        }
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// The fields of a warning.
#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // A text takes all that is written.
        let _ = write!(self.0, "{field}={value:?} ");
    }
}
