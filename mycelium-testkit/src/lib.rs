//! What the tests of several crates share; used from `tests/` folders only.
//!
//! [`conformance!`] makes a test of every behaviour of [`mod@conformance`] over one transport;
//! [`hostile`] is a peer that shakes hands and then breaks the protocol as it is told.

mod bed;
mod proxy;
mod watchdog;

pub mod conformance;
pub mod hostile;

pub use crate::{bed::Reach, watchdog::watched};
