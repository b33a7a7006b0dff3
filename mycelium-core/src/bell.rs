//! [`Bell`]: wakes whoever waits at an inbox just now, a task or a thread.
//!
//! The cell of an inbox keeps one waker for its whole life, as that of an actor does; this is what
//! it wakes. Who waits changes from one receive to the next.

use std::{
    sync::Arc,
    task::{Wake, Waker},
};

use crate::sync::Mutex;

/// The one who waits at an inbox, if somebody does. The lock is held for a move.
#[derive(Default)]
pub(crate) struct Bell(Mutex<Option<Waker>>);

impl Bell {
    /// From now on this waker is woken, once.
    pub(crate) fn listen(&self, waker: &Waker) {
        let before = self.0.lock().replace(waker.clone());
        // Dropped outside the lock: it may be the last handle to a task.
        drop(before);
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let listener = self.0.lock().take();
        if let Some(listener) = listener {
            listener.wake();
        }
    }
}
