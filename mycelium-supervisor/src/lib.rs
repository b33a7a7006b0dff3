//! Supervision trees for Mycelium actors.
//!
//! A [`Supervisor`] starts children, restarts those that end, and gives up when they end too often: the
//! supervisors of Erlang's OTP, with back-off besides, and with refs that never break: a restart gives
//! a child a new state and leaves its mailbox and all refs to it as they are.
//!
//! Read [`Supervisor`] first, then [`ChildSpec`]; `supervisor.rs` holds what it does, step by step.

mod backoff;
mod board;
mod breaker;
mod builder;
mod child;
mod child_spec;
mod error;
mod escalation;
mod event;
mod intensity;
mod report;
mod restart;
mod strategy;
mod supervision;
mod supervisor;
mod supervisor_ref;
mod tree;

pub use crate::{
    backoff::Backoff,
    breaker::{Breaker, BreakerConfig, BreakerError},
    builder::SupervisorBuilder,
    child_spec::ChildSpec,
    error::{ChildError, StartFailed, StartFailure},
    escalation::{BuildSupervision, OnEscalation},
    event::{Change, SupervisionEvent, SupervisionEvents, SupervisionNotice},
    intensity::Intensity,
    report::{ChildReport, ChildState, TreeReport},
    restart::{AutoShutdown, Restart, Shutdown},
    strategy::Strategy,
    supervision::{NodeSupervision, Trees},
    supervisor::{Supervisor, SupervisorMessage},
    supervisor_ref::SupervisorRef,
};
