//! [`check`]: decides from ledgers alone whether the promises were kept.
//!
//! I1, no message is lost unreported or handled twice; I2, one sender's messages are handled in
//! order; I3, every ask has one outcome by its deadline and none is left pending; I5, no process
//! ends but by its end or by our kill. Pure: it reads logs and nothing else.

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use crate::{
    log::{Ending, Log},
    record::{Event, Outcome, Record},
};

/// How late an outcome may be noticed on a busy machine.
const GRACE_NS: u64 = 1_000_000_000;

/// The sums of a row, for its line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) accepted: u64,
    pub(crate) handled: u64,
    pub(crate) confirmed: u64,
    pub(crate) refused: u64,
    pub(crate) unknown: u64,
}

/// A promise that was not kept, in words that name the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken(pub(crate) String);

/// A pair of lives: who sent to whom.
type Pair = (u64, u64);

/// Holds the ledgers of all processes of a row against the promises.
///
/// # Errors
///
/// Every promise that was broken, the first of each kind and pair.
pub(crate) fn check(logs: &[Log]) -> Result<Totals, Vec<Broken>> {
    let mut broken = Vec::new();
    broken.extend(logs.iter().filter_map(ended_badly));
    let pairs = Pairs::of(logs);
    for (pair, handled) in &pairs.handled {
        broken.extend(in_order(*pair, handled));
        broken.extend(handled.iter().find_map(|tick| pairs.misplaced(*pair, tick)));
    }
    let mut totals = Totals::default();
    for log in logs {
        broken.extend(asks(log));
        for counts in counts_of(log) {
            broken.extend(counts.add_up(log));
            broken.extend(counts.bound_handled(&pairs));
            totals.accepted += counts.accepted;
            totals.confirmed += counts.confirmed;
            totals.refused += counts.refused;
            totals.unknown += counts.unknown;
        }
    }
    totals.handled = pairs.handled.values().map(|all| all.len() as u64).sum();
    if broken.is_empty() {
        Ok(totals)
    } else {
        Err(broken)
    }
}

/// What the ledgers say of each pair.
struct Pairs {
    handled: HashMap<Pair, Vec<Record>>,
    /// All messages that were handled, ticks and others.
    handled_messages: HashMap<Pair, u64>,
    /// The check of each tick that was tried.
    attempted: HashMap<(u64, u64), u32>,
    given_back: HashSet<(u64, u64)>,
    /// Lives of which every record is there.
    told_all: HashSet<u64>,
}

impl Pairs {
    fn of(logs: &[Log]) -> Self {
        let mut pairs = Self {
            handled: HashMap::new(),
            handled_messages: HashMap::new(),
            attempted: HashMap::new(),
            given_back: HashSet::new(),
            told_all: HashSet::new(),
        };
        for log in logs {
            let is_whole = log.ending == Ending::Orderly;
            for record in &log.records {
                pairs.note(record, is_whole);
            }
        }
        pairs
    }

    fn note(&mut self, record: &Record, is_whole: bool) {
        let pair = (record.sender, record.receiver);
        let tick = (record.sender, record.sequence);
        match record.event {
            Event::Handled => {
                self.handled.entry(pair).or_default().push(*record);
                *self.handled_messages.entry(pair).or_default() += 1;
            }
            Event::OtherHandled => *self.handled_messages.entry(pair).or_default() += 1,
            Event::Attempted => {
                self.attempted.insert(tick, record.check);
            }
            Event::GivenBack => {
                self.given_back.insert(tick);
            }
            Event::Ready if is_whole => {
                self.told_all.insert(record.sender);
            }
            _ => {}
        }
    }

    /// A tick that was handled must have been sent, as it is, and not given back.
    fn misplaced(&self, pair: Pair, tick: &Record) -> Option<Broken> {
        let key = (tick.sender, tick.sequence);
        let why = match self.attempted.get(&key) {
            None => "was never sent",
            Some(check) if *check != tick.check => "was sent with other bytes",
            Some(_) if self.given_back.contains(&key) => "was given back to its sender",
            Some(_) => return None,
        };
        let number = tick.sequence;
        Some(broken(
            "I1",
            pair,
            format!("tick {number} was handled, and {why}"),
        ))
    }
}

/// I5.
fn ended_badly(log: &Log) -> Option<Broken> {
    match &log.ending {
        Ending::Orderly | Ending::Killed => None,
        Ending::Fault(how) => Some(Broken(format!("I5: {} ended by itself: {how}", log.name))),
    }
}

