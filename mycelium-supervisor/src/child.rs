//! [`Child`]: a child as its supervisor knows it.

use std::{
    any::{Any, type_name},
    sync::Arc,
};

use mycelium_core::{Actor, ActorRef, Kept, Message, Node};
use mycelium_wire::ActorId;
use tokio::time::Instant;

use crate::{
    ChildError, ChildSpec, ChildState,
    backoff::Failures,
    board::{Board, ChildKey, Writer},
    child_spec::Terms,
    tree::Tree,
};

/// A child of a supervisor, under the lock of its tree.
pub(crate) struct Child {
    pub(crate) key: ChildKey,
    pub(crate) name: Arc<str>,
    pub(crate) terms: Terms,
    pub(crate) kept: Arc<Kept>,
    pub(crate) id: ActorId,
    /// An `ActorRef<M>`.
    actor: Box<dyn Any + Send>,
    message_type: &'static str,
    pub(crate) subtree: Option<Arc<Tree>>,
    /// The number of the life there is, or was last.
    pub(crate) life: u32,
    pub(crate) stage: Stage,
    pub(crate) failures: Failures,
}

/// How far a child is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It has no life, and is not due to have one.
    Down,
    Starting,
    Up,
    Stopping,
    /// It is to be started with the others of this number.
    Due {
        group: u64,
        at: Instant,
    },
}

impl Child {
    /// A child without a life, and the ref to it.
    pub(crate) fn new<A: Actor>(
        node: &Node,
        key: ChildKey,
        board: &Arc<Board>,
        spec: ChildSpec<A>,
    ) -> (Self, ActorRef<A::Message>) {
        let board = Arc::clone(board);
        let writer = Arc::new(Writer { board, child: key });
        let (actor, kept) = node.keep(spec.options, writer, spec.make);
        let child = Self {
            key,
            name: spec.name,
            terms: spec.terms,
            kept: Arc::new(kept),
            id: actor.id(),
            actor: Box::new(actor.clone()),
            message_type: type_name::<A::Message>(),
            subtree: spec.subtree,
            life: 0,
            stage: Stage::Down,
            failures: Failures::default(),
        };
        (child, actor)
    }

    /// The ref to it, where it takes messages of this type.
    pub(crate) fn actor<M: Message>(&self) -> Result<ActorRef<M>, ChildError> {
        let actor = self.actor.downcast_ref::<ActorRef<M>>();
        actor.cloned().ok_or_else(|| ChildError::WrongType {
            child: Arc::clone(&self.name),
            wanted: type_name::<M>(),
            found: self.message_type,
        })
    }

    /// What people are told of it.
    pub(crate) fn state(&self) -> ChildState {
        match self.stage {
            Stage::Down => ChildState::Down,
            Stage::Starting => ChildState::Starting,
            Stage::Up => ChildState::Up,
            Stage::Stopping => ChildState::Stopping,
            Stage::Due { at, .. } => ChildState::Restarting {
                after: at.saturating_duration_since(Instant::now()),
            },
        }
    }
}
