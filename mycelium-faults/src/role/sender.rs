//! The sender: sends numbered ticks, asks beside them, and says at the end what became of them.

use std::{
    ops::{ControlFlow, RangeInclusive},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use mycelium::{Link, prelude::*};
use tokio::{sync::watch, task::JoinSet, time};

use super::{Failure, Script, finish, life, pipe::Pipe, ready, sink, wish_to_end};
use crate::{
    clock::now_ns,
    packet::{Packet, content},
    record::{Event, GivenBack, Outcome, Record},
};

/// How long a sink may take to be there.
const APPEARS: Duration = Duration::from_secs(30);

/// How long a link may take to come to rest.
const RESTS: Duration = Duration::from_secs(15);

/// Ticks that are reported in one write, unless the row says otherwise.
const BATCH: usize = 64;

/// How long an ask may take that is answered.
const ECHO: Duration = Duration::from_secs(5);

/// How long one may take that is not.
const NEVER: Duration = Duration::from_mins(1);

struct Sender {
    node: Node,
    me: u64,
    pipe: Arc<Pipe>,
    bytes: usize,
    /// Links that were used.
    links: Mutex<Vec<Arc<dyn Link>>>,
}

/// A sink of one life.
#[derive(Clone)]
struct Target {
    sink: ActorRef<Packet>,
    life: u64,
}

pub(super) async fn play(script: &Script) -> Result<(), Failure> {
    let pipe = Arc::new(Pipe::open()?);
    let mut ends = wish_to_end()?;
    let Some(node) = script.start(&pipe).await? else {
        return Ok(());
    };
    if let Some(name) = script.text("serves") {
        sink::serve(&node, name, script, &pipe)?;
    }
    ready(&node, script, &pipe);
    let sender = Arc::new(Sender {
        me: life(node.id()),
        node,
        pipe,
        bytes: script.number("bytes", 64),
        links: Mutex::default(),
    });
    // They are heard for as long as the node lives, also where its last send has failed already.
    let mut watching = JoinSet::new();
    sender.send_all(script, &mut watching, ends.clone()).await?;
    if script.text("stays").is_some() {
        ends.wait_for(|ends| *ends).await?;
    }
    sender.report_rest().await;
    finish(&sender.node, &sender.pipe).await
}

impl Sender {
    async fn send_all(
        self: &Arc<Self>,
        script: &Script,
        watching: &mut JoinSet<()>,
        mut ends: watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        let count = match script.number("count", 0) {
            0 => u64::MAX,
            count => count as u64,
        };
        let rate = script.number("rate", 0);
        let batch = script.number("batch", BATCH) as u64;
        let mut next = 1;
        let mut asking = JoinSet::new();
        let mut met: Vec<Target> = Vec::new();
        let mut nevers = script.number("nevers", 0);
        let finds = script.text("finds").unwrap_or("sink");
        loop {
            let target = tokio::select! {
                target = self.find(finds) => target?,
                _ = ends.wait_for(|ends| *ends) => break,
            };
            if script.text("watches").is_some() {
                watching.spawn(Arc::clone(self).watch(target.clone()));
            }
            if script.text("olds").is_some() {
                self.try_old(&met);
                met.push(target.clone());
            }
            // One that nobody answers would hold up the end of a row that goes on.
            let nevers = std::mem::take(&mut nevers);
            self.ask(&mut asking, script, nevers, &target, &ends);
            let start = (time::Instant::now(), next);
            while next <= count {
                let last = count.min(next + batch - 1);
                let sent = self.send_batch(&target, next..=last, &mut ends).await;
                next = last + 1;
                if sent.is_break() {
                    break;
                }
                if rate > 0 {
                    let due = Duration::from_secs(next - start.1).div_f64(as_f64(rate));
                    time::sleep_until(start.0 + due).await;
                }
            }
            if next > count || script.text("again").is_none() || *ends.borrow() {
                break;
            }
        }
        while asking.join_next().await.is_some() {}
        Ok(())
    }

    /// Finds the sink, in whatever life it is, and notes the link to it.
    async fn find(&self, name: &str) -> Result<Target, Failure> {
        let sink = self.node.wait_for(name, APPEARS).await?;
        let link = self.node.links().pop().ok_or("the link is lost already")?;
        let life = life(link.peer());
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        if !links.iter().any(|known| Arc::ptr_eq(known, &link)) {
            links.push(link);
        }
        drop(links);
        self.pipe.write(&[self.record(Event::Linked, life)]);
        Ok(Target { sink, life })
    }

    /// Reports when the actor's end is told.
    async fn watch(self: Arc<Self>, target: Target) {
        if target.sink.ended().await.is_ok() {
            let told = self.record(Event::Told, target.life);
            self.pipe.write(&[told.value(now_ns())]);
        }
    }

    /// Sends through refs of lives and epochs that have ended.
    fn try_old(&self, met: &[Target]) {
        for old in met {
            let tick = Packet::tick(self.me, u64::MAX, self.bytes);
            let sent = old.sink.try_send(tick);
            let back = sent.err().map_or(0, |error| given_back(&error) as u64);
            let record = self.record(Event::OldRef, old.life);
            self.pipe.write(&[record.value(back)]);
        }
    }

    /// Sends some ticks; breaks where the sink is gone, or the end has come.
    async fn send_batch(
        &self,
        target: &Target,
        numbers: RangeInclusive<u64>,
        ends: &mut watch::Receiver<bool>,
    ) -> ControlFlow<()> {
        let attempts: Vec<_> = numbers.clone().map(|n| self.attempt(target, n)).collect();
        self.pipe.write(&attempts);
        let mut outcomes = Vec::with_capacity(attempts.len());
        let mut flow = ControlFlow::Continue(());
        for number in numbers {
            let tick = Packet::tick(self.me, number, self.bytes);
            let sent = tokio::select! {
                biased;
                sent = target.sink.send(tick) => sent,
                _ = ends.wait_for(|ends| *ends) => {
                    // It was not sent.
                    flow = ControlFlow::Break(());
                    break;
                }
            };
            let event = match &sent {
                Ok(()) => self.record(Event::Accepted, target.life),
                Err(error) => self
                    .record(Event::GivenBack, target.life)
                    .value(given_back(error) as u64),
            };
            outcomes.push(event.sequence(number));
            if sent.is_err() {
                let seen = self.record(Event::DownSeen, target.life);
                outcomes.push(seen.value(now_ns()));
                flow = ControlFlow::Break(());
                break;
            }
        }
        self.pipe.write(&outcomes);
        if *ends.borrow() {
            flow = ControlFlow::Break(());
        }
        flow
    }

    fn attempt(&self, target: &Target, number: u64) -> Record {
        let check = crc32c::crc32c(&content(self.me, number, self.bytes));
        let record = self.record(Event::Attempted, target.life);
        record.sequence(number).check(check)
    }

    /// Asks beside the ticks: some that are answered, one after the other, and some that are not.
    fn ask(
        self: &Arc<Self>,
        asking: &mut JoinSet<()>,
        script: &Script,
        nevers: usize,
        target: &Target,
        ends: &watch::Receiver<bool>,
    ) {
        let lives = 1 << 32;
        let first = |task: usize| ((target.life & 0xffff) << 48) | (task as u64 * lives);
        for task in 0..script.number("echoes", 0) {
            let (me, target, mut ends) = (Arc::clone(self), target.clone(), ends.clone());
            let first = first(task);
            asking.spawn(async move {
                for number in first.. {
                    let is_down = me.echo(&target, number).await;
                    if is_down || *ends.borrow_and_update() {
                        return;
                    }
                    time::sleep(Duration::from_millis(1)).await;
                }
            });
        }
        for task in 0..nevers {
            let (me, target) = (Arc::clone(self), target.clone());
            let number = first(1_000 + task);
            asking.spawn(async move {
                let sender = me.me;
                let ask = |reply| Packet::Never { sender, reply };
                let outcome = async {
                    let ask = target.sink.ask(ask).timeout(NEVER).await;
                    outcome(&ask)
                };
                me.note_ask(&target, number, NEVER, outcome).await;
            });
        }
    }

    /// One ask and its answer; says whether there will be no other.
    async fn echo(&self, target: &Target, number: u64) -> bool {
        let sender = self.me;
        let ask = |reply| Packet::Echo {
            sender,
            number,
            reply,
        };
        let answer = async {
            let answer = target.sink.ask(ask).timeout(ECHO).await;
            outcome(&answer)
        };
        let outcome = self.note_ask(target, number, ECHO, answer).await;
        !matches!(
            outcome,
            Outcome::Answer | Outcome::LinkDown | Outcome::Timeout
        )
    }

    async fn note_ask(
        &self,
        target: &Target,
        number: u64,
        timeout: Duration,
        ask: impl Future<Output = Outcome>,
    ) -> Outcome {
        let deadline = now_ns() + u64::try_from(timeout.as_nanos()).expect("it is short");
        let asked = self.record(Event::Asked, target.life).sequence(number);
        self.pipe.write(&[asked.value(deadline)]);
        let outcome = ask.await;
        let answered = self.record(Event::Answered, target.life).sequence(number);
        let answered = answered.value(now_ns()).check(outcome as u32);
        self.pipe.write(&[answered]);
        outcome
    }

    /// What became of everything, once the links are at rest.
    async fn report_rest(&self) {
        let links = self.links.lock().map(|links| links.clone());
        for link in links.unwrap_or_else(|poisoned| poisoned.into_inner().clone()) {
            let rest = async {
                while link.stats().in_flight > 0 || link.pending_asks() > 0 {
                    time::sleep(Duration::from_millis(1)).await;
                }
            };
            // What is left then is what the checker is told.
            let _ = time::timeout(RESTS, rest).await;
            let (stats, life) = (link.stats(), life(link.peer()));
            let counts = [
                (Event::LinkAccepted, stats.accepted),
                (Event::LinkConfirmed, stats.confirmed),
                (Event::LinkRefused, stats.refused),
                (Event::LinkUnknown, stats.unknown),
                (Event::LinkInFlight, stats.in_flight),
                (Event::LinkPending, link.pending_asks() as u64),
            ];
            let record = |(event, value)| self.record(event, life).value(value);
            self.pipe.write(&counts.map(record));
        }
    }

    fn record(&self, event: Event, receiver: u64) -> Record {
        Record::of(event).between(self.me, receiver)
    }
}

fn given_back<M>(error: &SendError<M>) -> GivenBack {
    match error {
        SendError::ActorDown { .. } => GivenBack::ActorDown,
        SendError::NodeDown(_) => GivenBack::NodeDown,
        SendError::Stale(_) => GivenBack::Stale,
        _ => GivenBack::Other,
    }
}

fn outcome<M>(answer: &Result<u64, AskError<M>>) -> Outcome {
    match answer {
        Ok(_) => Outcome::Answer,
        Err(AskError::NotSent(_)) => Outcome::NotSent,
        Err(AskError::NoReply) => Outcome::NoReply,
        Err(AskError::Timeout) => Outcome::Timeout,
        Err(AskError::LinkDown) => Outcome::LinkDown,
        Err(AskError::NodeDown) => Outcome::NodeDown,
        Err(AskError::ActorDown(_)) => Outcome::ActorDown,
        Err(_) => Outcome::Other,
    }
}

fn as_f64(rate: usize) -> f64 {
    f64::from(u32::try_from(rate).unwrap_or(u32::MAX))
}
