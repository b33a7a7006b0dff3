//! [`Inbox`]: a mailbox without an actor.
//!
//! Whoever holds it is the runner of its cell, in place of an owner task. While the holder looks
//! again and again the phase stays running: a sender that finds the mailbox empty raises a flag,
//! and an empty look costs the load of that one word and no lock. Only a holder that waits leaves
//! the phase idle, and is woken by whoever sends next.
//!
//! Why no wake is lost: the holder leaves its waker at the [`Bell`] first, then looks once more,
//! then rests. To rest is a read-modify-write of the phase that fails when a sender's flag is up.
//! A sender whose flag comes later finds the phase idle, and therefore rings after the waker was
//! left. `tests/loom.rs` runs this order with a sender, and with a stop, beside it.

use std::{
    fmt,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    thread,
    time::{Duration, Instant},
};

use tokio::task::coop;

use crate::{
    ActorRef, Archived, LocalRef, Message, Node, StopReason,
    bell::Bell,
    block_on::block_on,
    cell::{
        Front,
        owner::panicked,
        phase::{Entry, Release},
    },
    mailbox::{Delivery, Intake},
};

/// A mailbox whose messages the holder takes itself: for a thread that polls, or waits, outside
/// the runtime.
///
/// Made by [`Node::inbox`]. Others send to its [`actor_ref`](Self::actor_ref) as to any actor,
/// from this node and from others, within the same bounds and with the same back-pressure; it can
/// be registered, asked and watched. No runtime is needed to receive, and receiving allocates
/// nothing (decoding a message of another node does what its type needs).
///
/// Senders that wait for room are woken as soon as nothing is left at hand, or half the room is
/// free. A message is *handled*, for its sender, when it is received.
///
/// # How it ends
///
/// [`stop`](ActorRef::stop) refuses later messages; what was accepted can still be received, then
/// every receive answers the reason. [`kill`](ActorRef::kill) ends it at the next receive, without
/// what is left. So does a panic in the `From` that converts a message of an older type, with its text
/// as the reason. Dropping it ends it as a stop, or as a panic where the thread panics. What is
/// left then becomes a [`DeadLetter`](crate::DeadLetter). The node's shutdown stops it and does
/// not wait for it.
///
/// # Ordering
///
/// As in an actor: messages of one sender are received in the order of their sends.
///
/// # Examples
///
/// ```
/// use mycelium_core::{Inbox, Node};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let node = Node::builder("trading").start().await?;
/// let mut inbox: Inbox<u64> = node.inbox();
/// let quotes = inbox.actor_ref();
/// let trader = std::thread::spawn(move || {
///     let mut sum = 0;
///     loop {
///         match inbox.try_recv() {
///             Ok(Some(quote)) => sum += quote,
///             Ok(None) => std::hint::spin_loop(),
///             Err(_stopped) => return sum,
///         }
///     }
/// });
/// quotes.send(40).await?;
/// quotes.send(2).await?;
/// quotes.stop();
/// assert_eq!(trader.join().expect("it does not panic"), 42);
/// # Ok(()) }
/// ```
pub struct Inbox<M: Message> {
    me: LocalRef<M>,
    node: Node,
    intake: Intake<M>,
    bell: Arc<Bell>,
    standing: Standing,
}

/// What the holder knows of its mailbox.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// There may be something in it. The phase is running.
    Looking,
    /// There was nothing in it, and is not until the phase says so. The phase is running.
    Drained,
    /// The holder waits, or gave up waiting. The phase is idle unless somebody has sent since.
    Resting,
    /// It has ended.
    Over,
}

impl<M: Message> Inbox<M> {
    /// Takes the place of the owner of a new cell.
    pub(crate) fn new(me: LocalRef<M>, node: Node) -> Self {
        let bell = Arc::new(Bell::default());
        me.0.front.waker.register(&Waker::from(Arc::clone(&bell)));
        Self {
            me,
            node,
            intake: Intake::new(),
            bell,
            // A cell is born scheduled: the first look enters.
            standing: Standing::Resting,
        }
    }

    /// A ref for those who send.
    pub fn actor_ref(&self) -> ActorRef<M> {
        ActorRef::Local(self.me.clone())
    }

    /// Messages that wait to be received.
    pub fn mailbox_len(&self) -> usize {
        self.me.mailbox_len()
    }

    /// Takes the next message if there is one, without waiting: for a thread that polls.
    ///
    /// An empty look costs the load of one atomic word.
    ///
    /// # Errors
    ///
    /// Why the inbox has ended, once everything that was accepted has been received.
    pub fn try_recv(&mut self) -> Result<Option<M>, StopReason> {
        match self.take() {
            Poll::Ready(received) => received.map(Some),
            Poll::Pending => Ok(None),
        }
    }

