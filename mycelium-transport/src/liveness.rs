//! The thread that shows peers that this node lives, and notices those that do not.
//!
//! It is a thread of its own so that a handler which blocks the runtime accuses nobody, and is not
//! accused: heartbeats are written here, and what lies unread in a socket counts as a sign of life.

use std::{
    io,
    sync::{Arc, Weak},
    thread,
    time::{Duration, Instant},
};

use tokio::task;

use crate::peers::Peers;

/// How often the thread looks at its links, in parts of the time between two heartbeats.
const LOOKS_PER_HEARTBEAT: u32 = 5;

/// The most looks that one pause of the thread counts as. A process that was stopped, or starved
/// of its cores, did not listen meanwhile: that time is not the peers' silence.
const LOOKS_AT_ONCE: u32 = 4;

/// When a peer that is not heard is suspected, and when it counts as down.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use mycelium_transport::LivenessConfig;
///
/// let patient = LivenessConfig::default()
///     .suspect_after(Duration::from_secs(5))
///     .down_after(Duration::from_secs(10));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LivenessConfig {
    heartbeat: Duration,
    suspect_after: Duration,
    down_after: Duration,
}

impl Default for LivenessConfig {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(250),
            suspect_after: Duration::from_secs(1),
            down_after: Duration::from_secs(2),
        }
    }
}

impl LivenessConfig {
    /// The time between two heartbeats to each peer. Default 250 ms; at least 1 ms. Shorter ones
    /// cost a wake-up and a system call per link each, and nothing else: also the peers have to be
    /// configured before this node is missed sooner.
    #[must_use]
    pub fn heartbeat(mut self, every: Duration) -> Self {
        self.heartbeat = every.max(Duration::from_millis(1));
        self
    }

    /// How long a peer may be silent before its link is [`Suspected`](mycelium_core::LinkState).
    /// Default 1 s. Below a few of the peer's heartbeats every hiccup is a suspicion.
    #[must_use]
    pub fn suspect_after(mut self, silence: Duration) -> Self {
        self.suspect_after = silence;
        self
    }

    /// How long a peer may be silent, or a lost link without a connection, before the peer is
    /// declared down. Default 2 s. Raising it keeps those who wait for a dead peer waiting longer.
    #[must_use]
    pub fn down_after(mut self, silence: Duration) -> Self {
        self.down_after = silence;
        self
    }

    /// How long a lost peer may take to come back.
    pub(crate) fn patience(&self) -> Duration {
        self.down_after
    }

    fn look_every(&self) -> Duration {
        self.heartbeat / LOOKS_PER_HEARTBEAT
    }
}

/// What is known of a peer's life on one connection.
#[derive(Default)]
pub(crate) struct Life {
    silent_for: Duration,
    is_suspected: bool,
    since_heartbeat: Duration,
}

/// What a look at a connection found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// Nothing new.
    Nothing,
    /// The peer is silent.
    Suspected,
    /// The peer was suspected and is heard again.
    Revived,
    /// The peer was silent for this long.
    Down(Duration),
}

impl Life {
    /// This much time has passed, in which the peer was heard or not.
    pub(crate) fn pass(
        &mut self,
        elapsed: Duration,
        was_heard: bool,
        config: &LivenessConfig,
    ) -> Finding {
        self.since_heartbeat += elapsed;
        if was_heard {
            self.silent_for = Duration::ZERO;
            return if std::mem::take(&mut self.is_suspected) {
                Finding::Revived
            } else {
                Finding::Nothing
            };
        }
        self.silent_for += elapsed;
        if self.silent_for >= config.down_after {
            return Finding::Down(self.silent_for);
        }
        let is_new = !self.is_suspected && self.silent_for >= config.suspect_after;
        if is_new {
            self.is_suspected = true;
            return Finding::Suspected;
        }
        Finding::Nothing
    }

    /// Whether it is time for a heartbeat; it is not again until one more interval has passed.
    pub(crate) fn take_heartbeat(&mut self, config: &LivenessConfig) -> bool {
        let is_due = self.since_heartbeat >= config.heartbeat;
        if is_due {
            self.since_heartbeat = Duration::ZERO;
        }
        is_due
    }

    pub(crate) fn is_suspected(&self) -> bool {
        self.is_suspected
    }
}

/// Starts the thread; it ends with the node, whose shutdown waits for it.
///
/// # Errors
///
/// The system gives no more threads.
pub(crate) fn start(peers: &Arc<Peers>) -> io::Result<()> {
    let node = peers.node().clone();
    let watched = Arc::downgrade(peers);
    let config = *peers.liveness();
    let thread = thread::Builder::new()
        .name(format!("alive-{}", node.id().name()))
        .spawn(move || run(&watched, &config))?;
    let closing = node.closing().clone();
    node.spawn_task(async move {
        closing.cancelled().await;
        thread.thread().unpark();
        // It panics no more than the locks it takes.
        let _ = task::spawn_blocking(move || thread.join()).await;
    });
    Ok(())
}

fn run(peers: &Weak<Peers>, config: &LivenessConfig) {
    let every = config.look_every();
    let mut looked = Instant::now();
    loop {
        thread::park_timeout(every);
        let Some(peers) = peers.upgrade() else { return };
        if peers.node().closing().is_cancelled() {
            return;
        }
        let elapsed = looked.elapsed().min(every * LOOKS_AT_ONCE);
        looked = Instant::now();
        peers.look(elapsed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Finding, Life, LivenessConfig};

    const LOOK: Duration = Duration::from_millis(50);

    /// What the looks find, with their numbers, where the peer is heard at these.
    fn findings(looks: usize, heard_at: &[usize]) -> Vec<(usize, Finding)> {
        let mut life = Life::default();
        let config = LivenessConfig::default();
        (1..=looks)
            .map(|look| (look, life.pass(LOOK, heard_at.contains(&look), &config)))
            .filter(|(_, finding)| *finding != Finding::Nothing)
            .collect()
    }

    #[test]
    fn a_silent_peer_is_suspected_and_then_down() {
        let down = Finding::Down(Duration::from_secs(2));
        assert_eq!(findings(40, &[]), [(20, Finding::Suspected), (40, down)]);
    }

    #[test]
    fn a_peer_that_is_heard_again_starts_anew() {
        assert_eq!(
            findings(49, &[30]),
            [(20, Finding::Suspected), (30, Finding::Revived)]
        );
    }

    #[test]
    fn a_peer_that_is_heard_now_and_then_is_never_suspected() {
        let heard: Vec<_> = (0..10).map(|number| number * 19).collect();
        assert_eq!(findings(180, &heard), []);
    }

    #[test]
    fn heartbeats_keep_their_interval() {
        let mut life = Life::default();
        let config = LivenessConfig::default();
        let beats = (1..=20).filter(|_| {
            life.pass(LOOK, true, &config);
            life.take_heartbeat(&config)
        });
        assert_eq!(beats.collect::<Vec<_>>(), [5, 10, 15, 20]);
    }
}
