//! [`Member`]: a child that does what a test tells it, and notes what becomes of it in a [`Log`].

use std::{
    future, mem,
    sync::{Arc, Mutex, PoisonError},
};

use mycelium_core::{Actor, ActorResult, Context, ReplyTo, StopReason};
use mycelium_supervisor::ChildSpec;
use tokio::sync::Notify;

/// What became of the members, in its order.
#[derive(Clone, Default)]
pub(crate) struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    changed: Arc<Notify>,
}

/// How a member starts.
#[derive(Clone, Copy)]
#[allow(dead_code, reason = "not every test has all of them")]
pub(crate) enum Start {
    Works,
    FailsInLife(u32),
    HangsInLife(u32),
    FailsAfterLife(u32),
}

/// What a member is told.
#[allow(dead_code, reason = "not every test needs all of them")]
pub(crate) enum Order {
    Fail,
    Panic,
    /// Stays in the handler.
    Hang,
    /// Answers the number of its life.
    Life(ReplyTo<u32>),
}

pub(crate) struct Member {
    name: &'static str,
    life: u32,
    start: Start,
    log: Log,
    is_told: bool,
}

impl Log {
    /// A member of this name.
    pub(crate) fn child(&self, name: &'static str, start: Start) -> ChildSpec<Member> {
        let log = self.clone();
        let mut life = 0;
        ChildSpec::new(name, move || {
            life += 1;
            Member {
                name,
                life,
                start,
                log: log.clone(),
                is_told: false,
            }
        })
    }

    /// What was noted since the last time.
    #[allow(dead_code, reason = "not every test looks at all of it")]
    pub(crate) fn take(&self) -> Vec<String> {
        mem::take(&mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until this has been noted.
    #[allow(dead_code, reason = "not every test waits")]
    pub(crate) async fn wait_for(&self, line: &str) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.has(line) {
                return;
            }
            changed.await;
        }
    }

    fn has(&self, line: &str) -> bool {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().any(|noted| noted == line)
    }

    fn note(&self, line: String) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(line);
        drop(lines);
        self.changed.notify_waiters();
    }
}

impl Member {
    fn note(&self, what: &str) {
        self.log.note(format!("{}{} {what}", self.name, self.life));
    }
}

impl Actor for Member {
    type Message = Order;

    async fn started(&mut self, _: &mut Context<Self>) -> ActorResult {
        match self.start {
            Start::FailsInLife(life) if life == self.life => Err("not today".into()),
            Start::FailsAfterLife(life) if life < self.life => Err("not today".into()),
            Start::HangsInLife(life) if life == self.life => future::pending().await,
            _ => {
                self.note("started");
                Ok(())
            }
        }
    }

    async fn handle(&mut self, order: Order, _: &mut Context<Self>) -> ActorResult {
        match order {
            Order::Fail => return Err("told to".into()),
            Order::Panic => panic!("told to"),
            Order::Hang => {
                self.note("hangs");
                future::pending::<()>().await;
            }
            Order::Life(reply) => reply.send(self.life),
        }
        Ok(())
    }

    async fn stopped(&mut self, reason: &StopReason) {
        self.is_told = true;
        self.note(match reason {
            StopReason::Stopped => "stopped",
            _ => "failed",
        });
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if !self.is_told {
            self.note("dropped");
        }
    }
}
