//! Every message is handled, or given back, or counted.

use std::{collections::BTreeSet, sync::Arc};

use mycelium::{DeadLetterNotice, DeadLetters, LinkStats, prelude::*};
use tokio::{
    sync::{Semaphore, mpsc},
    task::{self, JoinSet},
};

use super::actors::{Tick, capacity, fill, refusal};
use crate::bed::Bed;

/// Fails at the message of this sequence, or after so many; starts when it is let.
pub(super) struct Mortal {
    fails_after: usize,
    start: Arc<Semaphore>,
    handled: mpsc::UnboundedSender<Tick>,
    count: usize,
}

impl Actor for Mortal {
    type Message = Tick;

    async fn started(&mut self, _cx: &mut Context<Self>) -> ActorResult {
        self.start.acquire().await?.forget();
        Ok(())
    }

    async fn handle(&mut self, tick: Tick, _cx: &mut Context<Self>) -> ActorResult {
        self.handled.send(tick)?;
        self.count += 1;
        if self.count == self.fails_after {
            return Err("enough".into());
        }
        Ok(())
    }
}

pub(super) fn mortal(
    fails_after: usize,
) -> (Mortal, Arc<Semaphore>, mpsc::UnboundedReceiver<Tick>) {
    let start = Arc::new(Semaphore::new(0));
    let (sender, handled) = mpsc::unbounded_channel();
    let actor = Mortal {
        fails_after,
        start: Arc::clone(&start),
        handled: sender,
        count: 0,
    };
    (actor, start, handled)
}

async fn all(mut handled: mpsc::UnboundedReceiver<Tick>) -> Vec<Tick> {
    let mut all = Vec::new();
    while let Some(tick) = handled.recv().await {
        all.push(tick);
    }
    all
}

/// The messages that an actor of the far node left behind.
async fn letters(letters: &mut DeadLetters, of: &ActorRef<Tick>, reason: &StopReason) -> usize {
    loop {
        match letters.next().await {
            Some(DeadLetterNotice::Letter(letter)) if letter.target == of.id() => {
                let reason = DeadLetterReason::ActorEnded(reason.clone());
                assert_eq!(letter.reason, reason);
                assert!(letter.message_type.ends_with("Tick"));
                return letter.count;
            }
            Some(_) => {}
            None => panic!("the node lives"),
        }
    }
}

pub(super) async fn every_accepted_message_is_handled_or_a_dead_letter(bed: &Bed) {
    let mut dead_letters = bed.far.dead_letters();
    let (actor, start, handled) = mortal(21);
    let ticks = bed.place_with(capacity(50), actor).await;
    let (accepted, refused) = fill(bed, &ticks, Tick::number).await;
    assert_eq!((accepted, refused), (50, Tick::number(50)));
    start.add_permits(1);
    let handled = all(handled).await;
    assert!(handled.iter().copied().eq((0..21).map(Tick::number)));
    let reason = StopReason::Failed("enough".into());
    let left = letters(&mut dead_letters, &ticks, &reason).await;
    assert_eq!(handled.len() + left, 50);
    for _ in 0..10 {
        let refused = refusal(&ticks, || refused).await;
        assert_eq!(refused.into_inner(), Tick::number(50));
    }
}

pub(super) async fn no_message_is_both_handled_and_given_back(bed: &Bed) {
    const SENDERS: u32 = 4;
    let mut dead_letters = bed.far.dead_letters();
    let (actor, start, handled) = mortal(1_000);
    let ticks = bed.place_with(capacity(32), actor).await;
    let mut sending = JoinSet::new();
    for sender in 0..SENDERS {
        let ticks = ticks.clone();
        sending.spawn(async move {
            for sequence in 0.. {
                if let Err(refused) = ticks.send(Tick { sequence, sender }).await {
                    return refused.into_inner();
                }
            }
            unreachable!("the actor fails")
        });
    }
    start.add_permits(1);
    let returned = sending.join_all().await;
    // Each sender's first failure comes after all that it had accepted.
    let accepted: u64 = returned.iter().map(|tick| tick.sequence).sum();
    let handled = all(handled).await;
    let key = |tick: &Tick| (tick.sender, tick.sequence);
    let once: BTreeSet<_> = handled.iter().map(key).collect();
    assert_eq!((handled.len(), once.len()), (1_000, 1_000));
    for tick in &returned {
        assert!(!once.contains(&key(tick)), "{tick:?}");
    }
    let lost = accepted - handled.len() as u64;
    if bed.reach().is_local() {
        if lost > 0 {
            let reason = StopReason::Failed("enough".into());
            let left = letters(&mut dead_letters, &ticks, &reason).await;
            assert_eq!(left as u64, lost);
        }
    } else {
        let expected = LinkStats {
            accepted,
            confirmed: 1_000,
            refused: lost,
            ..LinkStats::default()
        };
        assert_eq!(at_rest(bed, ticks).await, expected);
    }
}

/// What became of the messages to an actor, once no ref to it is left and the link is quiet.
pub(super) async fn at_rest(bed: &Bed, ticks: ActorRef<Tick>) -> LinkStats {
    drop(ticks);
    let [link] = &bed.near.links()[..] else {
        panic!("one link");
    };
    while link.bindings() > 0 {
        task::yield_now().await;
    }
    link.stats()
}
