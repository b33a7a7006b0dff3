//! The runner's side of a cell: the actor, the future of its current handler, and the task that
//! polls it.
//!
//! The handler's future is not boxed per message: [`step`] moves the boxed actor in and gives it
//! back, and its future lies in a box that is used again for every message. A panic drops the
//! future and the actor in it together, which is what a restart wants: the next life of an actor that
//! is kept finds its mailbox, and the batch that was taken from it, as the life before left them.

use std::{
    any::Any,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll, ready},
};

use mycelium_wire::TraceContext;
use tracing::Span;

use super::{
    Cell, Front,
    phase::{Entry, Leave, Release, Signal},
};
use crate::{
    Actor, ActorError, ActorResult, Archived, Context, Message, Node, StopReason,
    mailbox::{Delivery, Intake, entry::Sending},
    wait_cycle,
    watch::Told,
    watchdog::{self, Beat},
};

/// The most messages handled before the owner task lets others run.
const TURN_MESSAGES: usize = 256;

/// The actor behind a cell's front, without its type.
pub(crate) trait Owner<M>: Send + 'static {
    /// Runs the actor until its mailbox is empty, its handler waits, or its turn is over.
    fn run(&mut self, front: &Front<M>, beat: &Beat, cx: &mut TaskContext<'_>) -> Turn;

    /// Drops the actor, and leaves its mailbox to the next life.
    fn leave(&mut self, front: &Front<M>);

    /// Drops the actor and what it left unhandled; says how many messages that were.
    fn discard(&mut self, front: &Front<M>) -> usize;
}

/// How a run of the actor ended.
pub(crate) enum Turn {
    /// The mailbox is empty.
    Idle,
    /// The handler waits for something.
    Suspended,
    /// Others shall run.
    Over,
    /// The actor is gone, or a life of it is over.
    Ended(StopReason),
}

/// How far the actor is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// There is no actor: it is kept, and between two lives.
    Parked,
    /// It is there, and has not begun.
    New,
    /// `started` is under way, or has just returned.
    Starting,
    /// It handles messages.
    Running,
}

/// An actor together with what its handlers are given.
pub(crate) struct Body<A: Actor> {
    pub(crate) actor: A,
    pub(crate) context: Context<A>,
}

/// What one step of the actor is about.
pub(crate) enum Item<M> {
    Started,
    Message(M),
    Archived(Archived<M>),
    Told(Told),
    Stopped(StopReason),
}

/// One step: gives the body back, so that the future can be replaced without a new box.
pub(crate) async fn step<A: Actor>(
    mut body: Box<Body<A>>,
    item: Item<A::Message>,
) -> (Box<Body<A>>, ActorResult) {
    let Body { actor, context } = &mut *body;
    let result = match item {
        Item::Started => actor.started(context).await,
        Item::Message(message) => actor.handle(message, context).await,
        // There is no `A::Message` in its bytes to be viewed.
        Item::Archived(message) if message.is_converted() => {
            actor.handle(message.decode(), context).await
        }
        Item::Archived(message) => actor.handle_archived(message, context).await,
        Item::Told(Told::Terminated(notice)) if context.take_watch(&notice) => {
            actor.terminated(notice, context).await
        }
        // The watch was taken back meanwhile.
        Item::Told(Told::Terminated(_)) => Ok(()),
        Item::Told(Told::Restarted(watched)) => match context.take_restarted(watched) {
            Some(notice) => actor.restarted(notice, context).await,
            None => Ok(()),
        },
        Item::Stopped(reason) => {
            actor.stopped(&reason).await;
            Ok(())
        }
    };
    (body, result)
}

/// Makes the actor of a life.
pub(crate) type Make<A> = Box<dyn FnMut() -> Body<A> + Send>;

