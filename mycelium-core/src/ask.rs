//! [`Ask`]: a message that is answered, as a future.

use std::{
    error::Error,
    fmt,
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use mycelium_wire::TraceContext;
use pin_project_lite::pin_project;
use tokio::{
    task::coop,
    time::{Instant, Sleep, sleep_until},
};

use crate::{
    ActorRef, Message, ReplyTo, SendError, StopReason,
    block_on::block_on,
    mailbox::{
        entry::{Beside, Entry},
        waiters::Ticket,
    },
    reply_slot::{NoAnswer, Outcome, Slot},
    timer::from_now,
    wait_cycle::Wait,
};

/// How long an ask may take whose asker named no time, on a node that was told nothing else.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

pin_project! {
    /// The future of [`ActorRef::ask`]; has one outcome, by its deadline.
    #[must_use = "an ask does nothing until it is awaited"]
    pub struct Ask<'a, M, R>
    where
        M: Message,
        R: Send,
        R: 'static,
    {
        question: Question<'a, M, R>,
        timeout: Duration,
        #[pin]
        sleep: Option<Sleep>,
    }
}

/// Why an ask has no answer.
#[non_exhaustive]
pub enum AskError<M> {
    /// The message was not accepted, and comes back: for want of room in time, or because the
    /// actor, its node or the link is gone.
    NotSent(SendError<M>),
    /// The port was dropped unanswered: the handler failed or panicked, or chose not to answer.
    NoReply,
    /// The deadline passed; the message may have been handled.
    Timeout,
    /// The connection was lost while the ask was under way; the message may have been handled.
    LinkDown,
    /// The node went down while the ask was under way; the message may have been handled.
    NodeDown,
    /// The actor was gone before it handled the message.
    ActorDown(StopReason),
    /// The answer is of another type than was asked for.
    WrongType {
        /// What was asked for.
        wanted: &'static str,
        /// What the other node would answer.
        found: Box<str>,
    },
    /// The answer does not fit into a message of the link.
    TooLarge,
    /// The answer could not be encoded or decoded; the text says why.
    Refused(Box<str>),
}

/// An ask without its timer.
struct Question<'a, M: Message, R: Send + 'static> {
    to: &'a ActorRef<M>,
    /// Until it is accepted.
    entry: Option<Entry<M>>,
    ticket: Option<Ticket>,
    /// Until the outcome is taken.
    slot: Option<Arc<Slot<R>>>,
    wait: Wait,
}

impl<'a, M: Message, R: Send + 'static> Ask<'a, M, R> {
    pub(crate) fn new(to: &'a ActorRef<M>, make: impl FnOnce(ReplyTo<R>) -> M) -> Self {
        Self {
            question: Question::new(to, make),
            timeout: to.ask_timeout(),
            sleep: None,
        }
    }

    /// Gives the ask this long, from its first poll on, instead of the node's default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The ask belongs to a trace; see [`SendOptions::trace`](crate::SendOptions::trace). Costs an
    /// allocation.
    pub fn trace(mut self, trace: TraceContext) -> Self {
        if let Some(entry) = &mut self.question.entry {
            entry.trace(trace);
        }
        self
    }
}

impl<M: Message, R: Send + 'static> Future for Ask<'_, M, R> {
    type Output = Result<R, AskError<M>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // A loop of asks to an actor that answers at once must let timers run.
        ready!(pin!(coop::consume_budget()).poll(cx));
        let mut this = self.project();
        if this.sleep.is_none() {
            let deadline = from_now(*this.timeout);
            this.question.set_deadline(deadline);
            if let Poll::Ready(outcome) = this.question.poll(cx) {
                return Poll::Ready(outcome);
            }
            this.sleep.set(Some(sleep_until(deadline)));
        } else if let Poll::Ready(outcome) = this.question.poll(cx) {
            return Poll::Ready(outcome);
        }
        let sleep = this.sleep.as_pin_mut().expect("it was set above");
        ready!(sleep.poll(cx));
        Poll::Ready(Err(this.question.time_out()))
    }
}

