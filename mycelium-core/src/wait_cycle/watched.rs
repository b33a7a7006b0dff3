//! Who waits for whom, in a debug build.
//!
//! An edge lies in the table from the first pending poll of a send or an ask until it is ready,
//! dropped, or the handler that polled it has returned. Whether its waiter still waits is asked
//! anew whenever it matters: an answer may be there, or room, that the waiter has not seen yet.

use std::{
    cell::Cell,
    collections::{HashMap, VecDeque},
    fmt::{self, Write as _},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use mycelium_wire::ActorId;

use crate::{ActorRef, LocalRef, Message, cell::Front, mailbox::entry::Companion, sync::Mutex};

/// Made with the first edge. Taken before the locks of mailboxes and of reply slots.
static WAITS: Mutex<Option<Waits>> = Mutex::new(None);

/// How many edges there are: spares the handlers of those who never wait the lock.
static EDGES: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// The actor that this thread runs.
    static CURRENT: Cell<Option<Party>> = const { Cell::new(None) };
}

/// An actor: the life of its node, and its id there.
type Identity = (u128, ActorId);

/// An actor that waits, or is waited for.
#[derive(Clone, Copy)]
struct Party {
    identity: Identity,
    actor_type: &'static str,
}

impl Party {
    fn of<M>(front: &Front<M>) -> Self {
        Self {
            identity: (front.incarnation, front.id),
            actor_type: front.kind().actor,
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.identity.1, self.actor_type)
    }
}

/// A turn of an actor; its end restores whom the thread ran before.
pub(crate) struct PartyTurn(Option<Party>);

/// From now on, what this thread waits for the actor waits for.
pub(crate) fn begin_turn<M>(front: &Front<M>) -> PartyTurn {
    PartyTurn(CURRENT.replace(Some(Party::of(front))))
}

impl Drop for PartyTurn {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

/// The actor's handler has returned: it waits for nothing, though it may have kept futures.
pub(crate) fn forget<M>(front: &Front<M>) {
    // Relaxed: the edges of this actor were counted on its own way to here.
    if EDGES.load(Ordering::Relaxed) == 0 {
        return;
    }
    let mut waits = WAITS.lock();
    let edges = waits
        .as_mut()
        .and_then(|waits| waits.edges.remove(&Party::of(front).identity));
    drop(waits);
    count_down(edges.as_ref().map_or(0, Vec::len));
}

fn count_down(edges: usize) {
    EDGES.fetch_sub(edges, Ordering::Relaxed);
}

/// The wait of a send or an ask, for as long as it is pending.
pub(crate) struct Wait {
    at: Option<(Identity, u64)>,
    is_watched: bool,
}

impl Wait {
    pub(crate) fn watched() -> Self {
        Self {
            at: None,
            is_watched: true,
        }
    }

    /// A wait that nobody is told of: it has a time limit where cycles are expected.
    pub(crate) fn unwatched() -> Self {
        Self {
            at: None,
            is_watched: false,
        }
    }

    /// There was no room at `to`.
    pub(crate) fn for_room<M: Message>(&mut self, to: &ActorRef<M>) {
        self.begin(Verb::SendsTo, to, |to| {
            let to = to.clone();
            Box::new(move || {
                let local = &to.0.front.mailbox.local;
                !local.is_closed() && local.len() >= local.capacity_messages()
            })
        });
    }

    /// `to` has not answered yet.
    pub(crate) fn for_answer<M: Message>(
        &mut self,
        to: &ActorRef<M>,
        slot: impl FnOnce() -> Arc<dyn Companion>,
    ) {
        self.begin(Verb::Asks, to, |_| {
            let slot = slot();
            Box::new(move || slot.is_awaited_here())
        });
    }

    fn begin<M: Message>(
        &mut self,
        verb: Verb,
        to: &ActorRef<M>,
        still_waits: impl FnOnce(&LocalRef<M>) -> Probe,
    ) {
        let was_told = self.leave();
        let (ActorRef::Local(to), Some(from), true) = (to, CURRENT.get(), self.is_watched) else {
            return;
        };
        let edge = Edge {
            number: 0,
            from,
            verb,
            to: Party::of(&to.0.front),
            still_waits: still_waits(to),
            is_told: was_told,
        };
        let mut table = WAITS.lock();
        let waits = table.get_or_insert_default();
        let number = waits.insert(edge);
        let cycle = waits.cycle(from.identity, number);
        drop(table);
        self.at = Some((from.identity, number));
        if let Some(cycle) = cycle {
            tracing::warn!(cycle, "actors wait for each other");
        }
    }

