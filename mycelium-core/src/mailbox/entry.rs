//! [`Entry`]: a message in the queue of its process, and [`Beside`]: what lies beside a message
//! wherever it waits.

use std::{sync::Arc, time::Duration};

use mycelium_wire::{FrameExtensions, SendTime, TraceContext};

use crate::{
    link::{PeerClock, Purpose},
    stamp::{Stamp, nanoseconds},
};

/// A message as it waits to be handled.
pub(crate) struct Entry<M> {
    pub(crate) message: M,
    pub(crate) beside: Beside,
}

/// What lies beside a message, in two words.
pub(crate) enum Beside {
    /// When it was sent, where its actor wants to know.
    Sent(Option<Stamp>),
    /// The ask it belongs to, or what its sender gave along.
    Shared(Arc<dyn Companion>),
}

// What a message costs beside itself: a slot of a mailbox may take 24 bytes more than its message.
const _: () = assert!(size_of::<Beside>() == 16);
const _: () = assert!(size_of::<Entry<[u64; 2]>>() <= 16 + 24);

/// What is to become of a message whose turn has come.
pub(crate) enum Fate {
    /// It is to be handled.
    Due(Sending),
    /// Nobody waits for the reply any more.
    Abandoned,
    /// Its time has passed.
    Expired,
}

/// How the message that is being handled was sent, as far as it is known.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sending {
    pub(crate) sent: Option<Stamp>,
    pub(crate) trace: Option<TraceContext>,
}

/// What belongs to a message, as the queue sees it.
pub(crate) trait Companion: Send + Sync {
    /// What is to become of the message now.
    fn fate(&self) -> Fate;

    fn purpose(&self) -> Purpose;

    /// What travels with the message to a node that may share this one's clock.
    fn extensions(&self, clock: PeerClock) -> FrameExtensions;

    /// Whether an asker waits for a reply whose port is in this process still.
    #[cfg(debug_assertions)]
    fn is_awaited_here(&self) -> bool;
}

impl<M> Entry<M> {
    pub(crate) fn new(message: M, beside: Beside) -> Self {
        Self { message, beside }
    }

    /// The message belongs to a trace.
    pub(crate) fn trace(&mut self, trace: TraceContext) {
        let given = Given::new(Stamp::now(), None, Some(trace));
        let ask = match &self.beside {
            Beside::Sent(_) => None,
            Beside::Shared(ask) => Some(Arc::clone(ask)),
        };
        self.beside = Beside::given(Given { ask, ..given });
    }
}

impl Beside {
    pub(crate) fn given(given: Given) -> Self {
        Self::Shared(Arc::new(given))
    }

    /// What lies beside a message of another node.
    pub(crate) fn arrived(
        extensions: FrameExtensions,
        clock: PeerClock,
        stamp: impl FnOnce() -> Option<Stamp>,
    ) -> Self {
        if extensions == FrameExtensions::default() {
            return Self::Sent(stamp());
        }
        Self::given(Given::arrived(extensions, clock, Stamp::now()))
    }

    pub(crate) fn fate(&self) -> Fate {
        match self {
            Self::Sent(sent) => Fate::Due(Sending {
                sent: *sent,
                trace: None,
            }),
            Self::Shared(companion) => companion.fate(),
        }
    }

    pub(crate) fn purpose(&self) -> Purpose {
        match self {
            Self::Sent(_) => Purpose::Tell,
            Self::Shared(companion) => companion.purpose(),
        }
    }

    pub(crate) fn extensions(&self, clock: impl FnOnce() -> PeerClock) -> FrameExtensions {
        match self {
            Self::Sent(_) => FrameExtensions::default(),
            Self::Shared(companion) => companion.extensions(clock()),
        }
    }
}

/// What the sender of a message gave along.
pub(crate) struct Given {
    sent: Stamp,
    deadline: Option<Stamp>,
    trace: Option<TraceContext>,
    /// The ask it belongs to, if it does.
    ask: Option<Arc<dyn Companion>>,
}

impl Given {
    pub(crate) fn new(sent: Stamp, ttl: Option<Duration>, trace: Option<TraceContext>) -> Self {
        Self {
            sent,
            deadline: ttl.map(|ttl| sent.plus_ns(nanoseconds(ttl))),
            trace,
            ask: None,
        }
    }

