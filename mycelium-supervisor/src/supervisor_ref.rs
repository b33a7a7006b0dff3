//! [`SupervisorRef`]: what a program does with a supervisor that runs.

use std::{fmt, sync::Arc, time::Duration};

use mycelium_core::{Actor, ActorRef, Message, ReplyTo, StopReason};

use crate::{
    ChildError, ChildSpec, Supervisor, SupervisorMessage, TreeReport, board::ChildKey,
    builder::settle, child::Child, supervisor::Order, tree::Tree,
};

/// The supervisor answers, or its end does.
const PATIENCE: Duration = Duration::from_hours(24 * 365);

/// A ref to a supervisor and its children; cheap to clone. Dropping it changes nothing.
#[derive(Clone)]
pub struct SupervisorRef(Arc<Tree>);

impl SupervisorRef {
    pub(crate) fn new(tree: Arc<Tree>) -> Self {
        Self(tree)
    }

    /// The supervisor's name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The supervisor as an actor: to be watched, linked to, stopped.
    pub fn actor_ref(&self) -> &ActorRef<SupervisorMessage> {
        self.0.board.reader().expect("it was settled with its ref")
    }

    /// The ref to a child; good across its restarts.
    ///
    /// # Errors
    ///
    /// [`ChildError::NoSuchChild`], [`ChildError::WrongType`].
    pub fn child<M: Message>(&self, name: &str) -> Result<ActorRef<M>, ChildError> {
        let children = self.0.lock();
        let mut found = children.iter().filter(|child| *child.name == *name);
        match found.next() {
            Some(child) => child.actor(),
            None => Err(ChildError::NoSuchChild(name.into())),
        }
    }

    /// Adds a child behind those there are, and waits until it has started.
    ///
    /// # Errors
    ///
    /// [`ChildError::NameTaken`], [`ChildError::StartFailed`], [`ChildError::SupervisorGone`]. The child
    /// is gone then.
    ///
    /// # Cancel safety
    ///
    /// A dropped future may have added the child.
    pub async fn add<A: Actor>(
        &self,
        spec: ChildSpec<A>,
    ) -> Result<ActorRef<A::Message>, ChildError> {
        let key = ChildKey(self.0.next_number());
        let (child, actor) = Child::new(&self.0.node, key, &self.0.board, spec);
        let child = Box::new(child);
        self.ask(|reply| Order::Add { child, reply }).await?;
        Ok(actor)
    }

    /// Adds a supervisor as a child, and waits until all its children have started.
    ///
    /// # Errors
    ///
    /// Those of [`add`](Self::add).
    ///
    /// # Cancel safety
    ///
    /// As [`add`](Self::add).
    pub async fn add_supervisor(
        &self,
        spec: ChildSpec<Supervisor>,
    ) -> Result<SupervisorRef, ChildError> {
        let tree = spec.subtree.clone().expect("a supervisor has a tree");
        let key = ChildKey(self.0.next_number());
        let (child, actor) = Child::new(&self.0.node, key, &self.0.board, spec);
        // Before it lives: its children leave word for it.
        let supervisor = settle(tree, actor);
        let child = Box::new(child);
        self.ask(|reply| Order::Add { child, reply }).await?;
        Ok(supervisor)
    }

    /// Stops a child, which handles what it has accepted, and removes it.
    ///
    /// # Errors
    ///
    /// [`ChildError::NoSuchChild`], [`ChildError::SupervisorGone`].
    ///
    /// # Cancel safety
    ///
    /// A dropped future may have removed the child.
    pub async fn remove(&self, name: impl Into<Arc<str>>) -> Result<(), ChildError> {
        let name = name.into();
        self.ask(|reply| Order::Remove { name, reply }).await
    }

    /// Stops a child after the message at hand, and starts it again. Counts as no failure.
    ///
    /// # Errors
    ///
    /// [`ChildError::NoSuchChild`], [`ChildError::StartFailed`], [`ChildError::SupervisorGone`].
    ///
    /// # Cancel safety
    ///
    /// A dropped future may have restarted the child.
    pub async fn restart(&self, name: impl Into<Arc<str>>) -> Result<(), ChildError> {
        let name = name.into();
        self.ask(|reply| Order::Restart { name, reply }).await
    }

    /// The supervisor and its children, as they are now. Costs a lock of each supervisor's children.
    pub fn report(&self) -> TreeReport {
        self.0.report()
    }

    /// Stops the supervisor once it has done what it was asked before; its children are stopped in
    /// reverse order. Where it is a permanent child, it is restarted.
    pub fn stop(&self) {
        self.actor_ref().stop();
    }

    /// Why the supervisor is gone, once it is, and its children with it.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: call it again.
    pub async fn ended(&self) -> StopReason {
        let ended = self.actor_ref().ended().await;
        ended.expect("a supervisor lives on its tree's node")
    }

    async fn ask(
        &self,
        order: impl FnOnce(ReplyTo<Result<(), ChildError>>) -> Order,
    ) -> Result<(), ChildError> {
        let asked = self
            .actor_ref()
            .ask(|reply| SupervisorMessage(order(reply)));
        match asked.timeout(PATIENCE).await {
            Ok(done) => done,
            Err(_gone) => Err(ChildError::SupervisorGone),
        }
    }
}

impl fmt::Debug for SupervisorRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SupervisorRef({})", self.0.path())
    }
}