/// The actor of type `A`, at rest or inside the future `F` of its current step.
pub(crate) struct Owned<A: Actor, F> {
    body: Option<Box<Body<A>>>,
    running: Pin<Box<Option<F>>>,
    step: fn(Box<Body<A>>, Item<A::Message>) -> F,
    intake: Intake<A::Message>,
    stage: Stage,
    /// Makes the actor of each life, where it is kept.
    make: Option<Make<A>>,
    /// What the current step runs inside of, where its message belongs to a trace.
    span: Option<Span>,
    /// Why the actor ends once `stopped` has run.
    ending: Option<StopReason>,
}

impl<A, F> Owned<A, F>
where
    A: Actor,
    F: Future<Output = (Box<Body<A>>, ActorResult)> + Send + 'static,
{
    pub(crate) fn new(step: fn(Box<Body<A>>, Item<A::Message>) -> F) -> Self {
        Self {
            body: None,
            running: Box::pin(None),
            step,
            intake: Intake::new(),
            stage: Stage::Parked,
            make: None,
            span: None,
            ending: None,
        }
    }

    /// Puts the actor in, before the owner task first runs it.
    pub(crate) fn inhabit(&mut self, body: Body<A>) {
        self.body = Some(Box::new(body));
        self.stage = Stage::New;
    }

    /// Leaves it to `make` to put an actor in, for each life.
    pub(crate) fn keep(&mut self, make: Make<A>) {
        self.make = Some(make);
    }

    /// Begins a life of an actor that is kept.
    #[cold]
    fn revive(&mut self, front: &Front<A::Message>) -> Option<Turn> {
        let (Some(lives), Some(make)) = (&front.lives, &mut self.make) else {
            return None;
        };
        lives.begin();
        self.intake.uncut();
        match catch_unwind(AssertUnwindSafe(make)) {
            Ok(body) => {
                self.inhabit(body);
                None
            }
            Err(panic) => Some(Turn::Ended(front.decide(panicked(panic)))),
        }
    }

    /// Does what cannot wait until the handler has returned.
    #[cold]
    fn heed(&mut self, front: &Front<A::Message>) -> Option<Turn> {
        if front.phase.is_killed() {
            return Some(Turn::Ended(front.exit.decide(StopReason::Killed).clone()));
        }
        if front.phase.take(Signal::Revive) && self.stage == Stage::Parked {
            return self.revive(front);
        }
        let is_aborted = front.phase.take(Signal::Abort) && self.stage != Stage::Parked;
        is_aborted.then(|| Turn::Ended(front.decide(StopReason::Killed)))
    }

    /// The steps before the first message.
    #[cold]
    fn start_first(&mut self, front: &Front<A::Message>) -> Option<Turn> {
        match self.stage {
            Stage::Parked => return Some(Turn::Suspended),
            Stage::New => {
                self.stage = Stage::Starting;
                self.start(Item::Started, Sending::default());
            }
            Stage::Starting | Stage::Running => {
                self.stage = Stage::Running;
                front.started();
            }
        }
        None
    }

    /// Starts the next step, where there is one; else says how the turn ends.
    fn start_next(&mut self, front: &Front<A::Message>) -> Option<Turn> {
        if self.stage != Stage::Running {
            let turn = self.start_first(front);
            if turn.is_some() || self.running.is_some() {
                return turn;
            }
        }
        // Read before the mailbox: a stop that comes later waits for the messages before it.
        let leave = front.phase.leave();
        match leave {
            Leave::No | Leave::Drained => {}
            Leave::Retired => self.intake.cut(&front.mailbox),
            Leave::Recalled => return self.start_stopped(front, StopReason::Stopped),
        }
        let delivery = self.intake.next(&front.mailbox);
        if let expired @ 1.. = self.intake.take_expired() {
            let node = self.at_rest().context.node();
            node.expired::<A::Message>(front.id, expired);
        }
        let sending = self.intake.sending();
        match delivery {
            Some(Delivery::Moved(message)) => self.start(Item::Message(message), sending),
            Some(Delivery::Arrived(message)) => self.start(Item::Archived(message), sending),
            Some(Delivery::Told(told)) => self.start(Item::Told(told), Sending::default()),
            Some(Delivery::Pause) => return Some(Turn::Over),
            None if leave != Leave::No => return self.start_stopped(front, StopReason::Stopped),
            None => return Some(Turn::Idle),
        }
        None
    }

    /// Starts `stopped`, the last step; not where a kill has come first.
    fn start_stopped(&mut self, front: &Front<A::Message>, reason: StopReason) -> Option<Turn> {
        let reason = front.decide(reason);
        // After the reason: a kill sets its flag first, so whoever meets its reason sees it here.
        if front.phase.is_interrupted() {
            return Some(Turn::Ended(reason));
        }
        match &front.lives {
            // It shall wait for nothing that ends with its life.
            Some(lives) => lives.ending().cancel(),
            None => front.close(),
        }
        self.ending = Some(reason.clone());
        self.start(Item::Stopped(reason), Sending::default());
        None
    }

    /// The actor, between two steps.
    fn at_rest(&self) -> &Body<A> {
        self.body
            .as_ref()
            .expect("the body is at rest between steps")
    }

    fn start(&mut self, item: Item<A::Message>, sending: Sending) {
        let mut body = self.body.take().expect("the body is at rest between steps");
        body.context.sending = sending;
        self.span = sending.trace.map(span_of);
        self.running.as_mut().set(Some((self.step)(body, item)));
    }

    /// Polls the current step; the actor is lost with it when it panics.
    fn poll_step(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<ActorResult, StopReason>> {
        let running = self.running.as_mut();
        let inside = self.span.as_ref().map(Span::enter);
        let polled = catch_unwind(AssertUnwindSafe(|| {
            running.as_pin_mut().expect("a step is running").poll(cx)
        }));
        drop(inside);
        if !matches!(polled, Ok(Poll::Pending)) {
            self.span = None;
        }
        match polled {
            Ok(poll) => {
                let (body, result) = ready!(poll);
                self.running.as_mut().set(None);
                self.body = Some(body);
                Poll::Ready(Ok(result))
            }
            Err(panic) => Poll::Ready(Err(panicked(panic))),
        }
    }

    /// Runs one step as far as it goes. `Break` leaves the actor.
    fn advance(&mut self, front: &Front<A::Message>, cx: &mut TaskContext<'_>) -> Option<Turn> {
        let Poll::Ready(step) = self.poll_step(cx) else {
            self.intake.settle(&front.mailbox);
            return Some(Turn::Suspended);
        };
        wait_cycle::forget(front);
        match (step, self.ending.take()) {
            (Err(panicked), _) => Some(Turn::Ended(front.decide(panicked))),
            (Ok(_), Some(reason)) => Some(Turn::Ended(reason)),
            (Ok(Ok(())), None) => None,
            (Ok(Err(error)), None) => match failed(error) {
                reason @ StopReason::Failed(_) => self.start_stopped(front, reason),
                panicked => Some(Turn::Ended(front.decide(panicked))),
            },
        }
    }
}

impl<A, F> Owner<A::Message> for Owned<A, F>
where
    A: Actor,
    F: Future<Output = (Box<Body<A>>, ActorResult)> + Send + 'static,
{
    fn run(&mut self, front: &Front<A::Message>, beat: &Beat, cx: &mut TaskContext<'_>) -> Turn {
        for _ in 0..TURN_MESSAGES {
            beat.step();
            if front.phase.is_interrupted()
                && let Some(turn) = self.heed(front)
            {
                return turn;
            }
            if self.running.is_none()
                && let Some(turn) = self.start_next(front)
            {
                return turn;
            }
            if let Some(turn) = self.advance(front, cx) {
                return turn;
            }
        }
        Turn::Over
    }

    fn leave(&mut self, front: &Front<A::Message>) {
        self.vacate();
        wait_cycle::forget(front);
        self.intake.settle(&front.mailbox);
    }

    fn discard(&mut self, front: &Front<A::Message>) -> usize {
        self.vacate();
        contain(|| self.make = None);
        self.intake.discard(&front.mailbox)
    }
}

impl<A: Actor, F> Owned<A, F> {
    /// Drops the actor, and the step that it is in.
    fn vacate(&mut self) {
        // These drops run code of the user's; a panic in one must not keep the others.
        contain(|| self.running.as_mut().set(None));
        self.span = None;
        contain(|| self.body = None);
        self.ending = None;
        self.stage = Stage::Parked;
    }
}

/// The span of a handler whose message belongs to a trace. It has no parent: the message may come
/// from anywhere, and its sender's span be over.
#[cold]
fn span_of(trace: TraceContext) -> Span {
    let TraceContext { trace_id, span_id } = trace;
    tracing::debug_span!(
        parent: None,
        "message",
        trace_id = format_args!("{trace_id:016x}"),
        span_id = format_args!("{span_id:016x}"),
    )
}

/// The task that owns an actor: it alone starts handlers and tears the actor down.
pub(crate) struct OwnerTask<M: Message> {
    cell: Arc<Cell<M, dyn Owner<M>>>,
    node: Node,
}

impl<M: Message> OwnerTask<M> {
    pub(crate) fn new(cell: Arc<Cell<M, dyn Owner<M>>>, node: Node) -> Self {
        Self { cell, node }
    }

    /// Runs the actor until it waits or is gone.
    fn run(&self, beat: &Beat, cx: &mut TaskContext<'_>) -> Poll<()> {
        let front = &self.cell.front;
        loop {
            let turn = self.cell.owner.lock().run(front, beat, cx);
            let release = match turn {
                Turn::Idle => front.phase.rest(),
                Turn::Suspended => front.phase.suspend(),
                Turn::Over => {
                    front.phase.yield_now();
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Turn::Ended(reason) => match &front.lives {
                    Some(lives) if !front.phase.is_killed() => {
                        self.cell.owner.lock().leave(front);
                        front.outlive(lives, &reason);
                        front.phase.suspend()
                    }
                    _ => {
                        self.tear_down(reason);
                        return Poll::Ready(());
                    }
                },
            };
            if release == Release::Left {
                return Poll::Pending;
            }
        }
    }

    fn tear_down(&self, reason: StopReason) {
        let discard = |front: &Front<M>| self.cell.owner.lock().discard(front);
        self.cell.front.tear_down(&self.node, reason, discard);
    }
}

impl<M: Message> Future for OwnerTask<M> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        let front = &self.cell.front;
        front.waker.register(cx.waker());
        match front.phase.enter() {
            Entry::Waits => return Poll::Pending,
            Entry::Ended => return Poll::Ready(()),
            Entry::Runs => {}
        }
        let _turn = wait_cycle::begin_turn(front);
        let node = self.node.serial();
        watchdog::attend(node, front.id, |beat| self.run(beat, cx))
    }
}

impl<M: Message> Drop for OwnerTask<M> {
    /// The runtime ended, or dropped the task, before the actor did: nobody will run it again.
    fn drop(&mut self) {
        if !self.cell.front.phase.is_ended() {
            self.tear_down(StopReason::Killed);
        }
    }
}

/// The error's text; the user's code that makes it, or drops the error, may panic.
fn failed(error: ActorError) -> StopReason {
    catch_unwind(AssertUnwindSafe(move || error.to_string()))
        .map_or_else(panicked, |text| StopReason::Failed(text.into()))
}

/// The reason of an actor whose code panicked.
pub(crate) fn panicked(panic: Box<dyn Any + Send>) -> StopReason {
    let reason = StopReason::Panicked(panic_message(&*panic).into());
    contain(|| drop(panic));
    reason
}

/// Runs code of the user's whose panic must not keep what comes after it.
pub(crate) fn contain(run: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(run)) {
        tracing::error!(
            panic = panic_message(&*panic),
            "a drop or a hook of the program's panicked"
        );
        // The payload's own drop may panic as well; it is not worth another try.
        std::mem::forget(panic);
    }
}

/// The text of a panic, where it has one.
fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a text")
}
