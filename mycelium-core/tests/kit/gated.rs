//! [`Gated`]: an actor that handles a message when the test lets it.

use std::{num::NonZeroUsize, sync::Arc};

use mycelium_core::{Actor, ActorRef, ActorResult, Context, Node, SpawnOptions};
use tokio::sync::{
    Semaphore,
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

/// Says which message it was given, and waits at the gate before it returns.
pub(crate) struct Gated {
    entered: UnboundedSender<u64>,
    gate: Arc<Semaphore>,
}

/// A gated actor in the hands of a test.
pub(crate) struct Gate {
    pub(crate) actor: ActorRef<u64>,
    /// The messages whose handling has started.
    pub(crate) entered: UnboundedReceiver<u64>,
    /// One permit lets one message through.
    pub(crate) permits: Arc<Semaphore>,
}

impl Gate {
    /// Spawns the actor behind a closed gate.
    pub(crate) fn spawn(node: &Node, capacity_messages: usize) -> Self {
        let (sender, entered) = unbounded_channel();
        let gate = Arc::new(Semaphore::new(0));
        let actor = Gated {
            entered: sender,
            gate: Arc::clone(&gate),
        };
        let capacity = NonZeroUsize::new(capacity_messages).unwrap();
        Self {
            actor: node.spawn_with(SpawnOptions::default().capacity(capacity), actor),
            entered,
            permits: gate,
        }
    }

    /// Sends `0` and waits until it is handled: the mailbox is empty, the actor busy.
    #[allow(dead_code, reason = "not every test needs a busy actor")]
    pub(crate) async fn occupy(&mut self) {
        self.actor.send(0).await.unwrap();
        assert_eq!(self.entered.recv().await, Some(0));
    }

    /// Opens the gate for good.
    #[allow(dead_code, reason = "not every test opens it")]
    pub(crate) fn open(&self) {
        self.permits.add_permits(Semaphore::MAX_PERMITS / 2);
    }

    /// What is handled from now on until the actor is stopped.
    #[allow(dead_code, reason = "not every test looks at what was handled")]
    pub(crate) async fn rest(mut self) -> Vec<u64> {
        self.open();
        self.actor.stop();
        let mut handled = Vec::new();
        while let Some(message) = self.entered.recv().await {
            handled.push(message);
        }
        handled
    }
}

impl Actor for Gated {
    type Message = u64;

    async fn handle(&mut self, message: u64, _cx: &mut Context<Self>) -> ActorResult {
        self.entered.send(message)?;
        self.gate.acquire().await?.forget();
        Ok(())
    }
}
