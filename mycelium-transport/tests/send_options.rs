//! What goes along with a message to another node: a time to live, its age, a place in a trace.

mod support;

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use mycelium_core::{
    Actor, ActorRef, ActorResult, AskError, Context, LinkStats, ReplyTo, SendError, SendOptions,
    SpawnOptions,
};
use mycelium_macros::message;
use mycelium_registry::Registry;
use mycelium_transport::Transport;
use mycelium_wire::TraceContext;
use tokio::{
    sync::{
        Semaphore,
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    },
    task,
    time::{Instant, advance},
};

use crate::support::{GRACE, Pair, over_every_transport};

over_every_transport!(
    what_has_expired_behind_a_stuck_actor_is_refused_and_counted_exactly,
    a_send_whose_time_passes_without_room_gives_its_message_back,
    the_age_and_the_trace_of_a_message_arrive,
    a_long_message_brings_along_what_was_given,
    an_ask_brings_its_trace_along,
    a_port_in_a_message_that_has_expired_fails_its_ask,
);

const TRACE: TraceContext = TraceContext {
    trace_id: 0xfeed_feed_feed_feed,
    span_id: 0xbeef,
};

const MUCH_TIME: Duration = Duration::from_hours(1);

/// A time that has passed when the turn of its message comes, however soon that is.
fn no_time() -> SendOptions {
    SendOptions::default().ttl(Duration::ZERO)
}

#[message(crate = mycelium_wire)]
enum Item {
    Number { number: u64, filling: Vec<u8> },
    Asked { reply: ReplyTo<Option<u64>> },
}

fn number(number: u64) -> Item {
    Item::Number {
        number,
        filling: Vec::new(),
    }
}

/// What a handler found.
#[derive(Debug)]
struct Found {
    number: u64,
    age: Option<Duration>,
    trace: Option<TraceContext>,
    at: Instant,
}

/// Tells the test what it handles, once it is let.
struct Finder {
    found: UnboundedSender<Found>,
    start: Arc<Semaphore>,
}

impl Actor for Finder {
    type Message = Item;

    async fn started(&mut self, _: &mut Context<Self>) -> ActorResult {
        self.start.acquire().await?.forget();
        Ok(())
    }

    async fn handle(&mut self, item: Item, cx: &mut Context<Self>) -> ActorResult {
        let (age, trace) = (cx.age(), cx.trace());
        match item {
            Item::Number { number, .. } => self.found.send(Found {
                number,
                age,
                trace,
                at: Instant::now(),
            })?,
            Item::Asked { reply } => reply.send(trace.map(|trace| trace.trace_id)),
        }
        Ok(())
    }
}

/// A finder on the server that was not let yet, as the client knows it.
struct Stuck {
    actor: ActorRef<Item>,
    found: UnboundedReceiver<Found>,
    start: Arc<Semaphore>,
}

impl Stuck {
    async fn of(pair: &Pair, options: SpawnOptions) -> Self {
        let (sender, found) = unbounded_channel();
        let start = Arc::new(Semaphore::new(0));
        let finder = Finder {
            found: sender,
            start: Arc::clone(&start),
        };
        let local = pair.server.spawn_with(options, finder);
        pair.server.register("finder", &local).expect("it is free");
        let actor = pair.client.resolve("finder").await.expect("it is there");
        Self {
            actor,
            found,
            start,
        }
    }

    fn open(&self) {
        self.start.add_permits(1);
    }

    async fn next(&mut self) -> Found {
        self.found.recv().await.expect("the actor lives")
    }
}

/// What became of all that was sent through a ref.
async fn at_rest(pair: &Pair, actor: ActorRef<Item>) -> LinkStats {
    drop(actor);
    let link = pair.client.links().remove(0);
    while link.bindings() > 0 {
        task::yield_now().await;
    }
    link.stats()
}

fn capacity(messages: usize) -> SpawnOptions {
    SpawnOptions::default().capacity(NonZeroUsize::new(messages).expect("room for one"))
}

/// Sends a message that is of no use any more, as soon as there is room for it.
async fn send_late(actor: &ActorRef<Item>) {
    while let Err(refused) = actor.with(no_time()).try_send(number(0)) {
        assert!(matches!(refused, SendError::Full(_)), "{refused:?}");
        task::yield_now().await;
    }
}

async fn what_has_expired_behind_a_stuck_actor_is_refused_and_counted_exactly(
    transport: Transport,
) {
    let pair = Pair::over(transport).await;
    let mut stuck = Stuck::of(&pair, capacity(16)).await;
    let in_time = SendOptions::default().ttl(MUCH_TIME);
    for round in 0..50 {
        send_late(&stuck.actor).await;
        let sent = stuck.actor.with(in_time).send(number(round)).await;
        sent.expect("room comes");
        send_late(&stuck.actor).await;
        stuck.actor.send(number(round)).await.expect("room comes");
        if round == 1 {
            stuck.open();
        }
    }
    for round in 0..50 {
        assert_eq!(stuck.next().await.number, round);
        assert_eq!(stuck.next().await.number, round);
    }
    let stats = at_rest(&pair, stuck.actor).await;
    let wanted = LinkStats {
        accepted: 200,
        confirmed: 100,
        refused: 100,
        ..LinkStats::default()
    };
    assert_eq!(stats, wanted);
    let letters = pair.server.stats().dead_letters;
    assert_eq!((letters.expired, letters.total()), (100, 100));
    pair.shutdown().await;
}

