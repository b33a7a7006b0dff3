//! [`OnEscalation`]: what a node does when a supervisor at the root of a tree has given up.

use std::{process, time::Duration};

use mycelium_core::{Node, NodeBuilder, Plugin, PluginError, Starting};

use crate::supervision::supervision;

/// What a node does when a supervisor at the root of a tree gives up: its children have been stopped,
/// and nobody is above it to restart it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnEscalation {
    /// Nothing but the error in the log; the rest of the node goes on.
    Log,
    /// Shuts the node down, and gives its other actors this time for it.
    StopNode(Duration),
    /// Shuts the node down, and ends the process with this exit code, for whoever restarts processes.
    Exit {
        /// The exit code.
        code: i32,
        /// How long the other actors may take to stop.
        within: Duration,
    },
}

impl Default for OnEscalation {
    /// Stops the node within 5 s.
    fn default() -> Self {
        Self::StopNode(Duration::from_secs(5))
    }
}

impl OnEscalation {
    /// The supervisor of this name has given up.
    pub(crate) fn act(self, node: &Node, supervisor: &str) {
        tracing::error!(node = %node.id(), supervisor, ?self, "a tree has no supervisor any more");
        let (within, code) = match self {
            Self::Log => return,
            Self::StopNode(within) => (within, None),
            Self::Exit { code, within } => (within, Some(code)),
        };
        let stopping = node.clone();
        // Not a task of the node: the node waits for those when it shuts down.
        node.runtime().spawn(async move {
            if let Err(killed) = stopping.shutdown(within).await {
                tracing::error!(%killed, "the node was stopped");
            }
            if let Some(code) = code {
                process::exit(code);
            }
        });
    }
}

/// Says on a node's builder what happens when a tree's root gives up.
pub trait BuildSupervision {
    /// What the node does when a supervisor at the root of a tree gives up. Default:
    /// [`StopNode`](OnEscalation::StopNode) within 5 s.
    #[must_use]
    fn on_escalation(self, policy: OnEscalation) -> Self;
}

impl BuildSupervision for NodeBuilder {
    fn on_escalation(mut self, policy: OnEscalation) -> Self {
        self.plugin::<Policy>().0 = policy;
        self
    }
}

/// Brings the policy to the node.
#[derive(Default)]
struct Policy(OnEscalation);

impl Plugin for Policy {
    fn start(self: Box<Self>, node: &Node) -> Starting<'_> {
        Box::pin(async move {
            supervision(node).set_policy(self.0);
            Ok::<_, PluginError>(())
        })
    }
}
