//! [`Supervisor`]: the actor that starts children in order, restarts those that end, and stops them in
//! reverse order.
//!
//! Each of its steps is a line of plain code that waits for the children it is about: while a group is
//! being restarted, what other children do meanwhile lies on the [`Board`](crate::board) and is looked
//! at afterwards, as in OTP. Only back-off is not waited for.

use std::{pin::pin, sync::Arc};

use mycelium_core::{Actor, ActorResult, Context, ReplyTo, StopReason};
use tokio::{
    sync::oneshot,
    time::{self, Instant},
};

use crate::{
    AutoShutdown, Change, ChildError, Shutdown, StartFailed, StartFailure,
    board::{ChildKey, Notice, Word},
    child::Child,
    error::GaveUp,
    intensity::Restarts,
    tree::{Stopping, Tree},
};

/// What a supervisor is sent; made by [`SupervisorRef`](crate::SupervisorRef) and by its children.
pub struct SupervisorMessage(pub(crate) Order);

/// What a supervisor is to do.
pub(crate) enum Order {
    /// A child has left word on the board.
    Look,
    /// The wait of a group is over.
    Due(u64),
    Add {
        child: Box<Child>,
        reply: ReplyTo<Result<(), ChildError>>,
    },
    Remove {
        name: Arc<str>,
        reply: ReplyTo<Result<(), ChildError>>,
    },
    Restart {
        name: Arc<str>,
        reply: ReplyTo<Result<(), ChildError>>,
    },
}

/// An actor that keeps others alive: the heart of a supervision tree.
///
/// It starts its children in order, each when the one before has started; restarts those that end, by
/// its [`Strategy`](crate::Strategy) and each child's [`Restart`](crate::Restart); gives up, and fails,
/// when there are more restarts than its [`Intensity`](crate::Intensity) bears; and stops its children
/// in reverse order when it ends. A supervisor may be a child itself.
///
/// A restart gives a child a new state, and nothing else: its mailbox with all that waits in it, its
/// names, its watchers and every ref to it, here and on other nodes, stay. The message that a child
/// failed on is not tried again, and its asker is told at once.
///
/// # Examples
///
/// ```
/// use mycelium_core::{Actor, ActorRef, ActorResult, Context, Node, ReplyTo};
/// use mycelium_supervisor::{ChildSpec, NodeSupervision, Strategy, Supervisor};
///
/// #[derive(Default)]
/// struct Book(u64);
///
/// enum Order {
///     Add(u64),
///     Total(ReplyTo<u64>),
///     Garbled,
/// }
///
/// impl Actor for Book {
///     type Message = Order;
///
///     async fn handle(&mut self, order: Order, _: &mut Context<Self>) -> ActorResult {
///         match order {
///             Order::Add(size) => self.0 += size,
///             Order::Total(reply) => reply.send(self.0),
///             Order::Garbled => return Err("a garbled order".into()),
///         }
///         Ok(())
///     }
/// }
///
/// struct Strat(ActorRef<Order>);
///
/// impl Actor for Strat {
///     type Message = u64;
///
///     async fn handle(&mut self, size: u64, _: &mut Context<Self>) -> ActorResult {
///         Ok(self.0.send(Order::Add(size)).await?)
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let node = Node::builder("desk").start().await?;
/// let mut pricing = Supervisor::builder(&node, "pricing").strategy(Strategy::RestForOne);
/// let book = pricing.child(ChildSpec::new("book", Book::default))?;
/// let of = book.clone(); // refs outlive restarts
/// let strat = pricing.child(ChildSpec::new("strat", move || Strat(of.clone())))?;
/// let pricing = pricing.start().await?;
///
/// book.send(Order::Garbled).await?; // the book fails, and both are restarted
/// strat.send(7).await?;
/// # while pricing.report().restarts == 0 || book.ask(Order::Total).await? == 0 {
/// #     tokio::task::yield_now().await;
/// # }
/// println!("{}", node.tree());
/// # Ok(()) }
/// ```
pub struct Supervisor {
    tree: Arc<Tree>,
    restarts: Restarts,
    /// Told how the first start went, by the root of a tree.
    first_start: Option<oneshot::Sender<Result<(), StartFailed>>>,
}

/// What a child is to leave unhandled when it is stopped.
#[derive(Clone, Copy)]
enum Leaving {
    /// Nothing that it has accepted: it does not come back.
    Nothing,
    /// All but the message at hand: the next life takes it.
    TheRest,
}

impl Supervisor {
    pub(crate) fn new(
        tree: Arc<Tree>,
        first_start: Option<oneshot::Sender<Result<(), StartFailed>>>,
    ) -> Self {
        Self {
            tree,
            restarts: Restarts::default(),
            first_start,
        }
    }

    /// Starts all children in order; where one does not start, stops those before it.
    async fn start_all(&self) -> Result<(), StartFailed> {
        for key in self.tree.keys() {
            if let Some(left) = self.tree.left_behind(key) {
                self.end(key, left, Leaving::TheRest).await;
            }
            if let Err(why) = self.start(key).await {
                let child = self.tree.with(key, |child| Arc::clone(&child.name));
                self.stop_all(Leaving::TheRest).await;
                let child = child.unwrap_or_default();
                return Err(StartFailed { child, why });
            }
        }
        Ok(())
    }

