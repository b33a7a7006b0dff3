//! [`Tree`]: a supervisor's children, as they outlive the supervisor's own restarts.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use mycelium_core::{Kept, Node, StopReason};
use tokio::time::Instant;

use crate::{
    AutoShutdown, Change, ChildReport, Intensity, Shutdown, Strategy, SupervisionEvent, TreeReport,
    board::{Board, ChildKey},
    child::{Child, Stage},
    supervision::{Supervision, supervision},
};

/// The children of a supervisor, and by which rules it keeps them.
///
/// Only the supervisor changes what is in it; whoever wants to know may look.
pub(crate) struct Tree {
    pub(crate) name: Arc<str>,
    /// The names from the root to here; settled when it is put into its place.
    path: OnceLock<Arc<str>>,
    pub(crate) node: Node,
    pub(crate) rules: Rules,
    pub(crate) board: Arc<Board>,
    children: Mutex<Vec<Child>>,
    supervision: Arc<Supervision>,
    next_number: AtomicU64,
    /// How many restarts there were, each group counted once.
    restarts: AtomicU32,
    /// Whether its supervisor is not to come back: what children have accepted is handled first.
    is_closing: AtomicBool,
    /// Whether its supervisor has given up.
    has_given_up: AtomicBool,
}

/// By which rules a supervisor keeps its children.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rules {
    pub(crate) strategy: Strategy,
    pub(crate) intensity: Intensity,
    pub(crate) auto_shutdown: AutoShutdown,
}

/// A life that is to begin.
pub(crate) struct Starting {
    pub(crate) kept: Arc<Kept>,
    pub(crate) life: u32,
    pub(crate) timeout: Duration,
}

/// A life that is to end.
pub(crate) struct Stopping {
    pub(crate) kept: Arc<Kept>,
    pub(crate) life: u32,
    pub(crate) shutdown: Shutdown,
}

