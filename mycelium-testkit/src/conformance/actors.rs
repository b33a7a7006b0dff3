//! What the cases send, and the actors they send it to.

use std::{
    future::{Future, poll_fn},
    num::NonZeroUsize,
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use mycelium::prelude::*;
use tokio::{
    sync::{Semaphore, mpsc},
    task,
};

use crate::bed::Bed;

/// Why an accepted message is expected to be accepted.
pub(super) const LIVES: &str = "the actor lives";

/// For asks that the watchdog limits, and nobody else.
pub(super) const PATIENCE: Duration = Duration::from_hours(1);

/// A message of a fixed size, like a market-data tick.
#[message]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tick {
    pub(super) sequence: u64,
    pub(super) sender: u32,
}

impl Tick {
    pub(super) fn number(sequence: u64) -> Self {
        Self {
            sequence,
            sender: 0,
        }
    }
}

/// A message of any size.
#[message]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Blob {
    pub(super) sequence: u64,
    pub(super) bytes: Vec<u8>,
}

impl Blob {
    /// The longest content whose archive a link takes by default.
    pub(super) const LIMIT_BYTES: usize = (1 << 20) - 16;

    pub(super) fn of_size(sequence: u64, bytes: usize) -> Self {
        let bytes = vec![sequence.to_le_bytes()[0]; bytes];
        Self { sequence, bytes }
    }
}

/// Passes every message on to the test.
pub(super) struct Probe<M>(mpsc::UnboundedSender<M>);

impl<M: Message> Actor for Probe<M> {
    type Message = M;

    async fn handle(&mut self, message: M, _cx: &mut Context<Self>) -> ActorResult {
        // The test may have seen enough.
        let _ = self.0.send(message);
        Ok(())
    }
}

pub(super) fn probe<M: Message>() -> (Probe<M>, mpsc::UnboundedReceiver<M>) {
    let (sender, handled) = mpsc::unbounded_channel();
    (Probe(sender), handled)
}

/// Passes every message on, once it was let in.
pub(super) struct Gated<M> {
    permits: Arc<Semaphore>,
    handled: mpsc::UnboundedSender<M>,
}

impl<M: Message> Actor for Gated<M> {
    type Message = M;

    async fn started(&mut self, _cx: &mut Context<Self>) -> ActorResult {
        self.permits.acquire().await?.forget();
        Ok(())
    }

    async fn handle(&mut self, message: M, _cx: &mut Context<Self>) -> ActorResult {
        // The test may have seen enough.
        let _ = self.handled.send(message);
        Ok(())
    }
}

/// The way into a [`Gated`] actor, and what comes out of it. The actor fails when this goes.
pub(super) struct Gate<M> {
    permits: Arc<Semaphore>,
    pub(super) handled: mpsc::UnboundedReceiver<M>,
}

impl<M> Gate<M> {
    /// Lets the actor run.
    pub(super) fn open(&self) {
        self.permits.add_permits(1);
    }

    pub(super) async fn next(&mut self) -> M {
        self.handled.recv().await.expect(LIVES)
    }
}

impl<M> Drop for Gate<M> {
    fn drop(&mut self) {
        self.permits.close();
    }
}

/// An actor that takes no message before the gate opens.
pub(super) fn gated<M: Message>() -> (Gated<M>, Gate<M>) {
    let permits = Arc::new(Semaphore::new(0));
    let (sender, handled) = mpsc::unbounded_channel();
    let actor = Gated {
        permits: Arc::clone(&permits),
        handled: sender,
    };
    (actor, Gate { permits, handled })
}

