//! What may go wrong with children.

use std::{sync::Arc, time::Duration};

use mycelium_core::StopReason;

/// A child did not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the child `{child}` did not start: {why}")]
pub struct StartFailed {
    /// Its name.
    pub child: Arc<str>,
    /// Why.
    pub why: StartFailure,
}

/// Why a child did not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartFailure {
    /// Its `started` failed or panicked, or what makes it did, or it was killed meanwhile.
    #[error("{0}")]
    Ended(StopReason),
    /// Its `started` took longer than its [start timeout](crate::ChildSpec::start_timeout); it was
    /// killed.
    #[error("it was not done after {0:?}")]
    TimedOut(Duration),
}

impl From<StartFailure> for StopReason {
    fn from(failure: StartFailure) -> Self {
        match failure {
            StartFailure::Ended(reason) => reason,
            StartFailure::TimedOut(_) => Self::Failed(failure.to_string().into()),
        }
    }
}

/// What was asked of a child, or of its supervisor, cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChildError {
    /// There is a child of this name already; choose another, or remove that one first.
    #[error("the supervisor has a child `{0}` already; choose another name, or remove that one")]
    NameTaken(Arc<str>),
    /// There is no child of this name (any more): one that has ended, and is not restarted, has left.
    #[error("the supervisor has no child `{0}`")]
    NoSuchChild(Arc<str>),
    /// The child takes messages of another type.
    #[error("the child `{child}` takes messages of type {found}, not {wanted}")]
    WrongType {
        /// Its name.
        child: Arc<str>,
        /// The type that was asked for.
        wanted: &'static str,
        /// The type that it takes.
        found: &'static str,
    },
    /// The child did not start. One that was to be added was not; one that was to be restarted is
    /// treated as if it had failed.
    #[error(transparent)]
    StartFailed(#[from] StartFailed),
    /// The supervisor is gone, or ended before it had done it.
    #[error("the supervisor is gone")]
    SupervisorGone,
}

/// A supervisor gives up: its life fails with this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "gave up on the child `{child}`: more than {max_restarts} restarts in {within:?}; at last: {reason}"
)]
pub(crate) struct GaveUp {
    pub(crate) child: Arc<str>,
    pub(crate) max_restarts: u32,
    pub(crate) within: Duration,
    pub(crate) reason: StopReason,
}
