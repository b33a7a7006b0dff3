//! [`Board`]: where the lives of children leave word for their supervisor.
//!
//! A child says at most two things of each life, and has no other life before its supervisor has read
//! them: the board is bounded by the number of children. Whoever writes sees to it that the supervisor
//! looks: by a message to it, unless its mailbox is full, for then it will look before it handles what
//! lies there.

use std::{
    collections::VecDeque,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use mycelium_core::{ActorRef, Keeper, StopReason};
use tokio::sync::Notify;

use crate::supervisor::{Order, SupervisorMessage};

/// What tells the children of a supervisor apart, those that it had included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChildKey(pub(crate) u64);

/// What became of a life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Started,
    Ended(StopReason),
}

/// A word about a life of a child.
#[derive(Debug)]
pub(crate) struct Notice {
    pub(crate) child: ChildKey,
    pub(crate) life: u32,
    pub(crate) word: Word,
}

/// Where children leave word.
#[derive(Default)]
pub(crate) struct Board {
    notices: Mutex<Posted>,
    changed: Notify,
    reader: OnceLock<ActorRef<SupervisorMessage>>,
}

#[derive(Default)]
struct Posted {
    notices: VecDeque<Notice>,
    /// Whether the reader has been told to look, and has not looked since.
    is_told: bool,
}

impl Board {
    /// Who reads it.
    pub(crate) fn read_by(&self, supervisor: ActorRef<SupervisorMessage>) {
        // A tree has one supervisor, whose ref outlives its restarts.
        let _ = self.reader.set(supervisor);
    }

    /// The supervisor, once it is there.
    pub(crate) fn reader(&self) -> Option<&ActorRef<SupervisorMessage>> {
        self.reader.get()
    }

    /// The next notice, whichever child it is of.
    pub(crate) fn next(&self) -> Option<Notice> {
        let mut posted = self.lock();
        posted.is_told = false;
        posted.notices.pop_front()
    }

    /// The next word about this life of the child.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub(crate) async fn word(&self, child: ChildKey, life: u32) -> Word {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(word) = self.take(child, life) {
                return word;
            }
            changed.await;
        }
    }

    /// Waits until this life of the child is over.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub(crate) async fn ended(&self, child: ChildKey, life: u32) -> StopReason {
        loop {
            if let Word::Ended(reason) = self.word(child, life).await {
                return reason;
            }
        }
    }

    fn take(&self, child: ChildKey, life: u32) -> Option<Word> {
        let notices = &mut self.lock().notices;
        let is_wanted = |notice: &Notice| notice.child == child && notice.life == life;
        let at = notices.iter().position(is_wanted)?;
        Some(notices.remove(at)?.word)
    }

    fn post(&self, notice: Notice) {
        let mut posted = self.lock();
        posted.notices.push_back(notice);
        let was_told = std::mem::replace(&mut posted.is_told, true);
        drop(posted);
        self.changed.notify_waiters();
        if let (false, Some(reader)) = (was_told, self.reader.get())
            && reader.try_send(SupervisorMessage(Order::Look)).is_err()
        {
            // It is full, and looks before it handles what it has; or it is gone.
            self.lock().is_told = false;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Posted> {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leaves word for a child.
pub(crate) struct Writer {
    pub(crate) board: Arc<Board>,
    pub(crate) child: ChildKey,
}

impl Writer {
    fn post(&self, life: u32, word: Word) {
        self.board.post(Notice {
            child: self.child,
            life,
            word,
        });
    }
}

impl Keeper for Writer {
    fn started(&self, life: u32) {
        self.post(life, Word::Started);
    }

    fn ended(&self, life: u32, reason: &StopReason) {
        self.post(life, Word::Ended(reason.clone()));
    }
}