impl Tree {
    pub(crate) fn new(node: &Node, name: Arc<str>) -> Self {
        Self {
            name,
            path: OnceLock::new(),
            node: node.clone(),
            rules: Rules::default(),
            board: Arc::default(),
            children: Mutex::default(),
            supervision: supervision(node),
            next_number: AtomicU64::new(0),
            restarts: AtomicU32::new(0),
            is_closing: AtomicBool::new(false),
            has_given_up: AtomicBool::new(false),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Vec<Child>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number that nothing else of this tree has.
    pub(crate) fn next_number(&self) -> u64 {
        // Relaxed: the number only has to be unique.
        self.next_number.fetch_add(1, Ordering::Relaxed)
    }

    /// Puts the tree under a supervisor, or at the root.
    pub(crate) fn place(&self, above: Option<&Self>) {
        let path = match above {
            Some(above) => format!("{}/{}", above.path(), self.name).into(),
            None => Arc::clone(&self.name),
        };
        // It has one place for its life.
        let _ = self.path.set(path);
        for child in &*self.lock() {
            if let Some(below) = &child.subtree {
                below.place(Some(self));
            }
        }
    }

    /// The names from the root to here.
    pub(crate) fn path(&self) -> Arc<str> {
        Arc::clone(self.path.get_or_init(|| Arc::clone(&self.name)))
    }

    /// The path of the supervisor above.
    pub(crate) fn above(&self) -> Option<Arc<str>> {
        self.path().rsplit_once('/').map(|(above, _)| above.into())
    }

    /// Its supervisor is not to come back, nor are those below.
    pub(crate) fn close(&self) {
        self.is_closing.store(true, Ordering::Relaxed);
        for child in &*self.lock() {
            if let Some(below) = &child.subtree {
                below.close();
            }
        }
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Relaxed)
    }

    pub(crate) fn give_up(&self) {
        self.has_given_up.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_given_up(&self) -> bool {
        self.has_given_up.load(Ordering::Relaxed)
    }

    /// The children, in the order of their start.
    pub(crate) fn keys(&self) -> Vec<ChildKey> {
        self.lock().iter().map(|child| child.key).collect()
    }

    pub(crate) fn find(&self, name: &str) -> Option<ChildKey> {
        let children = self.lock();
        let mut found = children.iter().filter(|child| *child.name == *name);
        found.next().map(|child| child.key)
    }

    /// Does something with a child, if it is still there.
    pub(crate) fn with<R>(&self, key: ChildKey, act: impl FnOnce(&mut Child) -> R) -> Option<R> {
        let mut children = self.lock();
        children.iter_mut().find(|child| child.key == key).map(act)
    }

    /// Numbers the next life of a child.
    pub(crate) fn begin_start(&self, key: ChildKey) -> Option<Starting> {
        self.with(key, |child| {
            child.life = child.life.wrapping_add(1);
            child.stage = Stage::Starting;
            Starting {
                kept: Arc::clone(&child.kept),
                life: child.life,
                timeout: child.terms.start_timeout,
            }
        })
    }

    /// A life of a child has started.
    pub(crate) fn started(&self, key: ChildKey) {
        let life = self.with(key, |child| {
            child.stage = Stage::Up;
            child.failures.started(Instant::now());
            child.life
        });
        if let Some(life) = life {
            self.tell(key, Change::Started { life });
        }
    }

    /// A child has no life any more.
    pub(crate) fn down(&self, key: ChildKey) {
        self.with(key, |child| child.stage = Stage::Down);
    }

    /// The life of a child that is to end, if it has one.
    pub(crate) fn begin_stop(&self, key: ChildKey) -> Option<Stopping> {
        self.with(key, |child| {
            let has_life = matches!(child.stage, Stage::Up | Stage::Starting | Stage::Stopping);
            if !has_life {
                child.stage = Stage::Down;
                return None;
            }
            child.stage = Stage::Stopping;
            Some(Stopping {
                kept: Arc::clone(&child.kept),
                life: child.life,
                shutdown: child.terms.shutdown,
            })
        })?
    }

    /// A life that the supervisor's life before has left behind.
    pub(crate) fn left_behind(&self, key: ChildKey) -> Option<Stopping> {
        self.with(key, |child| {
            child.kept.is_alive().then(|| Stopping {
                kept: Arc::clone(&child.kept),
                life: child.life,
                shutdown: Shutdown::Kill,
            })
        })?
    }

    /// Whether this word is about the life that a child leads now.
    pub(crate) fn is_up(&self, key: ChildKey, life: u32) -> bool {
        let is_up = |child: &mut Child| child.life == life && child.stage == Stage::Up;
        self.with(key, is_up).unwrap_or(false)
    }

    /// A restart is due: those that are to be started, in their order.
    pub(crate) fn group(&self, key: ChildKey) -> Vec<ChildKey> {
        let keys = self.keys();
        match self.rules.strategy {
            Strategy::OneForOne => vec![key],
            Strategy::OneForAll => keys,
            Strategy::RestForOne => keys.into_iter().skip_while(|other| *other != key).collect(),
        }
    }

    /// Notes that these are to be started at that time; gives their number.
    pub(crate) fn schedule(&self, group: &[ChildKey], at: Instant) -> u64 {
        // Relaxed: a count for people.
        self.restarts.fetch_add(1, Ordering::Relaxed);
        let number = self.next_number();
        for child in &mut *self.lock() {
            if group.contains(&child.key) {
                child.stage = Stage::Due { group: number, at };
            }
        }
        number
    }

    /// Those of this number that are still to be started, in their order.
    pub(crate) fn due(&self, number: u64) -> Vec<ChildKey> {
        let children = self.lock();
        let is_due =
            |child: &&Child| matches!(child.stage, Stage::Due { group, .. } if group == number);
        children
            .iter()
            .filter(is_due)
            .map(|child| child.key)
            .collect()
    }

    /// Takes a child out, whose actor is gone from here on.
    pub(crate) fn remove(&self, key: ChildKey, reason: StopReason) {
        let mut children = self.lock();
        let at = children.iter().position(|child| child.key == key);
        let removed = at.map(|at| children.remove(at));
        drop(children);
        // Outside the lock: the end of an actor runs code of the program's.
        if let Some(child) = removed {
            child.kept.dismiss(reason);
        }
    }

    /// Whether significant children are left.
    pub(crate) fn has_significant(&self) -> bool {
        self.lock().iter().any(|child| child.terms.is_significant)
    }

    /// Ends the lives of all children at once.
    pub(crate) fn abort_all(&self) {
        let all: Vec<_> = self
            .lock()
            .iter()
            .map(|child| Arc::clone(&child.kept))
            .collect();
        for kept in all {
            kept.abort();
        }
    }

    /// The supervisor is gone for good, and so are all children.
    pub(crate) fn dismiss_all(&self) {
        let all = std::mem::take(&mut *self.lock());
        for child in all.into_iter().rev() {
            child.kept.dismiss(StopReason::Stopped);
        }
    }

    /// Tells of a child.
    pub(crate) fn tell(&self, key: ChildKey, change: Change) {
        let named = self.with(key, |child| (Arc::clone(&child.name), child.id));
        if let Some((child, actor)) = named {
            self.supervision.tell(SupervisionEvent {
                supervisor: self.path(),
                child,
                actor,
                change,
            });
        }
    }

    /// What people are told of the tree.
    pub(crate) fn report(&self) -> TreeReport {
        let children = self.lock();
        let children = children.iter().map(|child| ChildReport {
            name: Arc::clone(&child.name),
            actor: child.id,
            state: child.state(),
            restart: child.terms.restart,
            lives: child.life,
            mailbox_len: child.kept.mailbox_len(),
            below: child.subtree.as_ref().map(|below| below.report()),
        });
        TreeReport {
            name: Arc::clone(&self.name),
            strategy: self.rules.strategy,
            restarts: self.restarts.load(Ordering::Relaxed),
            children: children.collect(),
        }
    }
}