    /// It waits no more.
    pub(crate) fn end(&mut self) {
        self.leave();
    }

    /// Takes the edge away; says whether it was told of.
    fn leave(&mut self) -> bool {
        let Some((from, number)) = self.at.take() else {
            return false;
        };
        let mut waits = WAITS.lock();
        let edge = waits.as_mut().and_then(|waits| waits.remove(from, number));
        // Outside the lock: it may hold the last ref to an actor, whose drop is the program's code.
        drop(waits);
        count_down(edge.iter().count());
        edge.is_some_and(|edge| edge.is_told)
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.leave();
    }
}

/// How one waits for another.
#[derive(Clone, Copy)]
enum Verb {
    Asks,
    SendsTo,
}

/// Whether the waiter has nothing to go on with yet.
type Probe = Box<dyn Fn() -> bool + Send>;

/// One who waits for another.
struct Edge {
    number: u64,
    from: Party,
    verb: Verb,
    to: Party,
    still_waits: Probe,
    /// Whether a cycle that it is part of was told of.
    is_told: bool,
}

#[derive(Default)]
struct Waits {
    next: u64,
    /// By who waits. One may wait for several at once.
    edges: HashMap<Identity, Vec<Edge>>,
}

impl Waits {
    fn insert(&mut self, mut edge: Edge) -> u64 {
        self.next += 1;
        edge.number = self.next;
        let edges = self.edges.entry(edge.from.identity).or_default();
        edges.push(edge);
        EDGES.fetch_add(1, Ordering::Relaxed);
        self.next
    }

    fn remove(&mut self, from: Identity, number: u64) -> Option<Edge> {
        let edges = self.edges.get_mut(&from)?;
        let at = edges.iter().position(|edge| edge.number == number)?;
        let edge = edges.swap_remove(at);
        if edges.is_empty() {
            self.edges.remove(&from);
        }
        Some(edge)
    }

    /// The circle that this edge closes, in words, where there is one that was not told of.
    fn cycle(&mut self, from: Identity, number: u64) -> Option<String> {
        let way = self.way_round(from, number)?;
        let is_new = way.iter().any(|&(from, at)| !self.edges[&from][at].is_told);
        for (from, at) in &way {
            let edge = self.edges.get_mut(from).and_then(|it| it.get_mut(*at));
            edge.expect("it was found there").is_told = true;
        }
        is_new.then(|| self.describe(&way))
    }

    /// The shortest way along edges that still wait, from this one back to its waiter.
    fn way_round(&self, goal: Identity, number: u64) -> Option<Vec<(Identity, usize)>> {
        let first = self.edges[&goal]
            .iter()
            .position(|edge| edge.number == number)?;
        // By whom an actor was reached.
        let mut reached = HashMap::new();
        let mut next = VecDeque::from([(goal, first)]);
        while let Some((from, at)) = next.pop_front() {
            let edge = &self.edges[&from][at];
            let to = edge.to.identity;
            if !(edge.still_waits)() || reached.contains_key(&to) {
                continue;
            }
            reached.insert(to, (from, at));
            if to == goal {
                return Some(way_back(&reached, goal));
            }
            let count = self.edges.get(&to).map_or(0, Vec::len);
            next.extend((0..count).map(|at| (to, at)));
        }
        None
    }

    fn describe(&self, way: &[(Identity, usize)]) -> String {
        let edge = |&(from, at): &(Identity, usize)| &self.edges[&from][at];
        let mut text = edge(&way[0]).from.to_string();
        for (place, edge) in way.iter().map(edge).enumerate() {
            let which = if place == 0 { "" } else { ", which" };
            let verb = match edge.verb {
                Verb::Asks => "asks",
                Verb::SendsTo => "sends to",
            };
            // A string takes all that is written to it.
            let _ = write!(text, "{which} {verb} {}", edge.to);
        }
        text
    }
}

/// From the goal to the goal, in the order of the waits.
fn way_back(
    reached: &HashMap<Identity, (Identity, usize)>,
    goal: Identity,
) -> Vec<(Identity, usize)> {
    let mut way = vec![reached[&goal]];
    while let Some(&(from, _)) = way.last()
        && from != goal
    {
        way.push(reached[&from]);
    }
    way.reverse();
    way
}
