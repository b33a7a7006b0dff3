//! What the tests of several crates share; used from `tests/` folders and by the fault rows.
//!
//! [`conformance!`] makes a test of every behaviour of [`mod@conformance`] over one transport;
//! [`certificates`] makes CAs and what they sign; [`hostile`] is a peer that shakes hands and then
//! breaks the protocol as it is told, [`proxy`] a network that does; [`fuzz`] is what the fuzzer does
//! with any bytes, [`simulated`] a network that a seed decides on, and [`mod@beside`] times ticks beside
//! large objects.

#[cfg(feature = "nodes")]
mod bed;
mod choices;
#[cfg(feature = "nodes")]
mod watchdog;

#[cfg(feature = "nodes")]
pub mod beside;
#[cfg(feature = "nodes")]
pub mod certificates;
#[cfg(feature = "nodes")]
pub mod conformance;
pub mod fuzz;
#[cfg(feature = "nodes")]
pub mod hostile;
#[cfg(feature = "nodes")]
pub mod proxy;
pub mod simulated;

pub use crate::choices::Choices;
#[cfg(feature = "nodes")]
pub use crate::{bed::Reach, watchdog::watched};
