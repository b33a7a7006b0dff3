//! Eight senders, actors that fail, panic, wait and are killed or stopped at random: what was
//! accepted is handled, in order, or a dead letter, and nothing hangs.
//!
//! A run prints its seed; `MYCELIUM_SEED` repeats it, as far as two workers can be repeated.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows tests by their attribute, not their helpers"
)]

use std::{
    env,
    future::pending,
    num::NonZeroUsize,
    process,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use mycelium_core::{
    Actor, ActorRef, ActorResult, Context, DeadLetterNotice, DeadLetters, Node, SendError,
    SpawnOptions,
};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use tokio::{
    runtime::Builder,
    task::{JoinSet, yield_now},
    time,
};

use crate::ended::ended;

#[path = "kit/ended.rs"]
mod ended;

const SENDERS: usize = 8;
const ROUNDS: u64 = 400;
const ACTORS: usize = 4;
const SENDS: u64 = 60;

/// So long that only a hang takes it.
const WATCHDOG: Duration = Duration::from_mins(2);

#[derive(Clone, Copy)]
struct Numbered {
    sender: usize,
    number: u64,
    deed: Deed,
}

#[derive(Clone, Copy)]
enum Deed {
    Works,
    Yields,
    Waits,
    Fails,
    Panics,
    Stops,
}

/// Handles what came in order, and sometimes does not survive it.
struct Fragile {
    handled: Arc<AtomicU64>,
    /// The number last seen of each sender, plus one.
    seen: [u64; SENDERS],
    misordered: Arc<AtomicUsize>,
}

impl Actor for Fragile {
    type Message = Numbered;

    async fn handle(&mut self, message: Numbered, cx: &mut Context<Self>) -> ActorResult {
        self.handled.fetch_add(1, Ordering::SeqCst);
        let seen = &mut self.seen[message.sender];
        if message.number < *seen {
            self.misordered.fetch_add(1, Ordering::SeqCst);
        }
        *seen = message.number + 1;
        match message.deed {
            Deed::Works => {}
            Deed::Yields => yield_now().await,
            Deed::Waits => time::sleep(Duration::from_millis(1)).await,
            Deed::Fails => return Err("at random".into()),
            Deed::Panics => panic!("at random"),
            Deed::Stops => cx.stop(),
        }
        Ok(())
    }
}

fn deed(random: &mut SmallRng) -> Deed {
    match random.random_range(0..1_000) {
        0..100 => Deed::Yields,
        100..105 => Deed::Waits,
        105..107 => Deed::Fails,
        107..109 => Deed::Panics,
        109..110 => Deed::Stops,
        _ => Deed::Works,
    }
}

/// Sends to actors chosen at random in every way there is; says how many were accepted.
async fn send_some(actors: Vec<ActorRef<Numbered>>, sender: usize, mut random: SmallRng) -> u64 {
    let mut accepted = 0;
    for number in 0..SENDS {
        let actor = &actors[random.random_range(0..actors.len())];
        let message = Numbered {
            sender,
            number,
            deed: deed(&mut random),
        };
        let sent = match random.random_range(0..1_000) {
            0..500 => actor.send(message).await,
            500..800 => actor.try_send(message),
            800..900 => actor.send_timeout(message, Duration::from_millis(1)).await,
            900..994 => give_up(actor, message).await,
            994..997 => {
                actor.kill();
                actor.try_send(message)
            }
            _ => {
                actor.stop();
                actor.try_send(message)
            }
        };
        accepted += u64::from(sent.is_ok());
    }
    accepted
}

/// A send that is dropped after it was polled for a while.
async fn give_up(actor: &ActorRef<Numbered>, message: Numbered) -> Result<(), SendError<Numbered>> {
    tokio::select! {
        biased;
        sent = actor.send(message) => sent,
        () = yield_now() => Err(SendError::Timeout(message)),
    }
}

/// One round: actors, senders, and the books at the end. Says how many messages were accepted.
async fn round(node: &Node, seed: u64) -> u64 {
    let mut random = SmallRng::seed_from_u64(seed);
    let handled = Arc::new(AtomicU64::new(0));
    let misordered = Arc::new(AtomicUsize::new(0));
    let mut letters = node.dead_letters();
    let actors: Vec<_> = (0..ACTORS)
        .map(|_| {
            let capacity = NonZeroUsize::new(random.random_range(1..10)).unwrap();
            let fragile = Fragile {
                handled: Arc::clone(&handled),
                seen: [0; SENDERS],
                misordered: Arc::clone(&misordered),
            };
            node.spawn_with(SpawnOptions::default().capacity(capacity), fragile)
        })
        .collect();
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        let random = SmallRng::seed_from_u64(random.random());
        senders.spawn(send_some(actors.clone(), sender, random));
    }
    let accepted: u64 = senders.join_all().await.into_iter().sum();
    for actor in &actors {
        actor.stop();
        ended(actor).await;
    }
    let left = count_letters(node, &mut letters).await;
    let handled = handled.load(Ordering::SeqCst);
    assert_eq!(
        accepted,
        handled + left,
        "accepted = handled + left, round {seed}"
    );
    assert_eq!(misordered.load(Ordering::SeqCst), 0, "round {seed}");
    assert_eq!(node.actors_len(), 0, "round {seed}");
    accepted
}

/// An actor that never handles anything.
struct Asleep;

impl Actor for Asleep {
    type Message = ();

    async fn started(&mut self, _cx: &mut Context<Self>) -> ActorResult {
        pending().await
    }

    async fn handle(&mut self, (): (), _cx: &mut Context<Self>) -> ActorResult {
        Ok(())
    }
}

/// Every letter so far: they end with that of an actor killed for the purpose.
async fn count_letters(node: &Node, letters: &mut DeadLetters) -> u64 {
    let last = node.spawn(Asleep);
    last.try_send(()).unwrap();
    last.kill();
    ended(&last).await;
    let mut count = 0;
    while let Some(DeadLetterNotice::Letter(letter)) = letters.next().await {
        if letter.target == last.id() {
            return count;
        }
        count += letter.count as u64;
    }
    panic!("letters were missed")
}

#[test]
fn what_was_accepted_is_handled_in_order_or_a_dead_letter() {
    let seed: u64 =
        env::var("MYCELIUM_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("MYCELIUM_SEED={seed}");
    let (done, is_done) = mpsc::channel::<()>();
    let watchdog = thread::spawn(move || {
        if is_done.recv_timeout(WATCHDOG) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("hangs: MYCELIUM_SEED={seed}");
            process::abort();
        }
    });
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let node = Node::builder("stress").start().await.unwrap();
        let mut accepted = 0;
        for number in 0..ROUNDS {
            accepted += round(&node, seed ^ number).await;
        }
        println!("accepted {accepted} of {}", ROUNDS * SENDERS as u64 * SENDS);
        node.shutdown(WATCHDOG).await.unwrap();
    });
    drop(done);
    watchdog.join().unwrap();
}
