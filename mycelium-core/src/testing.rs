//! What the tests of programs need: an actor that hands out what it is sent, a clock that the test
//! moves, and the end of an actor as a future.
//!
//! Behind the feature `testing`, for it turns on tokio's clock that can be paused, which makes
//! every look at the time dearer: name the feature under `[dev-dependencies]`.
//!
//! Start with [`Probe`].

mod ended;
mod probe;
mod virtual_time;

use std::time::Duration;

pub use self::{ended::ended, probe::Probe, virtual_time::VirtualTime};

/// How long a test waits for what it expects before it fails: longer than a loaded machine takes.
const PATIENCE: Duration = Duration::from_secs(30);