    /// Takes the next message; the task waits while there is none.
    ///
    /// # Errors
    ///
    /// Those of [`try_recv`](Self::try_recv).
    ///
    /// # Cancel safety
    ///
    /// No message is lost when the future is dropped.
    pub async fn recv(&mut self) -> Result<M, StopReason> {
        poll_fn(|cx| {
            // A loop over a full inbox must let other tasks of its worker run.
            ready!(pin!(coop::consume_budget()).poll(cx));
            self.poll_recv(cx)
        })
        .await
    }

    /// Takes the next message; the thread sleeps while there is none.
    ///
    /// On a worker of the runtime it would keep other tasks from running: there, `recv` is the way.
    ///
    /// # Errors
    ///
    /// Those of [`try_recv`](Self::try_recv).
    pub fn recv_blocking(&mut self) -> Result<M, StopReason> {
        let received = block_on(poll_fn(|cx| self.poll_recv(cx)), None);
        received.expect("without a time limit it ends with an outcome")
    }

    /// Takes the next message; the thread sleeps while there is none, no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// Those of [`try_recv`](Self::try_recv).
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Option<M>, StopReason> {
        // A time that no clock will ever show is no limit.
        let until = Instant::now().checked_add(timeout);
        block_on(poll_fn(|cx| self.poll_recv(cx)), until).transpose()
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<M, StopReason>> {
        if let ready @ Poll::Ready(_) = self.take() {
            return ready;
        }
        // Before the last look: whoever sends after it rings for this waker.
        self.bell.listen(cx.waker());
        loop {
            if let ready @ Poll::Ready(_) = self.take() {
                return ready;
            }
            if self.rests() {
                return Poll::Pending;
            }
        }
    }

    /// The next message, or the end; pending where there is nothing now.
    fn take(&mut self) -> Poll<Result<M, StopReason>> {
        let front = &self.me.0.front;
        match self.standing {
            Standing::Looking => {}
            Standing::Drained if front.phase.is_quiet() => return Poll::Pending,
            Standing::Drained => front.phase.heed(),
            Standing::Resting => match front.phase.enter() {
                Entry::Runs => {}
                Entry::Waits | Entry::Ended => return Poll::Pending,
            },
            Standing::Over => return Poll::Ready(Err(front.exit.reason())),
        }
        self.standing = Standing::Looking;
        if front.phase.is_killed() {
            return Poll::Ready(Err(self.end(StopReason::Killed)));
        }
        // Read before the mailbox: a stop that comes later waits for the messages before it.
        let is_stopping = front.phase.is_stopping();
        match self.next_message() {
            Some(Ok(message)) => Poll::Ready(Ok(message)),
            Some(Err(panicked)) => Poll::Ready(Err(self.end(panicked))),
            None if is_stopping => Poll::Ready(Err(self.end(StopReason::Stopped))),
            None => {
                self.standing = Standing::Drained;
                Poll::Pending
            }
        }
    }

    /// The next message, or the panic of its conversion from an older type.
    fn next_message(&mut self) -> Option<Result<M, StopReason>> {
        let mailbox = self.me.0.mailbox();
        let message = loop {
            let delivery = self.intake.next(mailbox);
            if let expired @ 1.. = self.intake.take_expired() {
                self.node.expired::<M>(self.me.id(), expired);
            }
            match delivery? {
                Delivery::Moved(message) => break Ok(message),
                Delivery::Arrived(message) if message.is_converted() => break converted(message),
                Delivery::Arrived(message) => break Ok(message.decode()),
                // An inbox watches nobody, and its holder waits for a message.
                Delivery::Told(_) | Delivery::Pause => {}
            }
        };
        // The holder may be away for long: nobody shall wait for room that is there.
        if !self.intake.has_batch() {
            self.intake.settle(mailbox);
        }
        Some(message)
    }

    /// Leaves the phase idle; `false` when something was raised meanwhile and must be looked at.
    fn rests(&mut self) -> bool {
        if self.standing == Standing::Resting {
            return true;
        }
        self.standing = match self.me.0.front.phase.rest() {
            Release::Left => Standing::Resting,
            Release::RunsOn => Standing::Looking,
        };
        self.standing == Standing::Resting
    }

    fn end(&mut self, reason: StopReason) -> StopReason {
        self.standing = Standing::Over;
        let intake = &mut self.intake;
        let discard = |front: &Front<M>| intake.discard(&front.mailbox);
        let front = &self.me.0.front;
        front.tear_down(&self.node, reason, discard);
        front.exit.reason()
    }
}

/// A panic in a `From` of the program's ends the inbox, as it would an actor: its holder is told,
/// and its thread, which has called nothing but a `recv`, lives on.
fn converted<M: Message>(message: Archived<M>) -> Result<M, StopReason> {
    catch_unwind(AssertUnwindSafe(|| message.decode())).map_err(panicked)
}

impl<M: Message> Drop for Inbox<M> {
    fn drop(&mut self) {
        if self.standing == Standing::Over {
            return;
        }
        self.end(if thread::panicking() {
            StopReason::Panicked("the thread that held the inbox panicked".into())
        } else {
            StopReason::Stopped
        });
    }
}

impl<M: Message> fmt::Debug for Inbox<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inbox({})", self.me.id())
    }
}
