//! [`Kept`]: an actor that is kept, with its keeper in the hands of a test.

use std::sync::Arc;

use mycelium_core::{Actor, ActorRef, Keeper, Kept as Handle, Node, SpawnOptions, StopReason};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What a keeper was told.
#[derive(Debug, PartialEq)]
pub(crate) enum Told {
    Started(u32),
    Ended(u32, StopReason),
}

struct Recorder(UnboundedSender<Told>);

impl Keeper for Recorder {
    fn started(&self, life: u32) {
        let _ = self.0.send(Told::Started(life));
    }

    fn ended(&self, life: u32, reason: &StopReason) {
        let _ = self.0.send(Told::Ended(life, reason.clone()));
    }
}

/// An actor that is kept, and what its keeper is told.
pub(crate) struct Kept<A: Actor> {
    pub(crate) actor: ActorRef<A::Message>,
    pub(crate) handle: Handle,
    pub(crate) told: UnboundedReceiver<Told>,
}

impl<A: Actor> Kept<A> {
    /// An actor without a life.
    pub(crate) fn new(node: &Node, make: impl FnMut() -> A + Send + 'static) -> Self {
        let (sender, told) = unbounded_channel();
        let (actor, handle) = node.keep(SpawnOptions::default(), Arc::new(Recorder(sender)), make);
        Self {
            actor,
            handle,
            told,
        }
    }

    /// Begins a life, and waits until it has started.
    pub(crate) async fn live(&mut self) -> u32 {
        self.handle.revive();
        match self.told.recv().await.unwrap() {
            Told::Started(life) => life,
            Told::Ended(life, reason) => panic!("life {life} has ended: {reason}"),
        }
    }

    /// Waits until the life is over.
    pub(crate) async fn ended(&mut self) -> StopReason {
        match self.told.recv().await.unwrap() {
            Told::Ended(_, reason) => reason,
            Told::Started(life) => panic!("life {life} has started"),
        }
    }
}
