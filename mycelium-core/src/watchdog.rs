//! The watchdog: a thread that names the handlers which block their threads.
//!
//! A handler that computes for long, or waits without an await, holds up every other task of its
//! worker. Nobody on that worker can tell, so one thread of the process looks on, for all nodes.
//!
//! Each thread that runs actors has a [`Beat`]: whom it runs, written once per turn of an owner
//! task, and a count of steps, raised before each poll of a handler. That costs some stores and no
//! clock. A step that the watchdog sees again and again has not come to an await meanwhile.
//!
//! [`Look`] decides, and knows no clock either.

use std::{
    mem,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use mycelium_wire::ActorId;

use crate::{
    cell::{Kind, owner::contain},
    node::{Node, WeakNode},
    sync::Mutex,
};

/// How often the thread looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long a step may take without a word.
const BLOCKED_AFTER: Duration = Duration::from_millis(500);

/// The most time that one pause of the thread counts as. A process that was stopped, or starved of
/// its cores, did not run its handlers meanwhile.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

static WATCHDOG: Mutex<Watchdog> = Mutex::new(Watchdog {
    nodes: Vec::new(),
    threads: Vec::new(),
    is_running: false,
});

thread_local! {
    static BEAT: Arc<Beat> = Beat::listed();
}

/// Whom a thread runs, and how far it is.
#[derive(Default)]
pub(crate) struct Beat {
    /// 0 where the thread runs nobody: ids start at 1.
    actor: AtomicU64,
    /// The number of the actor's node.
    node: AtomicU64,
    steps: AtomicU64,
}

/// A turn of an actor on a thread; its end restores whom the thread ran before.
struct BeatTurn<'a> {
    beat: &'a Beat,
    actor: u64,
    node: u64,
}

/// Runs a turn of an actor where the watchdog sees it.
pub(crate) fn attend<T>(node: u64, actor: ActorId, run: impl FnOnce(&Beat) -> T) -> T {
    BEAT.with(|beat| {
        let _turn = beat.begin(node, actor);
        run(beat)
    })
}

impl Beat {
    fn listed() -> Arc<Self> {
        let beat = Arc::new(Self::default());
        let mut watchdog = WATCHDOG.lock();
        let threads = &mut watchdog.threads;
        if threads.len() == threads.capacity() {
            threads.retain(|thread| thread.beat.strong_count() > 0);
        }
        threads.push(Thread {
            beat: Arc::downgrade(&beat),
            look: Look::default(),
            told: None,
        });
        beat
    }

    // Relaxed, here and in `show`: a reader that takes parts of two turns for one sees other parts
    // the next time, and nothing is told that was not seen for half a second.

    fn begin(&self, node: u64, actor: ActorId) -> BeatTurn<'_> {
        let turn = BeatTurn {
            beat: self,
            actor: self.actor.load(Ordering::Relaxed),
            node: self.node.load(Ordering::Relaxed),
        };
        self.node.store(node, Ordering::Relaxed);
        self.actor.store(actor.as_u64(), Ordering::Relaxed);
        turn
    }

    /// The next poll of a handler begins.
    #[inline]
    pub(crate) fn step(&self) {
        // No read-modify-write: this thread alone writes it.
        let steps = self.steps.load(Ordering::Relaxed);
        self.steps.store(steps.wrapping_add(1), Ordering::Relaxed);
    }

    fn show(&self) -> Option<Step> {
        let actor = self.actor.load(Ordering::Relaxed);
        (actor != 0).then(|| Step {
            actor: ActorId::from_u64(actor),
            node: self.node.load(Ordering::Relaxed),
            number: self.steps.load(Ordering::Relaxed),
        })
    }
}

impl Drop for BeatTurn<'_> {
    fn drop(&mut self) {
        self.beat.node.store(self.node, Ordering::Relaxed);
        self.beat.actor.store(self.actor, Ordering::Relaxed);
    }
}

/// One poll of one handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    actor: ActorId,
    node: u64,
    number: u64,
}

/// What is known of the step that a thread is at.
#[derive(Default)]
struct Look {
    seen: Option<Step>,
    blocked: Duration,
    is_told: bool,
}

/// What there is to tell.
#[derive(Debug, PartialEq, Eq)]
enum Finding {
    /// The step takes this long and goes on.
    Blocks(Step, Duration),
    /// A step that was told of is over, and took this long.
    WentOn(Duration),
}

impl Look {
    /// Looks again, after `pause`.
    fn again(&mut self, now: Option<Step>, pause: Duration) -> Option<Finding> {
        if self.seen != now {
            let before = mem::take(self);
            self.seen = now;
            return before.is_told.then_some(Finding::WentOn(before.blocked));
        }
        let step = now?;
        self.blocked += pause.min(LONGEST_PAUSE);
        if self.blocked < BLOCKED_AFTER || mem::replace(&mut self.is_told, true) {
            return None;
        }
        Some(Finding::Blocks(step, self.blocked))
    }
}

/// What the thread looks at.
struct Watchdog {
    /// Those that live; swept at each look.
    nodes: Vec<(u64, WeakNode)>,
    /// Those that have run an actor; swept at each look, and whenever the list would grow.
    threads: Vec<Thread>,
    is_running: bool,
}

struct Thread {
    beat: Weak<Beat>,
    look: Look,
    /// Whom the last warning named.
    told: Option<(ActorId, Kind)>,
}

