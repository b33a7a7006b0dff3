//! [`Timer`]: a message to oneself, later.

use std::time::Duration;

use tokio::{
    task::AbortHandle,
    time::{self, Instant, MissedTickBehavior},
};

use crate::{ActorRef, LocalRef, Message, Node, beside::run_beside};

/// Longer than any node lives; the clock counts that far.
pub(crate) const FAR: Duration = Duration::from_hours(24 * 365 * 30);

/// The time that lies `duration` ahead, which may be as long as durations get.
pub(crate) fn from_now(duration: Duration) -> Instant {
    Instant::now() + duration.min(FAR)
}

/// A message that an actor will be sent, or is sent again and again, by itself.
///
/// Dropping it changes nothing; the timer ends with the actor.
#[derive(Debug)]
pub struct Timer(AbortHandle);

impl Timer {
    /// Takes it back: nothing is sent any more that lies not in the mailbox already.
    pub fn cancel(&self) {
        self.0.abort();
    }

    pub(crate) fn once<M: Message>(
        node: &Node,
        actor: &LocalRef<M>,
        after: Duration,
        message: M,
    ) -> Self {
        let to = ActorRef::Local(actor.clone());
        Self(run_beside(node, actor, async move {
            time::sleep(after).await;
            // An actor that is gone needs no reminder.
            let _ = to.send(message).await;
        }))
    }

    pub(crate) fn each<M: Message>(
        node: &Node,
        actor: &LocalRef<M>,
        period: Duration,
        mut make: impl FnMut() -> M + Send + 'static,
    ) -> Self {
        let to = ActorRef::Local(actor.clone());
        Self(run_beside(node, actor, async move {
            let mut ticks = time::interval_at(from_now(period), period.min(FAR));
            // An actor that lags is not flooded with the ticks it missed.
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            loop {
                ticks.tick().await;
                if to.send(make()).await.is_err() {
                    return;
                }
            }
        }))
    }
}
