//! [`NodeBuilder`]: what a node is made of before it starts.

use std::{any::Any, error::Error, fmt, pin::Pin, time::Duration};

use mycelium_wire::{InvalidNodeName, NodeId};
use tokio::runtime::Handle;

use crate::{Node, ask::DEFAULT_TIMEOUT};

/// Describes a node; [`start`](Self::start) brings it to life.
#[must_use = "a node lives once it is started"]
pub struct NodeBuilder {
    name: String,
    runtime: Option<Handle>,
    ask_timeout: Duration,
    plugins: Vec<Box<dyn Plugin>>,
}

/// What a plug-in's start may fail with.
pub type PluginError = Box<dyn Error + Send + Sync>;

/// The future of a plug-in's start.
pub type Starting<'a> = Pin<Box<dyn Future<Output = Result<(), PluginError>> + Send + 'a>>;

/// A part of a node that the crates above core bring along, such as a transport.
///
/// Its settings are made through extension methods on [`NodeBuilder`].
pub trait Plugin: Any + Send {
    /// Starts the part on a node whose actors can already be spawned. What it leaves running
    /// belongs into [`Node::spawn_task`].
    fn start(self: Box<Self>, node: &Node) -> Starting<'_>;
}

/// Why a node did not start.
///
/// `Debug` says what `Display` does: it is what a `main` that answers the error prints.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The name cannot be a node's.
    #[error(transparent)]
    Name(#[from] InvalidNodeName),
    /// There is no tokio runtime to run on: start the node inside one, or give it one.
    #[error("no tokio runtime: start the node inside one, or give it one by `runtime`")]
    NoRuntime,
    /// The program was built with `panic = "abort"`, under which one failing handler would end
    /// the process; build it with `panic = "unwind"`.
    #[error(
        "built with panic = \"abort\": a panic in a handler could not be contained; use \"unwind\""
    )]
    PanicAborts,
    /// A part of the node, such as a listener, did not start.
    #[error(transparent)]
    Plugin(PluginError),
}

impl fmt::Debug for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl NodeBuilder {
    pub(crate) fn new(name: String) -> Self {
        Self {
            name,
            runtime: None,
            ask_timeout: DEFAULT_TIMEOUT,
            plugins: Vec::new(),
        }
    }

    /// Runs the node on this runtime instead of the one `start` is called on.
    pub fn runtime(mut self, runtime: Handle) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// How long an ask may take whose asker names no [`timeout`](crate::Ask::timeout): 5 s unless
    /// said here; rounded up to a millisecond, 49 days at most.
    pub fn ask_timeout(mut self, timeout: Duration) -> Self {
        let milliseconds = timeout.as_nanos().div_ceil(1_000_000);
        let milliseconds = u32::try_from(milliseconds).unwrap_or(u32::MAX);
        self.ask_timeout = Duration::from_millis(milliseconds.into());
        self
    }

    /// The plug-in of this type, made by default where there is none yet, to be set up.
    pub fn plugin<P: Plugin + Default>(&mut self) -> &mut P {
        let is_wanted = |plugin: &dyn Any| plugin.is::<P>();
        let found = self.plugins.iter().position(|plugin| is_wanted(&**plugin));
        let at = found.unwrap_or_else(|| {
            self.plugins.push(Box::new(P::default()));
            self.plugins.len() - 1
        });
        let plugin: &mut dyn Any = &mut *self.plugins[at];
        plugin
            .downcast_mut()
            .expect("it is of this type, or was just made")
    }

    /// Starts the node: draws its incarnation and starts its parts, listeners among them.
    ///
    /// # Errors
    ///
    /// [`StartError`]; nothing is left running then.
    ///
    /// # Panics
    ///
    /// On a runtime without timers: build it with `enable_all`.
    ///
    /// # Cancel safety
    ///
    /// A dropped future leaves no node, but parts that had started run until the process ends.
    pub async fn start(self) -> Result<Node, StartError> {
        if cfg!(panic = "abort") {
            return Err(StartError::PanicAborts);
        }
        let id = NodeId::new(self.name.parse()?, rand::random());
        let runtime = match self.runtime {
            Some(runtime) => runtime,
            None => Handle::try_current().map_err(|_| StartError::NoRuntime)?,
        };
        let timers = runtime.enter();
        drop(tokio::time::sleep(Duration::ZERO));
        drop(timers);
        let node = Node::new(id, runtime, self.ask_timeout);
        for plugin in self.plugins {
            if let Err(error) = plugin.start(&node).await {
                node.close_parts().await;
                return Err(StartError::Plugin(error));
            }
        }
        Ok(node)
    }
}