async fn a_send_whose_time_passes_without_room_gives_its_message_back(transport: Transport) {
    let pair = Pair::over(transport).await;
    let stuck = Stuck::of(&pair, capacity(1)).await;
    stuck.actor.try_send(number(1)).expect("room for one");
    let short = SendOptions::default().ttl(Duration::from_millis(5));
    let refused = stuck.actor.with(short).send(number(2)).await;
    let Err(SendError::Timeout(Item::Number { number: 2, .. })) = refused else {
        panic!("{refused:?}")
    };
    let refused = stuck.actor.with(short).try_send(number(3));
    assert!(matches!(refused, Err(SendError::Full(_))), "{refused:?}");
    stuck.open();
    let stats = at_rest(&pair, stuck.actor).await;
    assert_eq!((stats.accepted, stats.confirmed), (1, 1));
    pair.shutdown().await;
}

async fn the_age_and_the_trace_of_a_message_arrive(transport: Transport) {
    let pair = Pair::over(transport).await;
    let mut stuck = Stuck::of(&pair, SpawnOptions::default()).await;
    let options = SendOptions::default().ttl(MUCH_TIME).trace(TRACE);
    let before = Instant::now();
    stuck
        .actor
        .with(options)
        .send(number(1))
        .await
        .expect("room");
    let after = Instant::now();
    stuck.actor.send(number(2)).await.expect("room");
    stuck.open();
    let first = stuck.next().await;
    assert_eq!((first.number, first.trace), (1, Some(TRACE)));
    // Both are of this host: the age counts from the send, by the same clock.
    let age = first.age.expect("it was sent with options");
    assert!(age <= first.at - before, "{age:?}");
    let handled = first.at - after;
    assert!(age + (Instant::now() - first.at) >= handled, "{age:?}");
    let second = stuck.next().await;
    assert_eq!((second.number, second.trace), (2, None));
    assert_eq!(second.age, None);
    drop(stuck);
    pair.shutdown().await;
}

async fn a_long_message_brings_along_what_was_given(transport: Transport) {
    let pair = Pair::over(transport).await;
    let mut stuck = Stuck::of(&pair, SpawnOptions::default().measure_age()).await;
    let long = |number| Item::Number {
        number,
        filling: vec![7; 500_000],
    };
    let traced = SendOptions::default().trace(TRACE);
    stuck
        .actor
        .with(no_time())
        .send(long(1))
        .await
        .expect("room");
    stuck.actor.with(traced).send(long(2)).await.expect("room");
    stuck.open();
    let found = stuck.next().await;
    assert_eq!((found.number, found.trace), (2, Some(TRACE)));
    stuck.actor.send(long(3)).await.expect("room");
    let found = stuck.next().await;
    assert_eq!((found.number, found.trace), (3, None));
    assert!(found.age.is_some(), "the actor measures it");
    let stats = at_rest(&pair, stuck.actor).await;
    assert_eq!((stats.confirmed, stats.refused), (2, 1));
    pair.shutdown().await;
}

async fn an_ask_brings_its_trace_along(transport: Transport) {
    let pair = Pair::over(transport).await;
    let stuck = Stuck::of(&pair, SpawnOptions::default()).await;
    stuck.open();
    let ask = stuck.actor.ask(|reply| Item::Asked { reply }).trace(TRACE);
    assert_eq!(ask.await.expect("it answers"), Some(TRACE.trace_id));
    let ask = stuck.actor.ask(|reply| Item::Asked { reply });
    assert_eq!(ask.await.expect("it answers"), None);
    drop(stuck);
    pair.shutdown().await;
}

/// Sends each port that it is sent on, in a message that is of no use any more.
struct TooLate(ActorRef<Item>);

impl Actor for TooLate {
    type Message = Item;

    async fn handle(&mut self, item: Item, _: &mut Context<Self>) -> ActorResult {
        self.0.with(no_time()).send(item).await?;
        Ok(())
    }
}

async fn a_port_in_a_message_that_has_expired_fails_its_ask(transport: Transport) {
    let pair = Pair::over(transport).await;
    let stuck = Stuck::of(&pair, SpawnOptions::default()).await;
    stuck.open();
    let late = pair.client.spawn(TooLate(stuck.actor.clone()));
    let outcome = late.ask(|reply| Item::Asked { reply }).timeout(GRACE).await;
    assert!(matches!(outcome, Err(AskError::NoReply)), "{outcome:?}");
    drop((late, stuck));
    pair.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn on_one_host_a_time_to_live_counts_from_the_send() {
    let pair = Pair::over(Transport::Memory).await;
    let mut stuck = Stuck::of(&pair, SpawnOptions::default()).await;
    let second = Duration::from_secs(1);
    for (seconds, item) in [(2, 1), (4, 2), (3, 3), (9, 4)] {
        let options = SendOptions::default().ttl(seconds * second);
        let sent = stuck.actor.with(options).send(number(item)).await;
        sent.expect("room");
    }
    advance(3 * second).await;
    stuck.open();
    for item in [2, 4] {
        let found = stuck.next().await;
        assert_eq!(found.number, item);
        assert_eq!(found.age, Some(3 * second));
    }
    assert_eq!(pair.server.stats().dead_letters.expired, 2);
}