impl<'a, M: Message, R: Send + 'static> Question<'a, M, R> {
    fn new(to: &'a ActorRef<M>, make: impl FnOnce(ReplyTo<R>) -> M) -> Self {
        let slot = Slot::for_asker(to.stamp());
        let message = make(ReplyTo::new(Arc::clone(&slot) as _));
        let entry = Entry::new(message, Beside::Shared(Arc::clone(&slot) as _));
        Self {
            to,
            entry: Some(entry),
            ticket: None,
            slot: Some(slot),
            wait: Wait::watched(),
        }
    }

    fn set_deadline(&self, at: Instant) {
        if let Some(slot) = &self.slot {
            slot.set_deadline(at);
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<R, AskError<M>>> {
        if self.entry.is_some() {
            let Poll::Ready(sent) = self.to.poll_send(&mut self.entry, &mut self.ticket, cx) else {
                self.wait.for_room(self.to);
                return Poll::Pending;
            };
            self.wait.end();
            if let Err(refused) = sent {
                return Poll::Ready(Err(AskError::NotSent(refused)));
            }
        }
        let slot = self
            .slot
            .as_ref()
            .expect("an ask is not polled after it is ready");
        let Poll::Ready(outcome) = slot.poll(cx) else {
            self.wait.for_answer(self.to, || Arc::clone(slot) as _);
            return Poll::Pending;
        };
        self.wait.end();
        self.slot = None;
        Poll::Ready(explain(outcome))
    }

    /// Leaves the line and the slot: a message that has not been handled yet is skipped.
    fn give_up(&mut self) {
        self.wait.end();
        if self.ticket.is_some() {
            self.to.leave_line(&mut self.ticket);
        }
        if let Some(slot) = self.slot.take() {
            slot.abandon();
        }
    }

    fn time_out(&mut self) -> AskError<M> {
        self.give_up();
        match self.entry.take() {
            Some(entry) => AskError::NotSent(SendError::Timeout(entry.message)),
            None => AskError::Timeout,
        }
    }
}

impl<M: Message, R: Send + 'static> Drop for Question<'_, M, R> {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// Asks from a thread outside the runtime.
pub(crate) fn ask_blocking<M: Message, R: Send + 'static>(
    to: &ActorRef<M>,
    make: impl FnOnce(ReplyTo<R>) -> M,
    timeout: Duration,
) -> Result<R, AskError<M>> {
    let mut question = Question::new(to, make);
    let deadline = from_now(timeout);
    question.set_deadline(deadline);
    let answer = std::future::poll_fn(|cx| question.poll(cx));
    match block_on(answer, Some(deadline.into_std())) {
        Some(outcome) => outcome,
        None => Err(question.time_out()),
    }
}

fn explain<M, R>(outcome: Outcome<R>) -> Result<R, AskError<M>> {
    outcome.map_err(|why| match why {
        NoAnswer::NoReply => AskError::NoReply,
        NoAnswer::LinkDown => AskError::LinkDown,
        NoAnswer::NodeDown => AskError::NodeDown,
        NoAnswer::ActorDown(reason) => AskError::ActorDown(reason),
        NoAnswer::TooLarge => AskError::TooLarge,
        NoAnswer::Refused(text) => AskError::Refused(text),
        NoAnswer::WrongType { found } => AskError::WrongType {
            wanted: std::any::type_name::<R>(),
            found,
        },
    })
}

impl<M> fmt::Display for AskError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent(refused) => write!(f, "the ask was not sent: {refused}"),
            Self::NoReply => f.write_str("the actor did not answer the ask"),
            Self::Timeout => f.write_str("no answer came in time"),
            Self::LinkDown => f.write_str("the link was lost while the ask was under way"),
            Self::NodeDown => f.write_str("the node went down while the ask was under way"),
            Self::ActorDown(reason) => write!(f, "the ask was not handled: {reason}"),
            Self::WrongType { wanted, found } => {
                write!(f, "{wanted} was asked for, the other node answers {found}")
            }
            Self::TooLarge => f.write_str("the answer is larger than a message of the link may be"),
            Self::Refused(text) => write!(f, "the answer could not be brought: {text}"),
        }
    }
}

impl<M> fmt::Debug for AskError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AskError({self})")
    }
}

impl<M> Error for AskError<M> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NotSent(refused) => refused.source(),
            _ => None,
        }
    }
}
