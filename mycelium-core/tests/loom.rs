//! Loom models of the actor cell: its phase word and its local queue, the very sources that ship.
//!
//! [`Model`] stands for the owner task of `cell/owner.rs` without the actor: it enters, takes
//! messages, rests or suspends, and ends, in the same order; [`InboxModel`] stands for the holder
//! of an inbox, as `inbox.rs` has it. A lost wake shows as a deadlock, which loom reports with the
//! schedule that led there.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows tests by their attribute, not their helpers"
)]

#[path = "../src/mailbox/backlog.rs"]
#[expect(dead_code, reason = "the models have no frames")]
mod backlog;
#[path = "../src/bell.rs"]
mod bell;
#[path = "../src/mailbox/local.rs"]
#[expect(dead_code, reason = "the models need no lengths")]
mod local;
#[path = "../src/cell/phase.rs"]
#[expect(dead_code, reason = "the models need no turns")]
mod phase;
#[path = "../src/mailbox/waiters.rs"]
mod waiters;

use std::{
    collections::VecDeque,
    future::poll_fn,
    mem,
    task::{Context, Poll, Waker, ready},
};

use loom::{cell::UnsafeCell, future::block_on, model::Builder, sync::Arc, thread};

use crate::{
    bell::Bell,
    local::{Found, LocalQueue, Push},
    phase::{Entry, Phase, Release, Signal, Wake},
    sync::{Mutex, OwnerWaker},
    waiters::Ticket,
};

/// What `src/sync.rs` is for the crate, with loom's types.
mod sync {
    use std::{sync::OnceLock, task::Waker};

    pub(crate) use loom::sync::{
        MutexGuard,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    };

    #[derive(Default)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap()
        }
    }

    /// As it ships: loom need not know about a waker that is written once.
    #[derive(Default)]
    pub(crate) struct OwnerWaker(OnceLock<Waker>);

    impl OwnerWaker {
        pub(crate) fn register(&self, waker: &Waker) {
            self.0.get_or_init(|| waker.clone());
        }

        pub(crate) fn wake(&self) {
            if let Some(waker) = self.0.get() {
                waker.wake_by_ref();
            }
        }
    }
}

/// A message: who sent it, and its number among those of its sender.
type Message = (u8, u8);

/// The front of a cell.
struct Cell {
    phase: Phase,
    queue: LocalQueue<Message>,
    waker: OwnerWaker,
}

impl Cell {
    fn new(capacity_messages: usize) -> Arc<Self> {
        Arc::new(Self {
            phase: Phase::new(),
            queue: LocalQueue::new(capacity_messages),
            waker: OwnerWaker::default(),
        })
    }

    fn try_send(&self, message: Message) -> Push<Message> {
        self.conclude(self.queue.try_push(message))
    }

    /// As `SendFuture` does it: polled until there is room or the queue is closed.
    fn send(&self, message: Message) -> Push<Message> {
        let (mut message, mut ticket) = (Some(message), None);
        block_on(poll_fn(|cx| {
            let push = ready!(self.queue.poll_push(&mut message, &mut ticket, cx));
            Poll::Ready(self.conclude(push))
        }))
    }

    /// One poll of a send; leaves the message where it is while there is no room.
    fn poll_send(
        &self,
        message: &mut Option<Message>,
        ticket: &mut Option<Ticket>,
        cx: &mut Context<'_>,
    ) {
        if message.is_some()
            && let Poll::Ready(push) = self.queue.poll_push(message, ticket, cx)
        {
            assert!(!matches!(self.conclude(push), Push::Full(_)));
        }
    }

    fn conclude(&self, push: Push<Message>) -> Push<Message> {
        if push == Push::Stored(Found::Empty) {
            self.pay(self.phase.notify());
        }
        push
    }

    fn stop(&self) {
        self.queue.close();
        self.pay(self.phase.signal(Signal::Stop));
    }

    fn kill(&self) {
        let owed = self.phase.signal(Signal::Kill);
        self.queue.close();
        self.pay(owed);
    }

    fn pay(&self, owed: Wake) {
        if owed == Wake::Owner {
            self.waker.wake();
        }
    }
}