/// Looks after a node from now on, until it is gone.
pub(crate) fn look_after(node: &Node) {
    let mut watchdog = WATCHDOG.lock();
    watchdog.nodes.push((node.serial(), node.downgrade()));
    if watchdog.is_running {
        return;
    }
    let thread = thread::Builder::new().name("mycelium-watchdog".into());
    match thread.spawn(run) {
        Ok(_) => watchdog.is_running = true,
        Err(error) => tracing::warn!(%error, "no watchdog: handlers that block are not told of"),
    }
}

/// Looks until no node is left.
fn run() {
    let mut last = Instant::now();
    loop {
        thread::sleep(LOOK_EVERY);
        let now = Instant::now();
        let pause = now - mem::replace(&mut last, now);
        let mut watchdog = WATCHDOG.lock();
        if watchdog.is_done() {
            watchdog.is_running = false;
            return;
        }
        let words = watchdog.look(pause);
        drop(watchdog);
        for word in words {
            // What listens to warnings is code of the program's.
            contain(|| word.say());
        }
    }
}

impl Watchdog {
    fn is_done(&mut self) -> bool {
        self.nodes.retain(|(_, node)| node.is_alive());
        self.nodes.is_empty()
    }

    fn look(&mut self, pause: Duration) -> Vec<Word> {
        self.threads.retain(|thread| thread.beat.strong_count() > 0);
        let nodes = &self.nodes;
        let look = |thread: &mut Thread| thread.look(nodes, pause);
        self.threads.iter_mut().filter_map(look).collect()
    }
}

impl Thread {
    fn look(&mut self, nodes: &[(u64, WeakNode)], pause: Duration) -> Option<Word> {
        let now = self.beat.upgrade()?.show();
        match self.look.again(now, pause)? {
            Finding::Blocks(step, blocked) => {
                let (_, node) = nodes.iter().find(|(serial, _)| *serial == step.node)?;
                let kind = node.kind_of(step.actor)?;
                self.told = Some((step.actor, kind));
                Some(Word::Blocks(step.actor, kind, blocked))
            }
            Finding::WentOn(blocked) => {
                let (actor, kind) = self.told.take()?;
                Some(Word::WentOn(actor, kind, blocked))
            }
        }
    }
}

/// A warning.
enum Word {
    Blocks(ActorId, Kind, Duration),
    WentOn(ActorId, Kind, Duration),
}

impl Word {
    fn say(self) {
        match self {
            Self::Blocks(actor, kind, blocked) => tracing::warn!(
                %actor,
                actor_type = kind.actor,
                message_type = kind.message,
                ?blocked,
                "a handler blocks its thread, and every task of that worker with it: await, or use spawn_blocking"
            ),
            Self::WentOn(actor, kind, blocked) => tracing::warn!(
                %actor,
                actor_type = kind.actor,
                message_type = kind.message,
                ?blocked,
                "a handler that blocked its thread went on"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{iter::repeat_n, time::Duration};

    use mycelium_wire::ActorId;

    use super::{Beat, Finding, Look, Step};

    const PAUSE: Duration = Duration::from_millis(100);

    fn step(number: u64) -> Step {
        Step {
            actor: ActorId::from_u64(7),
            node: 1,
            number,
        }
    }

    /// What is found at looks, 100 ms apart, at a thread that is at these steps.
    fn find(steps: impl IntoIterator<Item = Option<Step>>) -> Vec<Finding> {
        let mut look = Look::default();
        let again = |step| look.again(step, PAUSE);
        steps.into_iter().filter_map(again).collect()
    }

    #[test]
    fn a_step_that_takes_half_a_second_is_told_of_once_and_when_it_is_over() {
        let blocked = repeat_n(Some(step(1)), 52).chain([Some(step(2))]);
        let found = find(blocked.clone());
        let [Finding::Blocks(told, after), Finding::WentOn(took)] = &found[..] else {
            panic!("{found:?}")
        };
        assert_eq!((*told, *after), (step(1), Duration::from_millis(500)));
        assert_eq!(*took, Duration::from_millis(5_100));
        // It is over as well when the thread runs nobody.
        assert_eq!(find(repeat_n(Some(step(1)), 52).chain([None])), found);
    }

    #[test]
    fn steps_that_follow_each_other_are_not_told_of() {
        let steps = (0..100).flat_map(|number| repeat_n(Some(step(number)), 5));
        assert_eq!(find(steps), []);
        assert_eq!(find(repeat_n(None, 100)), []);
    }

    #[test]
    fn time_in_which_the_process_stood_still_is_not_the_handlers() {
        let mut look = Look::default();
        assert_eq!(look.again(Some(step(1)), PAUSE), None);
        assert_eq!(look.again(Some(step(1)), Duration::from_secs(10)), None);
        assert_eq!(look.again(Some(step(1)), PAUSE), None);
        assert_eq!(look.again(Some(step(2)), PAUSE), None);
    }

    #[test]
    fn a_turn_within_a_turn_gives_the_thread_back() {
        let beat = Beat::default();
        let outer = beat.begin(1, ActorId::from_u64(7));
        let inner = beat.begin(2, ActorId::from_u64(8));
        beat.step();
        let shown = beat.show().unwrap();
        assert_eq!((shown.node, shown.actor), (2, ActorId::from_u64(8)));
        drop(inner);
        assert_eq!(beat.show(), Some(step(1)));
        drop(outer);
        assert_eq!(beat.show(), None);
    }
}
