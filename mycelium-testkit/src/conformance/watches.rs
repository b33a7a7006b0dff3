//! The end of an actor is told to those who watch it.

use mycelium::{WatchError, prelude::*};
use tokio::sync::{mpsc, oneshot};

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
    /// Whom it watches; it is told when it starts.
    told: oneshot::Receiver<ActorRef<Tick>>,
    watched: Option<ActorRef<Tick>>,
    seen: mpsc::UnboundedSender<Seen>,
}

type Told = (
    oneshot::Sender<ActorRef<Tick>>,
    mpsc::UnboundedReceiver<Seen>,
);

fn watcher() -> (Watcher, Told) {
    let (tell, told) = oneshot::channel();
    let (sender, seen) = mpsc::unbounded_channel();
    let watcher = Watcher {
        told,
        watched: None,
        seen: sender,
    };
    (watcher, (tell, seen))
}

impl Actor for Watcher {
    type Message = Tick;

    async fn started(&mut self, cx: &mut Context<Self>) -> ActorResult {
        let watched = (&mut self.told).await?;
        self.seen.send(Seen::Watch(cx.watch(&watched)))?;
        self.watched = Some(watched);
        Ok(())
    }

    async fn handle(&mut self, _tick: Tick, _cx: &mut Context<Self>) -> ActorResult {
        self.seen.send(Seen::Message)?;
        Ok(())
    }

    async fn terminated(&mut self, notice: Terminated, _cx: &mut Context<Self>) -> ActorResult {
        self.seen.send(Seen::End {
            is_the_watched: self
                .watched
                .as_ref()
                .is_some_and(|actor| notice.concerns(actor)),
            reason: notice.reason,
        })?;
        Ok(())
    }
}

pub(super) async fn the_end_of_an_actor_is_told_once_with_its_reason(bed: &Bed) {
    let (actor, _handled) = probe();
    let watched = bed.place(actor).await;
    let (watcher, (tell, mut seen)) = watcher();
    let watcher = bed.near.spawn(watcher);
    tell.send(watched.clone()).expect("it waits");
    assert_eq!(seen.recv().await, Some(Seen::Watch(Ok(()))));
    watched.stop();
    let end = Seen::End {
        is_the_watched: true,
        reason: StopReason::Stopped,
    };
    assert_eq!(seen.recv().await, Some(end));
    watcher.send(Tick::number(0)).await.expect(LIVES);
    assert_eq!(seen.recv().await, Some(Seen::Message));
    watcher.stop();
    assert_eq!(seen.recv().await, None, "nothing was told twice");
}

/// Sends all it was told to, and ends.
struct Herald {
    to: ActorRef<Tick>,
    ticks: u64,
}

impl Actor for Herald {
    type Message = Tick;

    async fn handle(&mut self, _tick: Tick, cx: &mut Context<Self>) -> ActorResult {
        for number in 0..self.ticks {
            self.to.send(Tick::number(number)).await?;
        }
        cx.stop();
        Ok(())
    }
}

/// A message of any length.
#[message]
struct Parcel(Vec<u8>);

/// Sends one long message, and ends.
struct LastWords(ActorRef<Parcel>);

impl Actor for LastWords {
    type Message = Tick;

    async fn handle(&mut self, _tick: Tick, cx: &mut Context<Self>) -> ActorResult {
        self.0.send(Parcel(vec![7; 900_000])).await?;
        cx.stop();
        Ok(())
    }
}

/// Watches as [`Watcher`] does, and takes parcels.
struct Heir(Watcher);

impl Actor for Heir {
    type Message = Parcel;

    async fn started(&mut self, cx: &mut Context<Self>) -> ActorResult {
        let watched = (&mut self.0.told).await?;
        self.0.seen.send(Seen::Watch(cx.watch(&watched)))?;
        self.0.watched = Some(watched);
        Ok(())
    }

    async fn handle(&mut self, parcel: Parcel, _cx: &mut Context<Self>) -> ActorResult {
        assert_eq!(parcel.0.len(), 900_000);
        self.0.seen.send(Seen::Message)?;
        Ok(())
    }

    async fn terminated(&mut self, notice: Terminated, _cx: &mut Context<Self>) -> ActorResult {
        let mut watched = self.0.watched.iter();
        self.0.seen.send(Seen::End {
            is_the_watched: watched.any(|actor| notice.concerns(actor)),
            reason: notice.reason,
        })?;
        Ok(())
    }
}

pub(super) async fn a_notice_comes_after_a_long_last_message(bed: &Bed) {
    let (watcher, (tell, mut seen)) = watcher();
    let heir = bed.place_near(Heir(watcher)).await;
    let dying = bed.place(LastWords(heir)).await;
    tell.send(dying.clone()).expect("it waits");
    assert_eq!(seen.recv().await, Some(Seen::Watch(Ok(()))));
    dying.send(Tick::number(0)).await.expect(LIVES);
    assert_eq!(seen.recv().await, Some(Seen::Message));
    let end = Seen::End {
        is_the_watched: true,
        reason: StopReason::Stopped,
    };
    assert_eq!(seen.recv().await, Some(end));
}

pub(super) async fn a_notice_comes_after_the_last_message_of_the_dead(bed: &Bed) {
    const TICKS: u64 = 3_000;
    let (watcher, (tell, mut seen)) = watcher();
    let to = bed.place_near(watcher).await;
    let herald = bed.place(Herald { to, ticks: TICKS }).await;
    tell.send(herald.clone()).expect("it waits");
    assert_eq!(seen.recv().await, Some(Seen::Watch(Ok(()))));
    herald.send(Tick::number(0)).await.expect(LIVES);
    for _ in 0..TICKS {
        assert_eq!(seen.recv().await, Some(Seen::Message));
    }
    let end = Seen::End {
        is_the_watched: true,
        reason: StopReason::Stopped,
    };
    assert_eq!(seen.recv().await, Some(end));
}
