//! [`SupervisionEvent`]: what happens in the trees of a node, as it happens.

use std::{fmt, sync::Arc, time::Duration};

use mycelium_core::StopReason;
use mycelium_wire::ActorId;
use tokio::sync::broadcast;

/// How many events a slow reader of [`SupervisionEvents`] may be behind before it misses some.
const BACKLOG_EVENTS: usize = 1_024;

/// Something that happened to a child.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SupervisionEvent {
    /// The supervisor, by the names from the root of its tree: `desk/pricing`.
    pub supervisor: Arc<str>,
    /// The child's name there.
    pub child: Arc<str>,
    /// The child.
    pub actor: ActorId,
    /// What happened.
    pub change: Change,
}

/// What happened to a child.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// It has started.
    Started {
        /// The number of its life; the first is 1.
        life: u32,
    },
    /// It ended in good order, and is not restarted.
    Stopped,
    /// It ended abnormally, or did not start.
    Failed {
        /// Why.
        reason: StopReason,
    },
    /// It is about to be restarted.
    Restarting {
        /// After this time.
        after: Duration,
    },
    /// Its end was one too many: its supervisor stops all its children, and fails.
    GaveUp {
        /// Why the child ended.
        reason: StopReason,
    },
    /// The supervisor that has given up, and has this child, leaves it to whoever is above it to go on.
    Escalated {
        /// The supervisor above; `None` at the root of the tree, where the node's
        /// [`OnEscalation`](crate::OnEscalation) says what happens.
        to: Option<Arc<str>>,
    },
}

impl fmt::Display for SupervisionEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} {}", self.supervisor, self.child, self.change)
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { life } => write!(f, "has started, life {life}"),
            Self::Stopped => f.write_str("has stopped"),
            Self::Failed { reason } => write!(f, "has ended: {reason}"),
            Self::Restarting { after } => write!(f, "is restarted after {after:?}"),
            Self::GaveUp { reason } => write!(f, "is given up: {reason}"),
            Self::Escalated { to: Some(above) } => write!(f, "is left to {above}"),
            Self::Escalated { to: None } => f.write_str("is left to the node"),
        }
    }
}

/// A bounded stream of [`SupervisionEvent`]s, from the moment it was asked for.
pub struct SupervisionEvents(broadcast::Receiver<SupervisionEvent>);

/// The next item of [`SupervisionEvents`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SupervisionNotice {
    /// Something happened.
    Event(SupervisionEvent),
    /// This reader was too slow, and missed so many events.
    Missed(u64),
}

impl SupervisionEvents {
    /// The next event; `None` once the node is gone.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<SupervisionNotice> {
        match self.0.recv().await {
            Ok(event) => Some(SupervisionNotice::Event(event)),
            Err(broadcast::error::RecvError::Lagged(count)) => {
                Some(SupervisionNotice::Missed(count))
            }
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

impl fmt::Debug for SupervisionEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SupervisionEvents")
    }
}

/// The writing end, on the node.
pub(crate) struct EventOffice(broadcast::Sender<SupervisionEvent>);

impl EventOffice {
    pub(crate) fn new() -> Self {
        Self(broadcast::Sender::new(BACKLOG_EVENTS))
    }

    pub(crate) fn subscribe(&self) -> SupervisionEvents {
        SupervisionEvents(self.0.subscribe())
    }

    pub(crate) fn tell(&self, event: SupervisionEvent) {
        let SupervisionEvent {
            supervisor,
            child,
            actor,
            change,
        } = &event;
        match change {
            Change::Started { .. } | Change::Stopped | Change::Restarting { .. } => {
                tracing::info!(%supervisor, %child, %actor, "a child {change}");
            }
            Change::Failed { .. } => {
                tracing::error!(%supervisor, %child, %actor, "a child {change}");
            }
            Change::GaveUp { .. } | Change::Escalated { .. } => {
                tracing::error!(%supervisor, %child, %actor, "a child {change}");
            }
        }
        // Nobody listening is fine: it is in the log.
        let _ = self.0.send(event);
    }
}