/// What the desk is asked.
#[message]
pub(super) enum Question {
    Double {
        number: u64,
        reply: ReplyTo<u64>,
    },
    Drop {
        reply: ReplyTo<u64>,
    },
    Panic {
        reply: ReplyTo<u64>,
    },
    /// Is answered after [`Question::AnswerKept`], the last one first.
    Keep {
        number: u64,
        reply: ReplyTo<u64>,
    },
    AnswerKept,
    Long {
        bytes: u32,
        reply: ReplyTo<Vec<u8>>,
    },
    /// Passes the port on to the last of these, which passes it on to the one before it.
    PassOn {
        to: Vec<ActorRef<Question>>,
        number: u64,
        reply: ReplyTo<u64>,
    },
    /// As `PassOn`, but the end of the chain drops the port.
    PassOnToDrop {
        to: Vec<ActorRef<Question>>,
        reply: ReplyTo<u64>,
    },
    /// Gives a ref back.
    Return {
        actor: ActorRef<Question>,
        reply: ReplyTo<ActorRef<Question>>,
    },
    /// Gives a ref that is found by name.
    Seek {
        name: String,
        reply: ReplyTo<Option<ActorRef<Question>>>,
    },
    /// Answers by asking somebody else; nothing where that fails before it is sent.
    AskOn {
        to: ActorRef<Question>,
        number: u64,
        reply: ReplyTo<Option<u64>>,
    },
}

/// Answers questions.
#[derive(Default)]
pub(super) struct Desk {
    kept: Vec<(u64, ReplyTo<u64>)>,
}

impl Actor for Desk {
    type Message = Question;

    async fn handle(&mut self, message: Question, cx: &mut Context<Self>) -> ActorResult {
        match message {
            Question::Double { number, reply } => reply.send(2 * number),
            Question::Drop { reply } => drop(reply),
            Question::Panic { reply: _reply } => panic!("asked to"),
            Question::Keep { number, reply } => self.kept.push((number, reply)),
            Question::AnswerKept => {
                for (number, reply) in self.kept.drain(..).rev() {
                    reply.send(2 * number);
                }
            }
            Question::Long { bytes, reply } => reply.send(vec![7; bytes as usize]),
            Question::PassOn {
                mut to,
                number,
                reply,
            } => match to.pop() {
                Some(next) => next.send(Question::PassOn { to, number, reply }).await?,
                None => reply.send(2 * number),
            },
            Question::PassOnToDrop { mut to, reply } => match to.pop() {
                Some(next) => next.send(Question::PassOnToDrop { to, reply }).await?,
                None => drop(reply),
            },
            Question::Return { actor, reply } => reply.send(actor),
            Question::Seek { name, reply } => reply.send(cx.node().resolve(&name).await.ok()),
            Question::AskOn { to, number, reply } => {
                match to.ask(|reply| Question::Double { number, reply }).await {
                    Ok(answer) => reply.send(Some(answer)),
                    Err(AskError::NotSent(_) | AskError::ActorDown(_)) => reply.send(None),
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }
}

pub(super) fn capacity(messages: usize) -> SpawnOptions {
    SpawnOptions::default().capacity(NonZeroUsize::new(messages).expect("no actor without room"))
}

/// Sends numbered messages until there is room for no more, whatever the windows of the way there,
/// and says how many found some. Gives the refused one back too.
pub(super) async fn fill<M: Message>(
    bed: &Bed,
    to: &ActorRef<M>,
    message: impl Fn(u64) -> M,
) -> (u64, M) {
    let (mut accepted, mut refused) = fill_at_once(to, 0, &message);
    loop {
        // The first window opens without a round trip, the rest with the target's answer.
        bed.round_trip().await;
        let (more, again) = fill_at_once(to, accepted, &message);
        accepted += more;
        refused = again.or(refused);
        if more == 0 {
            return (accepted, refused.expect("there is no room any more"));
        }
    }
}

fn fill_at_once<M: Message>(
    to: &ActorRef<M>,
    first: u64,
    message: impl Fn(u64) -> M,
) -> (u64, Option<M>) {
    for sequence in first.. {
        match to.try_send(message(sequence)) {
            Ok(()) => {}
            Err(SendError::Full(refused)) => return (sequence - first, Some(refused)),
            Err(error) => panic!("{error}"),
        }
    }
    unreachable!("no mailbox is that large")
}

/// Sends until a send fails, and gives the failure.
pub(super) async fn refusal<M: Message>(to: &ActorRef<M>, message: impl Fn() -> M) -> SendError<M> {
    loop {
        match to.send(message()).await {
            Ok(()) => task::yield_now().await,
            Err(refused) => return refused,
        }
    }
}

/// Gives way to others until it holds.
pub(super) async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        task::yield_now().await;
    }
}

/// Whether a future is ready at once, and its output.
pub(super) async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    // With the whole budget of a task.
    task::yield_now().await;
    poll_fn(|cx| match Pin::new(&mut *future).poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
