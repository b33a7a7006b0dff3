//! What the tests of several crates share; used from `tests/` folders only.
//!
//! [`conformance!`] makes a test of every behaviour of [`conformance`] over one transport.

mod bed;
mod proxy;
mod watchdog;

pub mod conformance;

pub use crate::{bed::Reach, watchdog::watched};
