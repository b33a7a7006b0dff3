//! [`DeadLetter`]: messages that were accepted and will never be handled.

use std::fmt;

use mycelium_wire::ActorId;
use tokio::sync::broadcast;

use crate::{DeadLetterCounts, StopReason, stats::DeadLetterCounters};

/// How many notices a slow reader of [`DeadLetters`] may be behind before it misses some.
const BACKLOG_NOTICES: usize = 1_024;

/// Messages that an actor was sent and will never handle.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The actor they were sent to.
    pub target: ActorId,
    /// The Rust name of the message type.
    pub message_type: &'static str,
    /// Why they are not handled.
    pub reason: DeadLetterReason,
    /// How many messages there were.
    pub count: usize,
}

/// Why messages will never be handled.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeadLetterReason {
    /// Their actor ended before their turn came.
    ActorEnded(StopReason),
    /// Their [time to live](crate::SendOptions::ttl) had passed when their turn came; the actor lives
    /// on.
    Expired,
}

impl fmt::Display for DeadLetterReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ActorEnded(reason) => reason.fmt(f),
            Self::Expired => f.write_str("the time of the messages had passed"),
        }
    }
}

/// A bounded stream of [`DeadLetter`]s, from the moment it was asked for.
///
/// # Examples
///
/// ```
/// use mycelium_core::{Actor, ActorResult, Context, DeadLetterNotice, Node};
///
/// struct Picky;
///
/// impl Actor for Picky {
///     type Message = u32;
///
///     async fn handle(&mut self, message: u32, _cx: &mut Context<Self>) -> ActorResult {
///         Err(format!("not {message}").into())
///     }
/// }
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let node = Node::builder("picky").start().await?;
///     let mut letters = node.dead_letters();
///     let picky = node.spawn(Picky);
///     for message in 1..=3 {
///         picky.send(message).await?;
///     }
///     let Some(DeadLetterNotice::Letter(letter)) = letters.next().await else {
///         return Err("no dead letter".into());
///     };
///     assert_eq!((letter.target, letter.count), (picky.id(), 2));
///     Ok(())
/// }
/// ```
pub struct DeadLetters(broadcast::Receiver<DeadLetter>);

/// The next item of [`DeadLetters`].
#[derive(Clone, Debug)]
pub enum DeadLetterNotice {
    /// Messages that will never be handled.
    Letter(DeadLetter),
    /// This reader was too slow and missed so many notices.
    Missed(u64),
}

impl DeadLetters {
    /// The next notice; `None` once the node is gone.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<DeadLetterNotice> {
        match self.0.recv().await {
            Ok(letter) => Some(DeadLetterNotice::Letter(letter)),
            Err(broadcast::error::RecvError::Lagged(count)) => {
                Some(DeadLetterNotice::Missed(count))
            }
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// The writing end, on the node.
pub(crate) struct DeadLetterOffice {
    letters: broadcast::Sender<DeadLetter>,
    counters: DeadLetterCounters,
}

impl DeadLetterOffice {
    pub(crate) fn new() -> Self {
        Self {
            letters: broadcast::Sender::new(BACKLOG_NOTICES),
            counters: DeadLetterCounters::default(),
        }
    }

    pub(crate) fn subscribe(&self) -> DeadLetters {
        DeadLetters(self.letters.subscribe())
    }

    pub(crate) fn counts(&self) -> DeadLetterCounts {
        self.counters.counts()
    }

    pub(crate) fn report(&self, letter: DeadLetter) {
        match &letter.reason {
            DeadLetterReason::ActorEnded(reason) => tracing::warn!(
                actor = %letter.target,
                message_type = letter.message_type,
                count = letter.count,
                %reason,
                "an actor ended with messages it had not handled"
            ),
            // Whoever gave them a time to live has chosen that.
            DeadLetterReason::Expired => tracing::debug!(
                actor = %letter.target,
                message_type = letter.message_type,
                count = letter.count,
                "messages had expired when their turn came"
            ),
        }
        self.counters.add(&letter.reason, letter.count);
        // Nobody listening is fine: the warning is out.
        let _ = self.letters.send(letter);
    }
}