    /// Starts a child, and waits until it has started.
    async fn start(&self, key: ChildKey) -> Result<(), StartFailure> {
        let Some(starting) = self.tree.begin_start(key) else {
            return Ok(());
        };
        let life = starting.life;
        starting.kept.revive();
        let word = self.tree.board.word(key, life);
        let failure = match time::timeout(starting.timeout, word).await {
            Ok(Word::Started) => {
                self.tree.started(key);
                return Ok(());
            }
            Ok(Word::Ended(reason)) => StartFailure::Ended(reason),
            Err(_elapsed) => {
                starting.kept.abort();
                self.tree.board.ended(key, life).await;
                StartFailure::TimedOut(starting.timeout)
            }
        };
        self.tree.down(key);
        let reason = failure.clone().into();
        self.tree.tell(key, Change::Failed { reason });
        Err(failure)
    }

    /// Stops all children in reverse order.
    async fn stop_all(&self, leaving: Leaving) {
        for key in self.tree.keys().into_iter().rev() {
            self.stop(key, leaving).await;
        }
    }

    /// Stops a child, if it lives, and waits until it has ended.
    async fn stop(&self, key: ChildKey, leaving: Leaving) {
        if let Some(stopping) = self.tree.begin_stop(key) {
            self.end(key, stopping, leaving).await;
            self.tree.down(key);
        }
    }

    /// Ends a life, by its deadline with force.
    async fn end(&self, key: ChildKey, stopping: Stopping, leaving: Leaving) -> StopReason {
        let Stopping {
            kept,
            life,
            shutdown,
        } = stopping;
        let mut ended = pin!(self.tree.board.ended(key, life));
        let ask = || match leaving {
            Leaving::Nothing => kept.retire(),
            Leaving::TheRest => kept.recall(),
        };
        match shutdown {
            Shutdown::Kill => kept.abort(),
            Shutdown::Infinity => ask(),
            Shutdown::Within(limit) => {
                ask();
                if let Ok(reason) = time::timeout(limit, &mut ended).await {
                    return reason;
                }
                kept.abort();
            }
        }
        ended.await
    }

    /// Reads what children have left on the board.
    async fn look(&mut self, cx: &mut Context<Self>) -> Result<(), GaveUp> {
        while let Some(Notice { child, life, word }) = self.tree.board.next() {
            match word {
                Word::Ended(reason) if self.tree.is_up(child, life) => {
                    self.handle_end(child, reason, cx).await?;
                }
                // Of a life that whoever waited for it has dealt with.
                Word::Started | Word::Ended(_) => {}
            }
        }
        Ok(())
    }