/// Something a handler waits for.
#[derive(Default)]
struct Event(Mutex<(bool, Option<Waker>)>);

impl Event {
    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut event = self.0.lock();
        if event.0 {
            return Poll::Ready(());
        }
        event.1 = Some(cx.waker().clone());
        Poll::Pending
    }

    fn fire(&self) {
        let mut event = self.0.lock();
        event.0 = true;
        let waker = event.1.take();
        drop(event);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// What the model's handler does with a message.
enum Handler {
    Returns,
    /// Every message waits for the same event.
    WaitsFor(Arc<Event>),
    /// Nothing but a kill ends it.
    WaitsForever,
}

/// The owner task of a cell, with a handler that notes what it was given.
struct Model {
    cell: Arc<Cell>,
    handler: Handler,
    batch: VecDeque<Message>,
    is_suspended: bool,
    handled: Vec<Message>,
    /// The owner also leaves once it has handled so many.
    enough: usize,
}

enum Turn {
    Idle,
    Suspended,
    Ended,
}

impl Model {
    fn new(cell: &Arc<Cell>, handler: Handler) -> Self {
        Self {
            cell: Arc::clone(cell),
            handler,
            batch: VecDeque::new(),
            is_suspended: false,
            handled: Vec::new(),
            enough: usize::MAX,
        }
    }

    /// Runs the owner until it has handled so many messages.
    fn handle(mut self, messages: usize) -> Vec<Message> {
        self.enough = messages;
        block_on(poll_fn(|cx| self.poll(cx)));
        self.handled
    }

    /// Runs the owner until it ends; gives what it handled and what it left.
    fn run_to_the_end(mut self) -> (Vec<Message>, usize) {
        block_on(poll_fn(|cx| self.poll(cx)));
        let mut left = mem::take(&mut self.batch);
        self.cell.queue.take_rest(&mut left);
        (self.handled, left.len())
    }

    /// The loop of `OwnerTask::poll`.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.cell.waker.register(cx.waker());
        match self.cell.phase.enter() {
            Entry::Waits => return Poll::Pending,
            Entry::Ended => return Poll::Ready(()),
            Entry::Runs => {}
        }
        loop {
            let release = match self.run(cx) {
                Turn::Idle => self.cell.phase.rest(),
                Turn::Suspended => self.cell.phase.suspend(),
                Turn::Ended => {
                    self.cell.queue.close();
                    self.cell.phase.end();
                    return Poll::Ready(());
                }
            };
            if release == Release::Left {
                return Poll::Pending;
            }
        }
    }

    /// The loop of `Owned::run`.
    fn run(&mut self, cx: &mut Context<'_>) -> Turn {
        loop {
            if self.cell.phase.is_killed() || self.handled.len() >= self.enough {
                return Turn::Ended;
            }
            if !self.is_suspended {
                let is_stopping = self.cell.phase.is_stopping();
                let Some(message) = self.next_message() else {
                    return if is_stopping { Turn::Ended } else { Turn::Idle };
                };
                self.handled.push(message);
            }
            self.is_suspended = match &self.handler {
                Handler::Returns => false,
                Handler::WaitsFor(event) => event.poll(cx).is_pending(),
                Handler::WaitsForever => true,
            };
            if self.is_suspended {
                self.cell.queue.wake_waiter();
                return Turn::Suspended;
            }
        }
    }

    fn next_message(&mut self) -> Option<Message> {
        if self.batch.is_empty() {
            self.cell.queue.refill(&mut self.batch, usize::MAX);
        }
        let message = self.batch.pop_front()?;
        self.cell.queue.take();
        Some(message)
    }
}

/// The holder of an inbox.
struct InboxModel {
    cell: Arc<Cell>,
    bell: std::sync::Arc<Bell>,
    batch: VecDeque<Message>,
    standing: Standing,
}

/// As in `inbox.rs`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Looking,
    Drained,
    Resting,
}

impl InboxModel {
    fn new(cell: &Arc<Cell>) -> Self {
        let bell = std::sync::Arc::new(Bell::default());
        cell.waker
            .register(&Waker::from(std::sync::Arc::clone(&bell)));
        Self {
            cell: Arc::clone(cell),
            bell,
            batch: VecDeque::new(),
            standing: Standing::Resting,
        }
    }

