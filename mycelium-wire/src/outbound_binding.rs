//! [`OutboundBinding`]: what we know of a binding that we made to an actor of the peer.

use crate::{BindingId, CloseReason, CreditWindow, FrameKind, Window};

/// A binding of ours, from `Bind` to `Unbound`.
///
/// What the target says of it may cross our `Unbind` on the way, so both are kept apart.
pub(crate) struct OutboundBinding {
    pub(crate) window: CreditWindow,
    answer: Answer,
    phase: Phase,
}

// What `Limits::bindings` says that a binding costs.
const _: () = assert!(size_of::<Option<OutboundBinding>>() == 64);

/// What an `Ended` ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBinding {
    /// A binding that never was: no message of it reached an actor.
    Refused,
    /// A binding whose actor is gone.
    Lived,
}

#[derive(PartialEq, Eq)]
enum Answer {
    Awaited,
    Bound,
    Ended,
}

#[derive(PartialEq, Eq)]
enum Phase {
    InUse,
    Unbinding,
}

impl OutboundBinding {
    pub(crate) fn new(binding: BindingId, window: Window) -> Self {
        Self {
            window: CreditWindow::new(binding, window),
            answer: Answer::Awaited,
            phase: Phase::InUse,
        }
    }

    pub(crate) fn is_in_use(&self) -> bool {
        self.phase == Phase::InUse
    }

    pub(crate) fn unbind(&mut self) {
        self.phase = Phase::Unbinding;
    }

    pub(crate) fn handle_bound(&mut self, window: Window) -> Result<(), CloseReason> {
        if self.answer != Answer::Awaited {
            return malformed(FrameKind::Bound, "the binding was answered before");
        }
        self.answer = Answer::Bound;
        self.window.resize(window);
        Ok(())
    }

    pub(crate) fn handle_ended(&mut self) -> Result<EndedBinding, CloseReason> {
        match std::mem::replace(&mut self.answer, Answer::Ended) {
            Answer::Awaited => Ok(EndedBinding::Refused),
            Answer::Bound => Ok(EndedBinding::Lived),
            Answer::Ended => malformed(FrameKind::Ended, "the actor ended before"),
        }
    }

    /// Checks that the target may let the binding go.
    pub(crate) fn handle_unbound(&self) -> Result<(), CloseReason> {
        if self.is_in_use() {
            malformed(FrameKind::Unbound, "the binding is in use")
        } else if self.window.in_flight() > 0 {
            malformed(FrameKind::Unbound, "messages are outstanding")
        } else {
            Ok(())
        }
    }
}

fn malformed<T>(kind: FrameKind, what: &'static str) -> Result<T, CloseReason> {
    Err(CloseReason::Malformed { kind, what })
}
