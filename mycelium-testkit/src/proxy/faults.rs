//! [`Faults`]: what the bytes of one direction suffer on their way through a proxy.

use std::time::Duration;

/// What the bytes of one direction suffer; nothing by default.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use mycelium_testkit::proxy::{Faults, Pass};
///
/// let slow = Faults::default().latency(Duration::from_millis(50)).rate(125_000);
/// let in_crumbs = Faults::default().pass(Pass::Sliced { bytes: 1 });
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Faults {
    pub(super) latency: Duration,
    pub(super) jitter: Duration,
    pub(super) seed: u64,
    pub(super) rate_bytes_per_second: Option<u64>,
    pub(super) pass: Pass,
    pub(super) flip: Option<(u64, u8)>,
    pub(super) cut_at: Option<u64>,
    pub(super) stall: Option<Stall>,
}

/// In what portions bytes are passed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pass {
    /// As they come.
    #[default]
    Plain,
    /// In writes of this many bytes.
    Sliced {
        /// Bytes per write, at least 1.
        bytes: usize,
    },
    /// Gathered until there are this many, or their sender pauses.
    Glued {
        /// Bytes that are enough.
        bytes: usize,
    },
}

/// How a direction stands still: no bytes come out, and no end either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stall {
    /// Bytes wait, and come out when the stall is over; their sender is held back once the
    /// proxy's buffers are full.
    Hold,
    /// Bytes vanish, as they do behind a half-open connection.
    Swallow,
}

impl Faults {
    /// Every byte comes out this much later, in order.
    pub fn latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// Each read waits for up to this much more, drawn from a generator with this seed.
    pub fn jitter(mut self, jitter: Duration, seed: u64) -> Self {
        self.jitter = jitter;
        self.seed = seed;
        self
    }

    /// No more than so many bytes per second come out, 1 at least.
    pub fn rate(mut self, bytes_per_second: u64) -> Self {
        self.rate_bytes_per_second = Some(bytes_per_second.max(1));
        self
    }

    /// The portions in which bytes come out.
    pub fn pass(mut self, pass: Pass) -> Self {
        self.pass = pass;
        self
    }

    /// Inverts one bit, 0 to 7, of the byte at this position of the direction.
    pub fn flip(mut self, at_byte: u64, bit: u8) -> Self {
        self.flip = Some((at_byte, bit & 7));
        self
    }

    /// Ends the connection when so many bytes of the direction have come out.
    pub fn cut_at(mut self, byte: u64) -> Self {
        self.cut_at = Some(byte);
        self
    }

    /// Lets nothing come out for as long as this is imposed.
    pub fn stall(mut self, stall: Stall) -> Self {
        self.stall = Some(stall);
        self
    }
}
