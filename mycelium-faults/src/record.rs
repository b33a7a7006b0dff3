//! [`Record`]: one line of a node's ledger, in a fixed number of bytes.

/// What happened at a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Event {
    /// The node runs; the value is its TCP port, or 0.
    Ready = 1,
    /// The link to `receiver` is up, and its actor found.
    Linked,
    /// A tick is about to be sent.
    Attempted,
    /// A send answered `Ok`.
    Accepted,
    /// A send gave the message back; the value is a [`GivenBack`].
    GivenBack,
    /// A tick was handled.
    Handled,
    /// Another message was handled.
    OtherHandled,
    /// An ask begins; the value is its deadline.
    Asked,
    /// An ask has its outcome, at the time that is the value; the check is an [`Outcome`].
    Answered,
    /// Sends to `receiver` are known to fail for good; the value is when.
    DownSeen,
    /// A watcher was told of the end of `receiver`'s actor; the value is when.
    Told,
    /// The link to `receiver` is suspected, is heard again, or its peer counts as down; the value
    /// is when.
    Suspected,
    Revived,
    PeerDown,
    /// A send through a ref of an earlier epoch; the value is a [`GivenBack`], or 0 where it was
    /// taken.
    OldRef,
    /// What `link.stats()` says at rest of the link to `receiver`.
    LinkAccepted,
    LinkConfirmed,
    LinkRefused,
    LinkUnknown,
    LinkInFlight,
    /// Asks that still wait on that link.
    LinkPending,
    /// Links that the node has, at rest.
    Links,
    /// Open file descriptors of the process, when it was ready and at rest.
    Descriptors,
    /// The node did not start: its name is taken.
    Duplicate,
    /// The node has shut down in time.
    ShutDown,
    /// A handler is about to block its thread, at the time that is the value.
    Blocks,
    /// The node has named the actor and the message of a handler that blocks; the value is when.
    Named,
}

/// Why a message came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum GivenBack {
    ActorDown = 1,
    NodeDown,
    Stale,
    Other,
}

/// How an ask ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Outcome {
    Answer = 1,
    /// The message was given back.
    NotSent,
    NoReply,
    Timeout,
    LinkDown,
    NodeDown,
    ActorDown,
    Other,
}

/// One line of a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) event: Event,
    /// The CRC-32C of a tick's bytes.
    pub(crate) check: u32,
    /// The lives of the two nodes.
    pub(crate) sender: u64,
    pub(crate) receiver: u64,
    pub(crate) sequence: u64,
    pub(crate) value: u64,
}

const EVENTS: [Event; 27] = [
    Event::Ready,
    Event::Linked,
    Event::Attempted,
    Event::Accepted,
    Event::GivenBack,
    Event::Handled,
    Event::OtherHandled,
    Event::Asked,
    Event::Answered,
    Event::DownSeen,
    Event::Told,
    Event::Suspected,
    Event::Revived,
    Event::PeerDown,
    Event::OldRef,
    Event::LinkAccepted,
    Event::LinkConfirmed,
    Event::LinkRefused,
    Event::LinkUnknown,
    Event::LinkInFlight,
    Event::LinkPending,
    Event::Links,
    Event::Descriptors,
    Event::Duplicate,
    Event::ShutDown,
    Event::Blocks,
    Event::Named,
];

impl Record {
    /// A multiple of these fits into one atomic write to a pipe.
    pub(crate) const BYTES: usize = 40;

    pub(crate) fn of(event: Event) -> Self {
        Self {
            event,
            check: 0,
            sender: 0,
            receiver: 0,
            sequence: 0,
            value: 0,
        }
    }

    pub(crate) fn between(mut self, sender: u64, receiver: u64) -> Self {
        (self.sender, self.receiver) = (sender, receiver);
        self
    }

    pub(crate) fn sequence(mut self, sequence: u64) -> Self {
        self.sequence = sequence;
        self
    }

    pub(crate) fn value(mut self, value: u64) -> Self {
        self.value = value;
        self
    }

    pub(crate) fn check(mut self, check: u32) -> Self {
        self.check = check;
        self
    }

    /// How an ask ended, of which this is the [`Event::Answered`].
    pub(crate) fn is(&self, outcome: Outcome) -> bool {
        self.event == Event::Answered && self.check == outcome as u32
    }

    pub(crate) fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[0] = self.event as u8;
        bytes[4..8].copy_from_slice(&self.check.to_le_bytes());
        let numbers = [self.sender, self.receiver, self.sequence, self.value];
        for (place, number) in bytes[8..].chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    /// `None` where these are no record.
    pub(crate) fn from_bytes(bytes: &[u8; Self::BYTES]) -> Option<Self> {
        let number = |at: usize| {
            let number = bytes[at..at + 8].try_into();
            u64::from_le_bytes(number.expect("eight bytes"))
        };
        let check = bytes[4..8].try_into().expect("four bytes");
        Some(Self {
            event: *EVENTS.iter().find(|event| **event as u8 == bytes[0])?,
            check: u32::from_le_bytes(check),
            sender: number(8),
            receiver: number(16),
            sequence: number(24),
            value: number(32),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_survives_its_bytes() {
        for event in EVENTS {
            let record = Record::of(event).between(1, u64::MAX).sequence(3);
            let record = record.value(4).check(5);
            assert_eq!(Record::from_bytes(&record.to_bytes()), Some(record));
        }
    }

    #[test]
    fn bytes_that_are_no_event_are_no_record() {
        assert_eq!(Record::from_bytes(&[0xff; Record::BYTES]), None);
        assert_eq!(Record::from_bytes(&[0; Record::BYTES]), None);
    }
}