    /// A child has ended by itself.
    async fn handle_end(
        &mut self,
        key: ChildKey,
        reason: StopReason,
        cx: &mut Context<Self>,
    ) -> Result<(), GaveUp> {
        self.tree.down(key);
        let is_orderly = reason == StopReason::Stopped;
        let terms = self.tree.with(key, |child| child.terms);
        let Some(terms) = terms else { return Ok(()) };
        if !is_orderly {
            let reason = reason.clone();
            self.tree.tell(key, Change::Failed { reason });
        }
        if terms.restart.applies_to(&reason) {
            return self.recover(key, reason, cx).await;
        }
        if is_orderly {
            self.tree.tell(key, Change::Stopped);
        }
        self.tree.remove(key, reason);
        let shuts_down = match self.tree.rules.auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::AnySignificant => terms.is_significant,
            AutoShutdown::AllSignificant => terms.is_significant && !self.tree.has_significant(),
        };
        if shuts_down {
            cx.stop();
        }
        Ok(())
    }

    /// Restarts a child that has ended, and whom its end concerns; again where one of them does not
    /// start.
    async fn recover(
        &mut self,
        key: ChildKey,
        reason: StopReason,
        cx: &mut Context<Self>,
    ) -> Result<(), GaveUp> {
        let mut failed = Some((key, reason));
        while let Some((key, reason)) = failed.take() {
            if !self.restarts.add(Instant::now(), self.tree.rules.intensity) {
                return Err(self.give_up(key, reason));
            }
            let wait = self.tree.with(key, |child| {
                let backoff = child.terms.backoff;
                child
                    .failures
                    .failed(&backoff, Instant::now(), rand::random())
            });
            let wait = wait.unwrap_or_default();
            self.tree.tell(key, Change::Restarting { after: wait });
            let group = self.clear(key).await;
            let number = self.tree.schedule(&group, Instant::now() + wait);
            if wait.is_zero() {
                failed = self.start_due(number).await;
            } else {
                cx.send_after(wait, SupervisorMessage(Order::Due(number)));
            }
        }
        Ok(())
    }

    /// Stops whoever is to be restarted with a child, in reverse order; says who it is. Those that are
    /// never restarted leave.
    async fn clear(&self, key: ChildKey) -> Vec<ChildKey> {
        let mut group = self.tree.group(key);
        for sibling in group.iter().copied().rev().filter(|other| *other != key) {
            self.stop(sibling, Leaving::TheRest).await;
        }
        group.retain(|sibling| {
            let restart = self.tree.with(*sibling, |child| child.terms.restart);
            let stays = *sibling == key
                || restart.is_some_and(|restart| restart.applies_to(&StopReason::Killed));
            if !stays {
                self.tree.tell(*sibling, Change::Stopped);
                self.tree.remove(*sibling, StopReason::Stopped);
            }
            stays
        });
        group
    }

    /// Starts a group in order; says who of it did not start.
    async fn start_due(&self, number: u64) -> Option<(ChildKey, StopReason)> {
        for key in self.tree.due(number) {
            if let Err(failure) = self.start(key).await {
                return Some((key, failure.into()));
            }
        }
        None
    }

    /// The end of this child was one too many.
    fn give_up(&self, key: ChildKey, reason: StopReason) -> GaveUp {
        let child = self.tree.with(key, |child| Arc::clone(&child.name));
        self.tree.give_up();
        let why = reason.clone();
        self.tree.tell(key, Change::GaveUp { reason: why });
        let to = self.tree.above();
        self.tree.tell(key, Change::Escalated { to });
        let intensity = self.tree.rules.intensity;
        GaveUp {
            child: child.unwrap_or_default(),
            max_restarts: intensity.max_restarts,
            within: intensity.within,
            reason,
        }
    }

    async fn add(&self, child: Box<Child>) -> Result<(), ChildError> {
        let (key, name) = (child.key, Arc::clone(&child.name));
        if self.tree.find(&name).is_some() {
            return Err(ChildError::NameTaken(name));
        }
        if let Some(below) = &child.subtree {
            below.place(Some(&self.tree));
        }
        self.tree.lock().push(*child);
        if let Err(why) = self.start(key).await {
            self.tree.remove(key, why.clone().into());
            return Err(StartFailed { child: name, why }.into());
        }
        Ok(())
    }

    async fn remove(&self, name: Arc<str>) -> Result<(), ChildError> {
        let key = self.tree.find(&name);
        let key = key.ok_or(ChildError::NoSuchChild(name))?;
        let below = self.tree.with(key, |child| child.subtree.clone()).flatten();
        if let Some(below) = below {
            below.close();
        }
        self.stop(key, Leaving::Nothing).await;
        self.tree.tell(key, Change::Stopped);
        self.tree.remove(key, StopReason::Stopped);
        Ok(())
    }

    /// Restarts a child that somebody wants restarted: it does not count as a failure unless it does not
    /// start.
    async fn restart(
        &mut self,
        name: Arc<str>,
        reply: ReplyTo<Result<(), ChildError>>,
        cx: &mut Context<Self>,
    ) -> Result<(), GaveUp> {
        let Some(key) = self.tree.find(&name) else {
            reply.send(Err(ChildError::NoSuchChild(name)));
            return Ok(());
        };
        self.stop(key, Leaving::TheRest).await;
        match self.start(key).await {
            Ok(()) => reply.send(Ok(())),
            Err(why) => {
                let child = name;
                let failed = StartFailed {
                    child,
                    why: why.clone(),
                };
                reply.send(Err(failed.into()));
                return self.handle_end(key, why.into(), cx).await;
            }
        }
        Ok(())
    }

    async fn handle_due(&mut self, number: u64, cx: &mut Context<Self>) -> Result<(), GaveUp> {
        match self.start_due(number).await {
            Some((key, reason)) => self.recover(key, reason, cx).await,
            None => Ok(()),
        }
    }
}

impl Actor for Supervisor {
    type Message = SupervisorMessage;

    async fn started(&mut self, _: &mut Context<Self>) -> ActorResult {
        let outcome = self.start_all().await;
        if let Some(waits) = self.first_start.take() {
            // Whoever started the tree may have left.
            let _ = waits.send(outcome.clone());
        }
        Ok(outcome?)
    }

    async fn handle(&mut self, message: SupervisorMessage, cx: &mut Context<Self>) -> ActorResult {
        // Before anything else: whoever found the mailbox full relies on it.
        self.look(cx).await?;
        match message.0 {
            Order::Look => {}
            Order::Due(number) => self.handle_due(number, cx).await?,
            Order::Add { child, reply } => reply.send(self.add(child).await),
            Order::Remove { name, reply } => reply.send(self.remove(name).await),
            Order::Restart { name, reply } => self.restart(name, reply, cx).await?,
        }
        Ok(())
    }

    async fn stopped(&mut self, _reason: &StopReason) {
        if self.tree.above().is_none() {
            self.tree.close();
        }
        let leaving = if self.tree.is_closing() {
            Leaving::Nothing
        } else {
            Leaving::TheRest
        };
        self.stop_all(leaving).await;
    }
}

impl Drop for Supervisor {
    /// A supervisor that is killed, or panics, leaves no child behind that lives.
    fn drop(&mut self) {
        self.tree.abort_all();
    }
}