    /// What came with a message of another node. All numbers are a stranger's.
    fn arrived(extensions: FrameExtensions, clock: PeerClock, now: Stamp) -> Self {
        let FrameExtensions { trace, sent } = extensions;
        let (age_ns, ttl_ns) = match (sent, clock) {
            (None, _) => (0, 0),
            (Some(time), PeerClock::Ours) => {
                (now.since_ns(Stamp::from_ns(time.sent_ns)), time.ttl_ns)
            }
            (Some(time), PeerClock::Another) => (time.sent_ns, time.ttl_ns),
        };
        Self {
            sent: Stamp::from_ns(now.as_ns().saturating_sub(age_ns)),
            // Counted from now: the send may have been before this host was up.
            deadline: (ttl_ns > 0).then(|| now.plus_ns(ttl_ns.saturating_sub(age_ns))),
            trace,
            ask: None,
        }
    }
}

impl Companion for Given {
    fn fate(&self) -> Fate {
        if let Some(ask) = &self.ask
            && let Fate::Abandoned = ask.fate()
        {
            return Fate::Abandoned;
        }
        if self
            .deadline
            .is_some_and(|deadline| deadline <= Stamp::now())
        {
            return Fate::Expired;
        }
        Fate::Due(Sending {
            sent: Some(self.sent),
            trace: self.trace,
        })
    }

    fn purpose(&self) -> Purpose {
        self.ask.as_ref().map_or(Purpose::Tell, |ask| ask.purpose())
    }

    fn extensions(&self, clock: PeerClock) -> FrameExtensions {
        let sent_ns = match clock {
            PeerClock::Ours => self.sent.as_ns(),
            PeerClock::Another => Stamp::now().since_ns(self.sent),
        };
        // No time at all is the least that can be said: zero is no limit.
        let ttl_ns = self.deadline.map_or(0, |at| at.since_ns(self.sent).max(1));
        FrameExtensions {
            trace: self.trace,
            sent: Some(SendTime { sent_ns, ttl_ns }),
        }
    }

    #[cfg(debug_assertions)]
    fn is_awaited_here(&self) -> bool {
        self.ask.as_ref().is_some_and(|ask| ask.is_awaited_here())
    }
}

#[cfg(test)]
mod tests {
    use mycelium_wire::{FrameExtensions, SendTime};
    use proptest::prelude::*;

    use super::{Companion, Given};
    use crate::{link::PeerClock, stamp::Stamp};

    fn arrived(sent_ns: u64, ttl_ns: u64, clock: PeerClock, now: Stamp) -> Given {
        let sent = Some(SendTime { sent_ns, ttl_ns });
        Given::arrived(FrameExtensions { sent, trace: None }, clock, now)
    }

    proptest! {
        #[test]
        fn no_number_of_a_peer_makes_a_message_younger_than_its_arrival(
            sent_ns: u64,
            ttl_ns: u64,
            now_ns: u64,
            is_ours: bool,
        ) {
            let clock = if is_ours { PeerClock::Ours } else { PeerClock::Another };
            let now = Stamp::from_ns(now_ns);
            let given = arrived(sent_ns, ttl_ns, clock, now);
            prop_assert!(given.sent <= now);
            prop_assert_eq!(given.deadline.is_some(), ttl_ns > 0);
            prop_assert!(given.deadline.is_none_or(|deadline| deadline >= given.sent));
            // It may be sent on.
            let _any_numbers = given.extensions(clock);
        }
    }

    #[test]
    fn between_hosts_the_time_on_the_way_is_not_counted() {
        let now = Stamp::from_ns(1_000);
        let given = arrived(300, 500, PeerClock::Another, now);
        assert_eq!(given.sent, Stamp::from_ns(700));
        assert_eq!(given.deadline, Some(Stamp::from_ns(1_200)));
    }

    #[test]
    fn a_message_may_be_older_than_its_receivers_host() {
        let now = Stamp::from_ns(1_000);
        let given = arrived(3_000, 3_500, PeerClock::Another, now);
        assert_eq!(given.deadline, Some(Stamp::from_ns(1_500)));
    }

    #[test]
    fn on_one_host_the_time_on_the_way_counts() {
        let now = Stamp::from_ns(1_000);
        let given = arrived(300, 500, PeerClock::Ours, now);
        assert_eq!(given.sent, Stamp::from_ns(300));
        assert_eq!(given.deadline, Some(now), "its time has passed");
        let given = arrived(300, 800, PeerClock::Ours, now);
        assert_eq!(given.deadline, Some(Stamp::from_ns(1_100)));
    }
}
