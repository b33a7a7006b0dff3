//! [`Phase`]: the one atomic word that says who may run an actor.
//!
//! | event | `IDLE` | `SCHEDULED` | `RUNNING` | `SUSPENDED` | `STOPPED` |
//! |---|---|---|---|---|---|
//! | [`notify`](Phase::notify), after a push | `SCHEDULED`, wake | + `NOTIFY` | + `NOTIFY` | + `NOTIFY` | - |
//! | [`signal`](Phase::signal) | `SCHEDULED` + flag, wake | + flag, wake | + flag, wake | + flag, wake | - |
//! | [`enter`](Phase::enter), the owner task is polled | waits | `RUNNING` | + `WAKE`, waits | `RUNNING` | ends |
//! | [`heed`](Phase::heed), the runner looks again | | | - `NOTIFY`, - `WAKE` | | |
//! | [`rest`](Phase::rest), the mailbox was empty | | | no flag: `IDLE`; else runs on | | |
//! | [`suspend`](Phase::suspend), the handler waits, or the actor is between two lives | | | `KILL`, `ABORT` or `REVIVE`: runs on; else `SUSPENDED` | | |
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
//!
//! `STOP` and `KILL` end the actor for good. `RETIRE`, `RECALL`, `ABORT` and `REVIVE` are for actors that
//! are kept across lives (see [`lives`](super::lives)): the first three end the life there is, the last
//! begins one. They are raised under the lock of the lives, and taken back there when a life is over.

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
const RETIRE: u32 = 1 << 7;
const RECALL: u32 = 1 << 8;
const ABORT: u32 = 1 << 9;
const REVIVE: u32 = 1 << 10;

/// What makes a runner that would leave the actor look again.
const RAISED: u32 = NOTIFY | WAKE | KILL | STOP | RETIRE | RECALL | ABORT | REVIVE;

/// What a runner heeds in the middle of a handler, or without an actor.
const INTERRUPTS: u32 = KILL | ABORT | REVIVE;

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
    /// To end the actor once its mailbox is empty.
    Stop,
    /// To end the actor at its next await.
    Kill,
    /// To end its life once it has handled what its mailbox holds now.
    Retire,
    /// To end its life after the message at hand.
    Recall,
    /// To end its life at its next await.
    Abort,
    /// To begin a life.
    Revive,
}

impl Signal {
    fn flag(self) -> u32 {
        match self {
            Self::Stop => STOP,
            Self::Kill => KILL,
            Self::Retire => RETIRE,
            Self::Recall => RECALL,
            Self::Abort => ABORT,
            Self::Revive => REVIVE,
        }
    }
}

/// Whether an actor is to end between two messages, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    No,
    /// When its mailbox is empty; it takes nothing any more.
    Drained,
    /// When it has handled what its mailbox held when it was asked.
    Retired,
    /// Before the next message.
    Recalled,
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

    /// Asks something of the owner.
    pub(crate) fn signal(&self, signal: Signal) -> Wake {
        let flag = signal.flag();
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
        self.word() & RAISED == 0
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
            if word & RAISED == 0 {
                IDLE
            } else {
                word & !(NOTIFY | WAKE)
            }
        });
        if before & RAISED == 0 {
            Release::Left
        } else {
            Release::RunsOn
        }
    }

    /// The runner's handler waits for something, or there is no actor to run.
    pub(crate) fn suspend(&self) -> Release {
        let before = self.update(|word| {
            debug_assert_eq!(word & PHASE, RUNNING, "only the runner suspends");
            if word & INTERRUPTS == 0 {
                (word & !(PHASE | WAKE)) | SUSPENDED
            } else {
                word
            }
        });
        if before & INTERRUPTS == 0 {
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

    /// Whether the runner has more to look at than the mailbox.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.word() & INTERRUPTS != 0
    }

    /// Whether the actor is to end between two messages.
    pub(crate) fn leave(&self) -> Leave {
        match self.word() & (STOP | RETIRE | RECALL) {
            0 => Leave::No,
            word if word & STOP != 0 => Leave::Drained,
            word if word & RECALL != 0 => Leave::Recalled,
            _ => Leave::Retired,
        }
    }

    /// Takes a signal back, and says whether it was raised.
    pub(crate) fn take(&self, signal: Signal) -> bool {
        let flag = signal.flag();
        self.update(|word| word & !flag) & flag != 0
    }

    /// A life is over: takes back what was asked of it.
    pub(crate) fn outlive(&self) {
        self.update(|word| word & !(RETIRE | RECALL | ABORT));
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
