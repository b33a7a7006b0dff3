//! [`Context`]: what a handler is given besides the message.

use std::{
    panic::resume_unwind,
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use futures_core::Stream;
use mycelium_wire::TraceContext;
use tokio_util::task::AbortOnDropHandle;

use crate::{
    Actor, ActorRef, Attachment, LocalRef, Message, Node, SpawnOptions, Terminated, Timer,
    TooMuchWork, WatchError,
    beside::run_beside,
    blocking::Blocking,
    cell::{
        Control,
        links::{Far, Near, Tie},
    },
    mailbox::entry::Sending,
    restart_watch::{RestartWatches, Restarted},
    stamp::Stamp,
    watch::{Identity, Watches},
};

/// The actor's view of itself and its node.
pub struct Context<A: Actor> {
    me: LocalRef<A::Message>,
    node: Node,
    watches: Watches,
    restart_watches: RestartWatches,
    /// Swept of those that are gone whenever it would grow.
    children: Vec<Weak<dyn Control>>,
    /// Made when there is work for the blocking pool.
    blocking: OnceLock<Blocking>,
    /// How the message that is being handled was sent.
    pub(crate) sending: Sending,
}

impl<A: Actor> Context<A> {
    pub(crate) fn new(me: LocalRef<A::Message>, node: Node) -> Self {
        Self {
            me,
            node,
            watches: Watches::default(),
            restart_watches: RestartWatches::default(),
            children: Vec::new(),
            blocking: OnceLock::new(),
            sending: Sending::default(),
        }
    }

    /// A ref to this actor.
    pub fn actor_ref(&self) -> ActorRef<A::Message> {
        ActorRef::Local(self.me.clone())
    }

    /// The node the actor lives on.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// How long ago the message that is being handled was sent; `None` where that is not known.
    ///
    /// Known of messages that were [sent with options](ActorRef::with), and of all messages of an
    /// actor that [measures ages](SpawnOptions::measure_age). Time that was spent waiting for room
    /// counts. Of a message from another host, and of one that came without its time from another
    /// node, the time on the way is not known: it is at least as old. Reads the clock.
    pub fn age(&self) -> Option<Duration> {
        let sent = self.sending.sent?;
        Some(Duration::from_nanos(Stamp::now().since_ns(sent)))
    }

    /// Where the message that is being handled belongs in a trace, if its sender said so.
    ///
    /// What the handler sends on belongs there only where it says so in turn.
    ///
    /// # Examples
    ///
    /// ```
    /// use mycelium_core::{Actor, ActorRef, ActorResult, Context, SendOptions};
    ///
    /// struct Router(ActorRef<u64>);
    ///
    /// impl Actor for Router {
    ///     type Message = u64;
    ///
    ///     async fn handle(&mut self, order: u64, cx: &mut Context<Self>) -> ActorResult {
    ///         match cx.trace() {
    ///             Some(trace) => self.0.with(SendOptions::default().trace(trace)).send(order).await?,
    ///             None => self.0.send(order).await?,
    ///         }
    ///         Ok(())
    ///     }
    /// }
    /// ```
    pub fn trace(&self) -> Option<TraceContext> {
        self.sending.trace
    }

    /// Stops this actor once it has handled what its mailbox holds.
    pub fn stop(&self) {
        self.me.stop();
    }

    /// Is ready when this actor is asked to stop, or is killed: a long handler may wait for it
    /// beside its work.
    pub fn cancelled(&self) -> impl Future<Output = ()> + Send + 'static {
        self.me.0.front.ending().cancelled_owned()
    }

    /// Messages that wait to be handled, those of other nodes included.
    pub fn mailbox_len(&self) -> usize {
        self.me.mailbox_len()
    }

    /// Spawns an actor that ends with this one: stopped when this one stops or fails, killed when
    /// it is killed.
    pub fn spawn<C: Actor>(&mut self, actor: C) -> ActorRef<C::Message> {
        self.spawn_with(SpawnOptions::default(), actor)
    }

    /// Spawns an actor that ends with this one, with options.
    pub fn spawn_with<C: Actor>(
        &mut self,
        options: SpawnOptions,
        actor: C,
    ) -> ActorRef<C::Message> {
        let (child, control) = self.node.spawn_local(&options, actor);
        if self.children.len() == self.children.capacity() {
            self.children.retain(|child| child.strong_count() > 0);
        }
        self.children.push(control);
        ActorRef::Local(child)
    }

    /// Asks to be told by [`Actor::terminated`], once, when `actor` is gone for good, after the
    /// last message it sent; at once if it is. Watching it again changes nothing.
    ///
    /// An actor of another node is gone as well when its node is down. One that ended while the link
    /// was lost is told of as `NoSuchActor`: its node has forgotten why. A ref of another message
    /// type than the actor takes is told of as `WrongType`, where its node refuses it only then.
    ///
    /// # Errors
    ///
    /// [`WatchError`] where this node cannot hear of the actor's end.
    pub fn watch<M: Message>(&mut self, actor: &ActorRef<M>) -> Result<(), WatchError> {
        let remote = match actor {
            ActorRef::Local(actor) => {
                self.watches.watch(&self.me, actor);
                return Ok(());
            }
            ActorRef::Unix(remote) | ActorRef::Tcp(remote) => remote,
        };
        match remote.watchable()? {
            Ok(remote) => self.watches.watch_remote(&self.me, &self.node, remote),
            Err(reason) => {
                let from = (&self.node, &remote.actor().node);
                let identity = actor.identity();
                self.watches.miss(&self.me, identity, from, &reason);
            }
        }
        Ok(())
    }

    /// Takes a watch back: there will be no notice, even where it is on its way. Says whether
    /// there was one.
    pub fn unwatch<M: Message>(&mut self, actor: &ActorRef<M>) -> bool {
        self.watches.unwatch(actor.identity())
    }

    /// Asks to be told by [`Actor::restarted`] whenever `actor`, which is supervised, has begun another
    /// life. So far only the lives of actors of this node are told. What is not told yet is told at once, with how many restarts it were.
    ///
    /// An actor that is not supervised has one life, and there is nothing to tell. Restarts of a remote
    /// actor while the link is lost are not told.
    ///
    /// # Errors
    ///
    /// [`WatchError`] where this node cannot hear of an actor of another, or that one is gone with its
    /// node.
    pub fn watch_restarts<M: Message>(&mut self, actor: &ActorRef<M>) -> Result<(), WatchError> {
        match actor {
            ActorRef::Local(actor) => self.restart_watches.watch(&self.me, actor),
            ActorRef::Unix(remote) | ActorRef::Tcp(remote) => match remote.watchable()? {
                Ok(remote) => self.restart_watches.watch_remote(&self.me, remote),
                Err(_gone) => return Err(WatchError::Unreachable),
            },
        }
        Ok(())
    }

    /// Takes a watch for restarts back; says whether there was one.
    pub fn unwatch_restarts<M: Message>(&mut self, actor: &ActorRef<M>) -> bool {
        self.restart_watches.unwatch(actor.identity())
    }

    /// Ties this actor's life and the other's together: when one fails, panics, is killed or loses its
    /// node, the other ends as well, with [`StopReason::Linked`](crate::StopReason::Linked). An orderly stop only undoes the link.
    ///
    /// An actor of another node that this one linked to is killed when this one ends, but not when this
    /// node goes down: it is not told of that yet.
    ///
    /// Where one of them is supervised, what ends is its life, and its supervisor decides what comes
    /// then; the next life is not linked until it says so. A link to a supervised actor that is between
    /// two lives is one with the next. Linking to an actor that is gone ends this one at once. A second
    /// link to the same actor changes nothing.
    ///
    /// # Errors
    ///
    /// [`WatchError`] where this node cannot hear of the end of an actor of another.
    ///
    /// # Examples
    ///
    /// ```
    /// use mycelium_core::{Actor, ActorRef, ActorResult, Context, Node, ReplyTo, StopReason};
    ///
    /// struct Session;
    ///
    /// impl Actor for Session {
    ///     type Message = String;
    ///
    ///     async fn handle(&mut self, line: String, _: &mut Context<Self>) -> ActorResult {
    ///         Err(format!("not understood: {line}").into())
    ///     }
    /// }
    ///
    /// /// Of no use without its session.
    /// struct Heartbeats(ActorRef<String>);
    ///
    /// impl Actor for Heartbeats {
    ///     type Message = ReplyTo<()>;
    ///
    ///     async fn started(&mut self, cx: &mut Context<Self>) -> ActorResult {
    ///         Ok(cx.link(&self.0)?)
    ///     }
    ///
    ///     async fn handle(&mut self, beat: ReplyTo<()>, _: &mut Context<Self>) -> ActorResult {
    ///         beat.send(());
    ///         Ok(())
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let node = Node::builder("gateway").start().await?;
    /// let session = node.spawn(Session);
    /// let heartbeats = node.spawn(Heartbeats(session.clone()));
    /// heartbeats.ask(|beat| beat).await?;
    /// session.send("logn".into()).await?;
    /// assert!(matches!(heartbeats.ended().await?, StopReason::Linked(_)));
    /// # Ok(()) }
    /// ```
    pub fn link<M: Message>(&mut self, actor: &ActorRef<M>) -> Result<(), WatchError> {
        let identity = actor.identity();
        if identity == self.actor_ref().identity() {
            return Ok(());
        }
        let near = Near::of(&self.me);
        let exit = &self.me.0.front.exit;
        match actor {
            ActorRef::Local(other) => {
                // In this order: a life that ends before the first has no part in either.
                other.0.front.exit.tie(self.actor_ref().identity(), near);
                exit.tie(identity, Near::of(other));
            }
            ActorRef::Unix(remote) | ActorRef::Tcp(remote) => match remote.watchable()? {
                Ok(remote) => exit.tie(identity, Far::new(near, remote)),
                Err(reason) => near.end(&reason),
            },
        }
        Ok(())
    }

    /// Undoes a [link](Self::link).
    pub fn unlink<M: Message>(&mut self, actor: &ActorRef<M>) {
        self.me.0.front.exit.untie(actor.identity());
        if let ActorRef::Local(other) = actor {
            other.0.front.exit.untie(self.actor_ref().identity());
        }
    }

    /// Sends this actor a message after a while; it waits for room like any other.
    pub fn send_after(&self, after: Duration, message: A::Message) -> Timer {
        Timer::once(&self.node, &self.me, after, message)
    }

    /// Sends this actor a message every `period`, the first after one period. While it lags,
    /// ticks are skipped. A panic in `make` ends the actor as one in a handler would.
    ///
    /// # Panics
    ///
    /// When `period` is zero.
    pub fn send_interval(
        &self,
        period: Duration,
        make: impl FnMut() -> A::Message + Send + 'static,
    ) -> Timer {
        assert!(!period.is_zero(), "an interval has a length");
        Timer::each(&self.node, &self.me, period, make)
    }

    /// Feeds a stream into this actor's mailbox.
    ///
    /// `map` makes a message of each item: `map(Some(item))`; and of the stream's end:
    /// `map(None)`, the last time it is called. What it answers `None` for is left out. So
    /// `|item| item.map(Feed::Quote)` passes every item on and says nothing of the end, and
    /// `|item| Some(item.map_or(Feed::Over, Feed::Quote))` tells the end as well.
    ///
    /// One message at a time waits for room; until it has found it, the stream is not polled: its
    /// source meets the back-pressure of this mailbox. The stream is dropped when the actor is
    /// asked to stop, or ends. A panic in the stream, or in `map`, ends the actor as one in a
    /// handler would.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{pin::Pin, task::{self, Poll}};
    /// use futures_core::Stream;
    /// use mycelium_core::{Actor, ActorResult, Context, Node, StopReason};
    /// use tokio::sync::mpsc;
    ///
    /// /// Whatever arrives: of a socket, a file, a channel.
    /// struct Quotes(mpsc::Receiver<i64>);
    ///
    /// impl Stream for Quotes {
    ///     type Item = i64;
    ///
    ///     fn poll_next(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<i64>> {
    ///         self.0.poll_recv(cx)
    ///     }
    /// }
    ///
    /// enum Feed {
    ///     Quote(i64),
    ///     Over,
    /// }
    ///
    /// struct Highest(Option<Quotes>, i64);
    ///
    /// impl Actor for Highest {
    ///     type Message = Feed;
    ///
    ///     async fn started(&mut self, cx: &mut Context<Self>) -> ActorResult {
    ///         if let Some(quotes) = self.0.take() {
    ///             cx.attach_stream(quotes, |item| Some(item.map_or(Feed::Over, Feed::Quote)));
    ///         }
    ///         Ok(())
    ///     }
    ///
    ///     async fn handle(&mut self, message: Feed, cx: &mut Context<Self>) -> ActorResult {
    ///         match message {
    ///             Feed::Quote(price) => self.1 = self.1.max(price),
    ///             Feed::Over => cx.stop(),
    ///         }
    ///         Ok(())
    ///     }
    ///
    ///     async fn stopped(&mut self, _reason: &StopReason) {
    ///         assert_eq!(self.1, 103);
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let node = Node::builder("quotes").start().await?;
    /// let (quotes, stream) = mpsc::channel(16);
    /// node.spawn(Highest(Some(Quotes(stream)), 0));
    /// for price in [101, 103, 102] {
    ///     quotes.send(price).await?;
    /// }
    /// # Ok(()) }
    /// ```
    pub fn attach_stream<S>(
        &self,
        stream: S,
        map: impl FnMut(Option<S::Item>) -> Option<A::Message> + Send + 'static,
    ) -> Attachment
    where
        S: Stream<Item: Send> + Send + 'static,
    {
        Attachment::new(&self.node, &self.me, stream, map)
    }

    /// Runs work that blocks its thread, such as reading a file, on the runtime's blocking pool,
    /// and sends this actor what comes of it.
    ///
    /// Returns once the work has its place: an actor has 32 of them, and waits here while all are
    /// taken. The result waits for room in the mailbox like any message.
    ///
    /// A panic in the work, or in `map`, ends the actor as one in a handler would. When the actor
    /// is asked to stop, or ends, work that has not begun is dropped, and the result of work that
    /// has is: a thread cannot be interrupted, and nothing waits for it.
    ///
    /// # Errors
    ///
    /// [`TooMuchWork`] while 1,024 works of this actor are under way or wait for room with their
    /// results: handle some of these first.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has not begun the work.
    ///
    /// # Examples
    ///
    /// ```
    /// use mycelium_core::{Actor, ActorResult, Context, Node};
    ///
    /// enum Loader {
    ///     Load(std::path::PathBuf),
    ///     Loaded(std::io::Result<String>),
    /// }
    ///
    /// struct LoaderActor;
    ///
    /// impl Actor for LoaderActor {
    ///     type Message = Loader;
    ///
    ///     async fn handle(&mut self, message: Loader, cx: &mut Context<Self>) -> ActorResult {
    ///         match message {
    ///             Loader::Load(path) => {
    ///                 let read = || std::fs::read_to_string(path);
    ///                 if let Err(busy) = cx.spawn_blocking(read, Loader::Loaded).await {
    ///                     println!("not loaded: {busy}");
    ///                 }
    ///             }
    ///             Loader::Loaded(text) => println!("{} bytes", text?.len()),
    ///         }
    ///         Ok(())
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let node = Node::builder("files").start().await?;
    /// node.spawn(LoaderActor).send(Loader::Load("/etc/hostname".into())).await?;
    /// # Ok(()) }
    /// ```
    pub async fn spawn_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
        map: impl FnOnce(T) -> A::Message + Send + 'static,
    ) -> Result<(), TooMuchWork> {
        let blocking = self.blocking.get_or_init(Blocking::default);
        let result = Arc::clone(&blocking.results).try_acquire_owned();
        let result = result.map_err(|_| TooMuchWork)?;
        let place = Arc::clone(&blocking.places).acquire_owned().await;
        let runtime = self.node.runtime();
        // The place is free when the work is done, not when its result has found room: a handler
        // that waits for a place would keep that room from ever being there.
        let working = runtime.spawn_blocking(move || {
            let _place = place;
            work()
        });
        let working = AbortOnDropHandle::new(working);
        let to = self.actor_ref();
        run_beside(&self.node, &self.me, async move {
            let _result = result;
            match working.await {
                // An actor that is gone has no use for it.
                Ok(result) => drop(to.send(map(result)).await),
                Err(failed) => {
                    if let Ok(panic) = failed.try_into_panic() {
                        resume_unwind(panic);
                    }
                }
            }
        });
        Ok(())
    }

    /// A notice is told only where its watch still stands, and ends it.
    pub(crate) fn take_watch(&mut self, notice: &Terminated) -> bool {
        self.watches.unwatch(notice.identity())
    }

    /// What a watch for restarts has to tell.
    pub(crate) fn take_restarted(&self, watched: Identity) -> Option<Restarted> {
        self.restart_watches.take(watched)
    }
}

impl<A: Actor> Drop for Context<A> {
    /// Children end with their parent.
    fn drop(&mut self) {
        let is_killed = self.me.0.front.is_killed();
        for child in self.children.drain(..).filter_map(|child| child.upgrade()) {
            if is_killed {
                child.kill();
            } else {
                child.stop();
            }
        }
    }
}
