//! The end of an actor is told to those who watch it.

use mycelium::{WatchError, prelude::*};
use tokio::sync::mpsc;

use super::actors::{LIVES, Tick, probe};
use crate::bed::Bed;

/// What a watcher has seen.
#[derive(Debug, PartialEq)]
enum Seen {
    Watch(Result<(), WatchError>),
    Message,
    End {
        is_the_watched: bool,
        reason: StopReason,
    },
}

struct Watcher {
    watched: ActorRef<Tick>,
    seen: mpsc::UnboundedSender<Seen>,
}

impl Actor for Watcher {
    type Message = Tick;

    async fn started(&mut self, cx: &mut Context<Self>) -> ActorResult {
        self.seen.send(Seen::Watch(cx.watch(&self.watched)))?;
        Ok(())
    }

    async fn handle(&mut self, _tick: Tick, _cx: &mut Context<Self>) -> ActorResult {
        self.seen.send(Seen::Message)?;
        Ok(())
    }

    async fn terminated(&mut self, notice: Terminated, _cx: &mut Context<Self>) -> ActorResult {
        self.seen.send(Seen::End {
            is_the_watched: notice.concerns(&self.watched),
            reason: notice.reason,
        })?;
        Ok(())
    }
}

pub(super) async fn the_end_of_an_actor_of_the_same_node_is_told_once_and_others_cannot_be_watched(
    bed: &Bed,
) {
    let (actor, _handled) = probe();
    let watched = bed.place(actor).await;
    let (sender, mut seen) = mpsc::unbounded_channel();
    let watcher = bed.near.spawn(Watcher {
        watched: watched.clone(),
        seen: sender,
    });
    if bed.reach().is_local() {
        assert_eq!(seen.recv().await, Some(Seen::Watch(Ok(()))));
        watched.stop();
        let end = Seen::End {
            is_the_watched: true,
            reason: StopReason::Stopped,
        };
        assert_eq!(seen.recv().await, Some(end));
    } else {
        let refused = Seen::Watch(Err(WatchError::NotLocal));
        assert_eq!(seen.recv().await, Some(refused));
        watched.stop();
    }
    watcher.send(Tick::number(0)).await.expect(LIVES);
    assert_eq!(seen.recv().await, Some(Seen::Message));
    watcher.stop();
    assert_eq!(seen.recv().await, None, "nothing was told twice");
}