/// I2.
fn in_order(pair: Pair, handled: &[Record]) -> Option<Broken> {
    let mut neighbours = handled.iter().zip(handled.iter().skip(1));
    let (before, after) = neighbours.find(|(before, after)| before.sequence >= after.sequence)?;
    let (before, after) = (before.sequence, after.sequence);
    let how = if before == after {
        format!("tick {after} was handled twice")
    } else {
        format!("tick {after} was handled after {before}")
    };
    Some(broken("I2", pair, how))
}

/// I3.
fn asks(log: &Log) -> Option<Broken> {
    let mut open = HashMap::new();
    for record in &log.records {
        let number = record.sequence;
        match record.event {
            Event::Asked => {
                open.insert(number, record.value);
            }
            Event::Answered => match open.remove(&number) {
                None => return Some(ask_broken(log, number, "has a second outcome")),
                Some(deadline) if record.value > deadline + GRACE_NS => {
                    return Some(ask_broken(
                        log,
                        number,
                        "has its outcome after its deadline",
                    ));
                }
                Some(_) => {}
            },
            _ => {}
        }
    }
    let left = open.keys().min();
    left.filter(|_| log.ending == Ending::Orderly)
        .map(|number| ask_broken(log, *number, "has no outcome"))
}

fn ask_broken(log: &Log, number: u64, what: &str) -> Broken {
    Broken(format!("I3: ask {number} of {} {what}", log.name))
}

/// What a link said at rest.
#[derive(Default)]
struct Counts {
    pair: Pair,
    accepted: u64,
    confirmed: u64,
    refused: u64,
    unknown: u64,
    in_flight: u64,
    pending: u64,
}

/// The counts of each pair, over all links that it had: each epoch has its own.
fn counts_of(log: &Log) -> Vec<Counts> {
    let mut all: HashMap<Pair, Counts> = HashMap::new();
    for record in &log.records {
        let pair = (record.sender, record.receiver);
        if record.event == Event::LinkAccepted {
            all.entry(pair).or_default().pair = pair;
        }
        let Some(counts) = all.get_mut(&pair) else {
            continue;
        };
        let count = match record.event {
            Event::LinkAccepted => &mut counts.accepted,
            Event::LinkConfirmed => &mut counts.confirmed,
            Event::LinkRefused => &mut counts.refused,
            Event::LinkUnknown => &mut counts.unknown,
            Event::LinkInFlight => &mut counts.in_flight,
            Event::LinkPending => &mut counts.pending,
            _ => continue,
        };
        *count += record.value;
    }
    all.into_values().collect()
}

impl Counts {
    /// I1 at the sender, and the gauge of I3.
    fn add_up(&self, log: &Log) -> Option<Broken> {
        let is_here = |record: &&Record| (record.sender, record.receiver) == self.pair;
        let sent = log.of(Event::Accepted).filter(is_here).count()
            + log
                .of(Event::Answered)
                .filter(is_here)
                .filter(|ask| !ask.is(Outcome::NotSent))
                .count();
        let known = self.confirmed + self.refused + self.unknown;
        let what = if self.in_flight > 0 {
            format!("{} messages are in flight at rest", self.in_flight)
        } else if self.accepted != known {
            format!("{} accepted, and the fate of {known} told", self.accepted)
        } else if self.accepted != sent as u64 {
            format!("{} accepted, and {sent} sends said so", self.accepted)
        } else if self.pending > 0 {
            format!("{} asks are pending at rest", self.pending)
        } else {
            return None;
        };
        Some(broken("I1", self.pair, what))
    }

    /// I1 at the receiver. One that was killed may have had a message in its hands that its ledger
    /// does not know yet.
    fn bound_handled(&self, pairs: &Pairs) -> Option<Broken> {
        let handled = pairs.handled_messages.get(&self.pair).copied();
        let handled = handled.unwrap_or(0);
        let in_hands = u64::from(!pairs.told_all.contains(&self.pair.1));
        let most = self.confirmed + self.unknown;
        if self.confirmed <= handled + in_hands && handled <= most {
            return None;
        }
        let confirmed = self.confirmed;
        let what = format!("{handled} handled, but {confirmed} to {most} is what the sender knows");
        Some(broken("I1", self.pair, what))
    }
}

fn broken(promise: &str, (sender, receiver): Pair, what: String) -> Broken {
    Broken(format!("{promise}: {what} ({sender:x} -> {receiver:x})"))
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
