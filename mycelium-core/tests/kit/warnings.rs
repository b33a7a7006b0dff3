//! [`Warnings`]: what is warned of through `tracing`.

use std::{
    fmt::{self, Write as _},
    sync::{Arc, Mutex, mpsc::Sender},
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// Notes the warnings of its thread.
#[derive(Clone, Default)]
pub(crate) struct Warnings {
    noted: Arc<Mutex<Vec<String>>>,
    told: Option<Sender<String>>,
}

impl Warnings {
    /// Passes each warning on as well.
    #[allow(dead_code, reason = "not every test waits for one")]
    pub(crate) fn told_to(told: Sender<String>) -> Self {
        Self {
            told: Some(told),
            ..Self::default()
        }
    }

    #[allow(dead_code, reason = "not every test counts them")]
    pub(crate) fn count(&self) -> usize {
        self.noted.lock().unwrap().len()
    }

    #[allow(dead_code, reason = "not every test reads them")]
    pub(crate) fn first(&self) -> String {
        self.noted.lock().unwrap()[0].clone()
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        if let Some(told) = &self.told {
            // The test may be over.
            let _ = told.send(text.0.clone());
        }
        self.noted.lock().unwrap().push(text.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// The fields of an event.
#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }
}
