//! [`SupervisorBuilder`]: a tree before it has started.

use std::sync::Arc;

use mycelium_core::{Actor, ActorRef, LocalRef, Node, StopReason};
use tokio::sync::oneshot;

use crate::{
    AutoShutdown, ChildError, ChildSpec, Intensity, StartFailed, StartFailure, Strategy,
    Supervisor, SupervisorMessage, SupervisorRef, board::ChildKey, child::Child, child_spec::Terms,
    supervision::supervision, tree::Tree,
};

/// A supervisor that has not been started: its rules, and its children, whose refs are good already.
///
/// Dropping it ends the children before they lived.
///
/// # Examples
///
/// A tree of two supervisors:
///
/// ```
/// use std::time::Duration;
/// use mycelium_core::{Actor, ActorResult, Context, Node};
/// use mycelium_supervisor::{ChildSpec, Intensity, Strategy, Supervisor};
///
/// struct Session;
///
/// impl Actor for Session {
///     type Message = String;
///
///     async fn handle(&mut self, line: String, _: &mut Context<Self>) -> ActorResult {
///         println!("{line}");
///         Ok(())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let node = Node::builder("gateway").start().await?;
/// let mut root = Supervisor::builder(&node, "gateway");
/// let mut sessions = Supervisor::builder(&node, "sessions")
///     .strategy(Strategy::OneForAll)
///     .intensity(Intensity { max_restarts: 10, within: Duration::from_secs(60) });
/// let first = sessions.child(ChildSpec::new("first", || Session))?;
/// let sessions = root.supervisor(sessions.into_child())?;
/// let root = root.start().await?;
/// first.send("logon".into()).await?;
///
/// let second = sessions.add(ChildSpec::new("second", || Session)).await?;
/// second.send("logon".into()).await?;
/// root.stop();
/// root.ended().await;
/// # Ok(()) }
/// ```
#[must_use = "a supervisor does nothing before it is started"]
pub struct SupervisorBuilder {
    tree: Tree,
}

impl Supervisor {
    /// Starts the description of a supervisor of this name on this node.
    pub fn builder(node: &Node, name: impl Into<Arc<str>>) -> SupervisorBuilder {
        SupervisorBuilder {
            tree: Tree::new(node, name.into()),
        }
    }
}

impl SupervisorBuilder {
    /// Which children are restarted when one ends. Default [`Strategy::OneForOne`].
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.tree.rules.strategy = strategy;
        self
    }

    /// How many restarts are too many. Default: more than 1 in 5 s.
    pub fn intensity(mut self, intensity: Intensity) -> Self {
        self.tree.rules.intensity = intensity;
        self
    }

    /// Whether it ends with its significant children. Default [`AutoShutdown::Never`].
    pub fn auto_shutdown(mut self, auto_shutdown: AutoShutdown) -> Self {
        self.tree.rules.auto_shutdown = auto_shutdown;
        self
    }

    /// Adds a child behind those there are. Its ref may be used from now on: what it is sent waits until
    /// it has started.
    ///
    /// # Errors
    ///
    /// [`ChildError::NameTaken`].
    pub fn child<A: Actor>(
        &mut self,
        spec: ChildSpec<A>,
    ) -> Result<ActorRef<A::Message>, ChildError> {
        if self.tree.find(&spec.name).is_some() {
            return Err(ChildError::NameTaken(spec.name));
        }
        let key = ChildKey(self.tree.next_number());
        let (child, actor) = Child::new(&self.tree.node, key, &self.tree.board, spec);
        self.tree.lock().push(child);
        Ok(actor)
    }

    /// Adds a supervisor as a child, made by [`into_child`](Self::into_child).
    ///
    /// # Errors
    ///
    /// [`ChildError::NameTaken`].
    pub fn supervisor(&mut self, spec: ChildSpec<Supervisor>) -> Result<SupervisorRef, ChildError> {
        let subtree = spec.subtree.clone();
        let actor = self.child(spec)?;
        let tree = subtree.expect("a supervisor has a tree");
        Ok(settle(tree, actor))
    }

    /// Makes it the child of another supervisor, with terms of its own.
    pub fn into_child(self) -> ChildSpec<Supervisor> {
        let tree = Arc::new(self.tree);
        let of = Arc::clone(&tree);
        let mut spec = ChildSpec::new(Arc::clone(&tree.name), move || {
            Supervisor::new(Arc::clone(&of), None)
        });
        spec.terms = Terms::of_a_supervisor();
        spec.subtree = Some(tree);
        spec
    }

    /// Starts the tree: all children, in order.
    ///
    /// # Errors
    ///
    /// [`StartFailed`] for the first child that does not start; the children before it have been stopped,
    /// and all are gone.
    ///
    /// # Cancel safety
    ///
    /// A dropped future leaves the tree to start, and to live.
    pub async fn start(self) -> Result<SupervisorRef, StartFailed> {
        let tree = Arc::new(self.tree);
        tree.place(None);
        supervision(&tree.node).add(&tree);
        let (tell, told) = oneshot::channel();
        let supervisor = Supervisor::new(Arc::clone(&tree), Some(tell));
        let supervisor = settle_root(&tree, tree.node.spawn(supervisor));
        match told.await {
            Ok(Ok(())) => Ok(supervisor),
            Ok(Err(failed)) => Err(failed),
            // It was killed, or its node shuts down, before it was done.
            Err(_gone) => Err(StartFailed {
                child: Arc::clone(&tree.name),
                why: StartFailure::Ended(supervisor.ended().await),
            }),
        }
    }
}

/// The ref to the supervisor of a tree, whose children are gone when it is.
pub(crate) fn settle(tree: Arc<Tree>, actor: ActorRef<SupervisorMessage>) -> SupervisorRef {
    tree.board.read_by(actor.clone());
    let below = Arc::clone(&tree);
    local(&actor).on_end(move |_reason| below.dismiss_all());
    SupervisorRef::new(tree)
}

/// The same for the root of a tree, whose end concerns the node.
fn settle_root(tree: &Arc<Tree>, actor: ActorRef<SupervisorMessage>) -> SupervisorRef {
    let root = Arc::clone(tree);
    local(&actor).on_end(move |reason| {
        let supervision = supervision(&root.node);
        supervision.remove(&root);
        if root.has_given_up() || matches!(reason, StopReason::Panicked(_)) {
            supervision.policy().act(&root.node, &root.name);
        }
    });
    settle(Arc::clone(tree), actor)
}

fn local(actor: &ActorRef<SupervisorMessage>) -> &LocalRef<SupervisorMessage> {
    match actor {
        ActorRef::Local(local) => local,
        _ => unreachable!("a supervisor lives on its tree's node"),
    }
}
