//! [`Mailbox`]: everything an actor may still have to handle.
//!
//! Messages of this process lie in one [`LocalQueue`]; frames of other processes in a
//! [`FrameQueue`] per binding, so that one sender's backlog never delays another's. The actor
//! takes from all of them in turn, a batch from each; [`Intake`] holds the batches at hand.

pub(crate) mod backlog;
pub(crate) mod entry;
pub(crate) mod frame_count;
pub(crate) mod frames;
pub(crate) mod intake;
pub(crate) mod ledger;
pub(crate) mod local;
pub(crate) mod waiters;

use std::sync::Arc;

use self::{entry::Entry, frame_count::FrameCount, frames::FrameQueue, local::LocalQueue};
use crate::{
    sync::{AtomicBool, Mutex, Ordering},
    watch::Notices,
};

pub(crate) use self::intake::{Delivery, Intake};

/// The queues of one actor.
pub(crate) struct Mailbox<M> {
    pub(crate) local: LocalQueue<Entry<M>>,
    pub(crate) frames: FrameCount,
    /// The control lane: never behind messages that came later.
    pub(crate) notices: Notices,
    ready: Mutex<Ready<M>>,
    /// Whether `ready` may hold a queue: spares actors without bindings its lock.
    has_ready: AtomicBool,
}

/// The frame queues that hold frames and are not yet in the actor's hands.
struct Ready<M> {
    queues: Vec<Arc<FrameQueue<M>>>,
    is_closed: bool,
}

/// The mailbox takes nothing any more.
pub(crate) struct Closed;

impl<M> Mailbox<M> {
    pub(crate) fn new(capacity_messages: usize) -> Self {
        Self {
            local: LocalQueue::new(capacity_messages),
            frames: FrameCount::new(capacity_messages),
            notices: Notices::default(),
            ready: Mutex::new(Ready {
                queues: Vec::new(),
                is_closed: false,
            }),
            has_ready: AtomicBool::new(false),
        }
    }

    /// Messages whose handling has not started, those of other nodes included.
    pub(crate) fn len(&self) -> usize {
        self.local.len() + self.frames.len()
    }

    /// Lists a frame queue that is no longer empty; the caller notifies the owner.
    pub(crate) fn list(&self, queue: Arc<FrameQueue<M>>) -> Result<(), Closed> {
        let mut ready = self.ready.lock();
        if ready.is_closed {
            return Err(Closed);
        }
        ready.queues.push(queue);
        // Release: pairs with the Acquire in `take_ready`; the owner's wake-up comes after it.
        self.has_ready.store(true, Ordering::Release);
        Ok(())
    }

    /// Refuses every later message; what was accepted stays.
    pub(crate) fn close(&self) {
        self.local.close();
        self.ready.lock().is_closed = true;
    }

    /// Moves the listed queues to the actor's hands.
    fn take_ready(&self, adopt: impl FnMut(Arc<FrameQueue<M>>)) {
        // Acquire: pairs with the Release in `list`. A queue listed later raises NOTIFY.
        if self.has_ready.load(Ordering::Acquire) {
            let mut ready = self.ready.lock();
            self.has_ready.store(false, Ordering::Release);
            ready.queues.drain(..).for_each(adopt);
        }
    }
}