    /// What is received until the end.
    fn recv_all(mut self) -> Vec<Message> {
        let mut received = Vec::new();
        while let Some(message) = self.recv() {
            received.push(message);
        }
        self.cell.phase.end();
        received
    }

    /// `None` at the end.
    fn recv(&mut self) -> Option<Message> {
        block_on(poll_fn(|cx| self.poll_recv(cx)))
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        if let ready @ Poll::Ready(_) = self.take() {
            return ready;
        }
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

    fn take(&mut self) -> Poll<Option<Message>> {
        let phase = &self.cell.phase;
        match self.standing {
            Standing::Looking => {}
            Standing::Drained if phase.is_quiet() => return Poll::Pending,
            Standing::Drained => phase.heed(),
            Standing::Resting => match phase.enter() {
                Entry::Runs => {}
                Entry::Waits | Entry::Ended => return Poll::Pending,
            },
        }
        self.standing = Standing::Looking;
        if phase.is_killed() {
            return Poll::Ready(None);
        }
        let is_stopping = phase.is_stopping();
        match self.next_message() {
            Some(message) => Poll::Ready(Some(message)),
            None if is_stopping => Poll::Ready(None),
            None => {
                self.standing = Standing::Drained;
                Poll::Pending
            }
        }
    }

    fn next_message(&mut self) -> Option<Message> {
        if self.batch.is_empty() {
            self.cell.queue.refill(&mut self.batch, usize::MAX);
        }
        let message = self.batch.pop_front()?;
        self.cell.queue.take();
        if self.batch.is_empty() {
            self.cell.queue.wake_waiter();
        }
        Some(message)
    }

    fn rests(&mut self) -> bool {
        if self.standing != Standing::Resting {
            self.standing = match self.cell.phase.rest() {
                Release::Left => Standing::Resting,
                Release::RunsOn => Standing::Looking,
            };
        }
        self.standing == Standing::Resting
    }
}

fn model(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

fn sent_by(sender: u8, handled: &[Message]) -> Vec<u8> {
    let mine = handled.iter().filter(|(who, _)| *who == sender);
    mine.map(|(_, number)| *number).collect()
}

#[test]
fn the_owner_never_sleeps_with_a_message_stored_and_each_sender_keeps_its_order() {
    model(2, || {
        let cell = Cell::new(8);
        let senders = [1, 2].map(|sender| {
            let cell = Arc::clone(&cell);
            thread::spawn(move || {
                for number in 0..2 {
                    assert!(matches!(cell.try_send((sender, number)), Push::Stored(_)));
                }
            })
        });
        let handled = Model::new(&cell, Handler::Returns).handle(4);
        assert_eq!(sent_by(1, &handled), [0, 1]);
        assert_eq!(sent_by(2, &handled), [0, 1]);
        for sender in senders {
            sender.join().unwrap();
        }
    });
}

#[test]
fn senders_that_wait_for_room_are_woken() {
    model(2, || {
        let cell = Cell::new(1);
        let senders = [1, 2].map(|sender| {
            let cell = Arc::clone(&cell);
            thread::spawn(move || {
                assert!(matches!(cell.send((sender, 0)), Push::Stored(_)));
            })
        });
        let handled = Model::new(&cell, Handler::Returns).handle(2);
        assert_eq!(handled.len(), 2);
        for sender in senders {
            sender.join().unwrap();
        }
    });
}

/// Also where the handler of the message before never returns: the room it left is known.
#[test]
fn a_sender_that_waits_behind_a_suspended_handler_is_woken() {
    model(3, || {
        let cell = Cell::new(1);
        let sender = {
            let cell = Arc::clone(&cell);
            thread::spawn(move || {
                for number in 0..2 {
                    assert!(matches!(cell.send((1, number)), Push::Stored(_)));
                }
                cell.kill();
            })
        };
        let (handled, left) = Model::new(&cell, Handler::WaitsForever).run_to_the_end();
        assert_eq!(handled.len() + left, 2);
        sender.join().unwrap();
    });
}

/// The later of two waiting sends is polled first each time: it must not pass.
#[test]
fn waiting_senders_are_served_in_the_order_they_came() {
    model(2, || {
        let cell = Cell::new(1);
        let sender = {
            let cell = Arc::clone(&cell);
            thread::spawn(move || {
                assert!(matches!(cell.try_send((1, 0)), Push::Stored(_)));
                let mut sends = [(Some((1, 1)), None), (Some((1, 2)), None)];
                let mut is_first_poll = true;
                block_on(poll_fn(|cx| {
                    for (message, ticket) in &mut sends {
                        cell.poll_send(message, ticket, cx);
                    }
                    if mem::take(&mut is_first_poll) {
                        sends.reverse();
                    }
                    if sends.iter().all(|(message, _)| message.is_none()) {
                        Poll::Ready(())
                    } else {
                        Poll::Pending
                    }
                }));
            })
        };
        let handled = Model::new(&cell, Handler::Returns).handle(3);
        assert_eq!(sent_by(1, &handled), [0, 1, 2]);
        sender.join().unwrap();
    });
}

#[test]
fn a_sender_that_gives_up_passes_its_turn_on() {
    model(2, || {
        let cell = Cell::new(1);
        assert!(matches!(cell.try_send((0, 0)), Push::Stored(_)));
        let gives_up = {
            let cell = Arc::clone(&cell);
            thread::spawn(move || {
                let (mut message, mut ticket) = (Some((1, 0)), None);
                block_on(poll_fn(|cx| {
                    cell.poll_send(&mut message, &mut ticket, cx);
                    Poll::Ready(())
                }));
                cell.queue.cancel(&mut ticket);
            })
        };
        let stays = {
            let cell = Arc::clone(&cell);
            thread::spawn(move || {
                assert!(matches!(cell.send((2, 0)), Push::Stored(_)));
                cell.stop();
            })
        };
        let (handled, left) = Model::new(&cell, Handler::Returns).run_to_the_end();
        assert_eq!(left, 0);
        assert_eq!(sent_by(2, &handled), [0]);
        gives_up.join().unwrap();
        stays.join().unwrap();
    });
}

#[test]
fn a_message_that_meets_a_stop_is_handled_or_refused() {
    model(2, || {
        let cell = Cell::new(1);
        assert!(matches!(cell.try_send((0, 0)), Push::Stored(_)));
        let sender = {
            let cell = Arc::clone(&cell);
            thread::spawn(move || matches!(cell.send((1, 0)), Push::Stored(_)))
        };
        let stopper = {
            let cell = Arc::clone(&cell);
            thread::spawn(move || cell.stop())
        };
        let (handled, left) = Model::new(&cell, Handler::Returns).run_to_the_end();
        assert_eq!(left, 0);
        assert_eq!(handled.len(), 1 + usize::from(sender.join().unwrap()));
        stopper.join().unwrap();
        assert!(matches!(cell.try_send((1, 9)), Push::Closed((1, 9))));
    });
}

/// And refuses the send that waits for room.
#[test]
fn a_kill_ends_an_actor_whose_handler_waits() {
    model(2, || {
        let cell = Cell::new(1);
        assert!(matches!(cell.try_send((0, 0)), Push::Stored(_)));
        let sender = {
            let cell = Arc::clone(&cell);
            thread::spawn(move || matches!(cell.send((1, 0)), Push::Stored(_)))
        };
        let killer = {
            let cell = Arc::clone(&cell);
            thread::spawn(move || cell.kill())
        };
        let (handled, left) = Model::new(&cell, Handler::WaitsForever).run_to_the_end();
        assert_eq!(
            handled.len() + left,
            1 + usize::from(sender.join().unwrap())
        );
        killer.join().unwrap();
    });
}

#[test]
fn a_message_that_meets_a_suspended_handler_is_handled_after_it() {
    model(2, || {
        let cell = Cell::new(4);
        let event = Arc::new(Event::default());
        let sender = {
            let cell = Arc::clone(&cell);
            thread::spawn(move || {
                for number in 0..2 {
                    assert!(matches!(cell.try_send((1, number)), Push::Stored(_)));
                }
            })
        };
        let firing = {
            let event = Arc::clone(&event);
            thread::spawn(move || event.fire())
        };
        let handled = Model::new(&cell, Handler::WaitsFor(event)).handle(2);
        assert_eq!(sent_by(1, &handled), [0, 1]);
        sender.join().unwrap();
        firing.join().unwrap();
    });
}

/// Whoever else may run the actor one day: the word lets one in at a time, and what was left in
/// the actor by one is seen by the next.
#[test]
fn two_runners_are_never_inside_at_once() {
    model(2, || {
        let cell = Cell::new(4);
        let inside = Arc::new(UnsafeCell::new(0));
        let runners = [(), ()].map(|()| {
            let (cell, inside) = (Arc::clone(&cell), Arc::clone(&inside));
            thread::spawn(move || {
                if cell.phase.enter() == Entry::Runs {
                    for _ in 0..2 {
                        inside.with_mut(|_| ());
                        if cell.phase.rest() == Release::Left {
                            return;
                        }
                    }
                    cell.phase.end();
                }
            })
        });
        let _ = cell.phase.notify();
        for runner in runners {
            runner.join().unwrap();
        }
    });
}

#[test]
fn an_inbox_that_waits_is_woken_by_whoever_sends() {
    model(2, || {
        let cell = Cell::new(8);
        let senders = [(1, 2), (2, 1)].map(|(sender, messages)| {
            let cell = Arc::clone(&cell);
            thread::spawn(move || {
                for number in 0..messages {
                    assert!(matches!(cell.try_send((sender, number)), Push::Stored(_)));
                }
            })
        });
        let mut inbox = InboxModel::new(&cell);
        let received: Vec<Message> = (0..3).map(|_| inbox.recv().unwrap()).collect();
        assert_eq!(sent_by(1, &received), [0, 1]);
        assert_eq!(sent_by(2, &received), [0]);
        for sender in senders {
            sender.join().unwrap();
        }
    });
}

#[test]
fn an_inbox_that_polls_sees_what_is_sent() {
    model(3, || {
        let cell = Cell::new(8);
        let sender = Arc::clone(&cell);
        let sender = thread::spawn(move || {
            for number in 0..2 {
                assert!(matches!(sender.try_send((1, number)), Push::Stored(_)));
            }
        });
        let mut inbox = InboxModel::new(&cell);
        let mut received = Vec::new();
        while received.len() < 2 {
            match inbox.take() {
                Poll::Ready(message) => received.push(message.unwrap()),
                Poll::Pending => thread::yield_now(),
            }
        }
        assert_eq!(sent_by(1, &received), [0, 1]);
        sender.join().unwrap();
    });
}

#[test]
fn senders_that_wait_for_room_in_an_inbox_are_woken_before_it_looks_again() {
    model(2, || {
        let cell = Cell::new(1);
        let sender = Arc::clone(&cell);
        let sender = thread::spawn(move || {
            for number in 0..2 {
                assert!(matches!(sender.send((1, number)), Push::Stored(_)));
            }
        });
        let mut inbox = InboxModel::new(&cell);
        assert_eq!(inbox.recv(), Some((1, 0)));
        // The holder is away until the second message has found its room.
        sender.join().unwrap();
        assert_eq!(inbox.recv(), Some((1, 1)));
    });
}

#[test]
fn a_message_that_meets_the_stop_of_an_inbox_is_received_or_refused() {
    model(2, || {
        let cell = Cell::new(8);
        let (sender, stopper) = (Arc::clone(&cell), Arc::clone(&cell));
        let sender = thread::spawn(move || matches!(sender.try_send((1, 0)), Push::Stored(_)));
        let stopper = thread::spawn(move || stopper.stop());
        let received = InboxModel::new(&cell).recv_all();
        let was_stored = sender.join().unwrap();
        assert_eq!(received.len(), usize::from(was_stored));
        stopper.join().unwrap();
    });
}

#[test]
fn a_kill_ends_an_inbox_that_waits() {
    model(3, || {
        let cell = Cell::new(8);
        let killer = Arc::clone(&cell);
        let killer = thread::spawn(move || killer.kill());
        assert_eq!(InboxModel::new(&cell).recv_all(), []);
        killer.join().unwrap();
    });
}
