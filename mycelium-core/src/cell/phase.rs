//! [`Phase`]: the one atomic word that says who may run an actor.
//!
//! | event | `IDLE` | `SCHEDULED` | `RUNNING` | `SUSPENDED` | `STOPPED` |
//! |---|---|---|---|---|---|
//! | [`notify`](Phase::notify), after a push | `SCHEDULED`, wake | + `NOTIFY` | + `NOTIFY` | + `NOTIFY` | - |
//! | [`signal`](Phase::signal), stop or kill | `SCHEDULED` + flag, wake | + flag, wake | + flag, wake | + flag, wake | - |
//! | [`enter`](Phase::enter), the owner task is polled | waits | `RUNNING` | + `WAKE`, waits | `RUNNING` | ends |
//! | [`heed`](Phase::heed), the runner looks again | | | - `NOTIFY`, - `WAKE` | | |
//! | [`rest`](Phase::rest), the mailbox was empty | | | no flag: `IDLE`; else runs on | | |
//! | [`suspend`](Phase::suspend), the handler waits | | | `KILL`: runs on; else `SUSPENDED` | | |
//! | [`yield_now`](Phase::yield_now), the turn is over | | | `SCHEDULED`, wakes itself | | |
//! | [`end`](Phase::end) | | | | | `STOPPED` |
//!
//! A cell is born `SCHEDULED`, so that the owner leaves its waker before anybody needs it. Every
//! change is a read-modify-write: a plain load would lose a wake. Whoever moves the word to
//! `RUNNING` owns the actor until it leaves that phase: the owner task, or whoever holds an inbox.
//! `WAKE` is what the owner task leaves behind when another runner is at work.
//!
//! A runner that polls, as the holder of an inbox may, stays in `RUNNING` between its looks: a
//! sender then only raises `NOTIFY` and wakes nobody. A plain load tells the runner that nothing
//! was raised; it misses no wake, since it changes nothing, and the runner looks again before it
//! rests.

use crate::sync::{AtomicU32, Ordering};

const PHASE: u32 = 0b111;
const IDLE: u32 = 0;
const SCHEDULED: u32 = 1;
const RUNNING: u32 = 2;
const SUSPENDED: u32 = 3;
const STOPPED: u32 = 4;

const NOTIFY: u32 = 1 << 3;
const WAKE: u32 = 1 << 4;
const KILL: u32 = 1 << 5;
const STOP: u32 = 1 << 6;

/// The phase of an actor and the flags raised for its owner.
pub(crate) struct Phase(AtomicU32);

/// What the caller of [`Phase::notify`] or [`Phase::signal`] owes the owner task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Wake {
    Owner,
    Nobody,
}

/// What the owner task finds when it is polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Entry {
    /// The actor is the caller's to run.
    Runs,
    /// Nothing to do, or somebody else is running the actor.
    Waits,
    /// The actor is gone.
    Ended,
}

/// Whether the runner may leave the actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Release {
    Left,
    /// A flag was raised meanwhile: the runner keeps the actor and looks again.
    RunsOn,
}

/// What another thread asks of the owner.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Signal {
    Stop,
    Kill,
}

impl Phase {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(SCHEDULED))
    }

    /// Says that the mailbox is no longer empty.
    pub(crate) fn notify(&self) -> Wake {
        let before = self.update(|word| match word & PHASE {
            IDLE => (word & !PHASE) | SCHEDULED,
            STOPPED => word,
            _ => word | NOTIFY,
        });
        if before & PHASE == IDLE {
            Wake::Owner
        } else {
            Wake::Nobody
        }
    }

    /// Asks the owner to stop or to kill the actor.
    pub(crate) fn signal(&self, signal: Signal) -> Wake {
        let flag = match signal {
            Signal::Stop => STOP,
            Signal::Kill => KILL,
        };
        let before = self.update(|word| match word & PHASE {
            IDLE => (word & !PHASE) | SCHEDULED | flag,
            STOPPED => word,
            _ => word | flag,
        });
        if before & PHASE == STOPPED {
            Wake::Nobody
        } else {
            Wake::Owner
        }
    }

    /// The owner task is polled.
    pub(crate) fn enter(&self) -> Entry {
        let before = self.update(|word| match word & PHASE {
            SCHEDULED | SUSPENDED => (word & !(PHASE | NOTIFY | WAKE)) | RUNNING,
            RUNNING => word | WAKE,
            _ => word,
        });
        match before & PHASE {
            SCHEDULED | SUSPENDED => Entry::Runs,
            STOPPED => Entry::Ended,
            _ => Entry::Waits,
        }
    }

    /// Whether no flag was raised since the runner last looked: where it found the mailbox empty
    /// then, it still is.
    pub(crate) fn is_quiet(&self) -> bool {
        self.word() & (NOTIFY | WAKE | KILL | STOP) == 0
    }

    /// The runner will look into the mailbox: takes back what was raised for that.
    pub(crate) fn heed(&self) {
        self.update(|word| {
            debug_assert_eq!(word & PHASE, RUNNING, "only the runner heeds");
            word & !(NOTIFY | WAKE)
        });
    }

    /// The runner found the mailbox empty and would leave the actor idle.
    pub(crate) fn rest(&self) -> Release {
        // A stop or kill that came before the mailbox was looked at is a flag too: the runner
        // looks again and finds what to do.
        let before = self.update(|word| {
            debug_assert_eq!(word & PHASE, RUNNING, "only the runner rests");
            if word & (NOTIFY | WAKE | KILL | STOP) == 0 {
                IDLE
            } else {
                word & !(NOTIFY | WAKE)
            }
        });
        if before & (NOTIFY | WAKE | KILL | STOP) == 0 {
            Release::Left
        } else {
            Release::RunsOn
        }
    }

    /// The runner's handler waits for something.
    pub(crate) fn suspend(&self) -> Release {
        let before = self.update(|word| {
            debug_assert_eq!(word & PHASE, RUNNING, "only the runner suspends");
            if word & KILL == 0 {
                (word & !(PHASE | WAKE)) | SUSPENDED
            } else {
                word
            }
        });
        if before & KILL == 0 {
            Release::Left
        } else {
            Release::RunsOn
        }
    }

    /// The runner's turn is over; it wakes the owner itself.
    pub(crate) fn yield_now(&self) {
        self.update(|word| {
            debug_assert_eq!(word & PHASE, RUNNING, "only the runner yields");
            (word & !PHASE) | SCHEDULED
        });
    }

    /// The actor is gone; nothing wakes the owner any more.
    pub(crate) fn end(&self) {
        self.update(|_| STOPPED);
    }

    pub(crate) fn is_killed(&self) -> bool {
        self.word() & KILL != 0
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.word() & STOP != 0
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.word() & PHASE == STOPPED
    }

    fn word(&self) -> u32 {
        // Acquire: pairs with the Release half of `update` in `signal` and `end`.
        self.0.load(Ordering::Acquire)
    }

    /// Changes the word and returns what it was.
    fn update(&self, change: impl Fn(u32) -> u32) -> u32 {
        // AcqRel on success pairs with every other `update`: what was pushed, or left in the
        // actor, before the word changed is seen by whoever changes it next.
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            let changed = self.0.compare_exchange_weak(
                word,
                change(word),
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
            match changed {
                Ok(before) => return before,
                Err(now) => word = now,
            }
        }
    }
}
