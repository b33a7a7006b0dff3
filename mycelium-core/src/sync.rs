//! The locks, atomics and wakers that lock-free code of this crate is written with.
//!
//! The modules that use nothing else (`bell.rs`, `cell/phase.rs`, `mailbox/local.rs`,
//! `mailbox/waiters.rs`) are compiled a second time by `tests/loom.rs`, where a module of the same
//! name brings loom's types: the models run the very source that ships.

use std::{
    sync::{OnceLock, PoisonError},
    task::Waker,
};

pub(crate) use std::sync::{
    MutexGuard,
    atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
};

/// A mutex without poisoning: whatever may panic under a lock is caught where it runs.
#[derive(Default)]
pub(crate) struct Mutex<T: ?Sized>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }
}

impl<T: ?Sized> Mutex<T> {
    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The waker of the one task that owns an actor, left once, before anybody may need it.
#[derive(Default)]
pub(crate) struct OwnerWaker(OnceLock<Waker>);

impl OwnerWaker {
    pub(crate) fn register(&self, waker: &Waker) {
        self.0.get_or_init(|| waker.clone());
    }

    pub(crate) fn wake(&self) {
        if let Some(waker) = self.0.get() {
            waker.wake_by_ref();
        }
    }
}
