//! [`Node`]: the actors of one process, and the links to other nodes.

mod links;

use std::{
    any::type_name,
    collections::HashMap,
    fmt,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use mycelium_wire::{ActorId, NodeId};
use tokio::{runtime::Handle, task::AbortHandle, time};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Actor, ActorRef, Bounds, Context, DeadLetter, DeadLetterReason, DeadLetters, Extensions, Inbox,
    Link, LinkStats, LocalRef, Message, NodeBuilder, NodeStats, SpawnOptions, StopReason,
    cell::{
        Cell, Control, Front, Kind, erase,
        lives::{Keeper, Kept, Lives},
        owner::{Body, Owned, Owner, OwnerTask, step},
    },
    dead_letter::DeadLetterOffice,
    export::Exports,
    link_event::LinkEventOffice,
    sync::Mutex,
    transfer::Landings,
    watchdog,
};

/// A handle to the node of this process; cheap to clone.
///
/// A node and its actors live until [`shutdown`](Self::shutdown), or until their runtime ends.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use mycelium_core::{Actor, ActorResult, Context, Node, StopReason};
///
/// struct Ledger(Vec<u64>);
///
/// impl Actor for Ledger {
///     type Message = u64;
///
///     async fn handle(&mut self, entry: u64, _cx: &mut Context<Self>) -> ActorResult {
///         self.0.push(entry);
///         Ok(())
///     }
///
///     async fn stopped(&mut self, _reason: &StopReason) {
///         println!("{} entries", self.0.len());
///     }
/// }
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let node = Node::builder("books").start().await?;
///     let ledger = node.spawn(Ledger(Vec::new()));
///     ledger.send(7).await?;
///     node.shutdown(Duration::from_secs(5)).await?;
///     assert_eq!(node.actors_len(), 0);
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Node(Arc<Inner>);

struct Inner {
    id: NodeId,
    /// Of the nodes that this process ever had.
    serial: u64,
    runtime: Handle,
    /// How long an ask may take whose asker names no time.
    ask_timeout: Duration,
    next_actor: AtomicU64,
    /// Every living actor.
    actors: Mutex<HashMap<ActorId, Weak<dyn Control>>>,
    /// Every inbox that has not ended.
    inboxes: Mutex<HashMap<ActorId, Weak<dyn Control>>>,
    /// The owner tasks of the actors.
    actor_tasks: TaskTracker,
    /// What else must end before the node has: listeners, readers, writers.
    tasks: TaskTracker,
    exports: Exports,
    landings: Landings,
    /// The links that are up, or being dialled again.
    links: Mutex<HashMap<NodeId, Arc<dyn Link>>>,
    dead_letters: DeadLetterOffice,
    link_events: LinkEventOffice,
    /// What went over the links that have ended.
    past: Mutex<LinkStats>,
    extensions: Extensions,
    /// Fires when the actors have ended: links close.
    closing: CancellationToken,
}

/// Finds actors of this node by name; the registry puts one into the node's [`Extensions`].
pub trait NameTable: Send + Sync {
    /// The actor that others may reach under `name`.
    fn find(&self, name: &str) -> Option<ActorId>;
}

/// The extension under which core finds the registry's names.
pub struct Names(pub Box<dyn NameTable>);

/// The node's actors did not end in time and were killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{killed_actors} actors did not end within {timeout:?} and were killed")]
pub struct ShutdownTimeout {
    /// How many actors were killed.
    pub killed_actors: usize,
    /// The time they were given.
    pub timeout: Duration,
}

impl Node {
    /// Starts the description of a node with this name: 1 to 63 of `a-z`, `0-9` and `-`, first a
    /// letter, last not a hyphen.
    pub fn builder(name: impl Into<String>) -> NodeBuilder {
        NodeBuilder::new(name.into())
    }

    pub(crate) fn new(id: NodeId, runtime: Handle, ask_timeout: Duration) -> Self {
        static NODES: AtomicU64 = AtomicU64::new(0);
        let node = Self(Arc::new(Inner {
            id,
            // Relaxed: the number only has to be unique.
            serial: NODES.fetch_add(1, Ordering::Relaxed),
            runtime,
            ask_timeout,
            next_actor: AtomicU64::new(1),
            actors: Mutex::default(),
            inboxes: Mutex::default(),
            actor_tasks: TaskTracker::new(),
            tasks: TaskTracker::new(),
            exports: Exports::default(),
            landings: Landings::default(),
            links: Mutex::default(),
            dead_letters: DeadLetterOffice::new(),
            link_events: LinkEventOffice::new(),
            past: Mutex::default(),
            extensions: Extensions::default(),
            closing: CancellationToken::new(),
        }));
        watchdog::look_after(&node);
        node
    }

    /// The node's name and the incarnation of this life.
    pub fn id(&self) -> &NodeId {
        &self.0.id
    }

    /// How long an ask of this node may take whose asker names no time.
    pub fn ask_timeout(&self) -> Duration {
        self.0.ask_timeout
    }

    /// The runtime its actors run on.
    pub fn runtime(&self) -> &Handle {
        &self.0.runtime
    }

    /// Spawns an actor on the node's runtime, with a mailbox of the default capacity.
    ///
    /// On a node that has shut down, or begun to, the actor is dropped without having started.
    pub fn spawn<A: Actor>(&self, actor: A) -> ActorRef<A::Message> {
        self.spawn_with(SpawnOptions::default(), actor)
    }

    /// Spawns an actor on the node's runtime.
    ///
    /// Costs four allocations, that of its task among them. The actor's `started` runs before its first message.
    pub fn spawn_with<A: Actor>(&self, options: SpawnOptions, actor: A) -> ActorRef<A::Message> {
        ActorRef::Local(self.spawn_local(&options, actor).0)
    }

    /// A mailbox of the default capacity without an actor: the caller takes the messages itself.
    pub fn inbox<M: Message>(&self) -> Inbox<M> {
        self.inbox_with(SpawnOptions::default())
    }

    /// A mailbox without an actor.
    ///
    /// Costs two allocations.
    pub fn inbox_with<M: Message>(&self, options: SpawnOptions) -> Inbox<M> {
        let front = self.front(&options, type_name::<Inbox<M>>(), None);
        let id = front.id;
        let cell = Arc::new(Cell {
            front,
            owner: Mutex::new(()),
        });
        let control: Weak<dyn Control> = Arc::<Cell<M, ()>>::downgrade(&cell);
        self.0.inboxes.lock().insert(id, control);
        let me = LocalRef::new(erase(cell));
        if self.0.actor_tasks.is_closed() {
            me.stop();
        }
        Inbox::new(me, self.clone())
    }

    /// The front of an actor that is about to live here.
    fn front<M>(
        &self,
        options: &SpawnOptions,
        actor_type: &'static str,
        lives: Option<Box<Lives>>,
    ) -> Front<M> {
        // Relaxed: the number only has to be unique.
        let id = ActorId::from_u64(self.0.next_actor.fetch_add(1, Ordering::Relaxed));
        Front::new(
            id,
            self.0.id.incarnation(),
            actor_type,
            options,
            self.0.ask_timeout,
            lives,
        )
    }

    /// An actor that is kept when it ends: each time that its keeper [revives](Kept::revive) it, `make`
    /// makes the actor of another life, which takes the mailbox over, and all refs.
    ///
    /// It has no life yet; messages wait in its mailbox until then. What supervisors are made of: most
    /// programs want `mycelium-supervisor`. On a node that has shut down, or begun to, the actor is gone
    /// already.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use mycelium_core::{Actor, ActorResult, Context, Keeper, Node, ReplyTo, SpawnOptions, StopReason};
    /// use tokio::sync::Notify;
    ///
    /// struct Divider;
    ///
    /// impl Actor for Divider {
    ///     type Message = (u64, u64, ReplyTo<u64>);
    ///
    ///     async fn handle(&mut self, (a, b, quotient): Self::Message, _: &mut Context<Self>) -> ActorResult {
    ///         quotient.send(a.checked_div(b).ok_or("a division by zero")?);
    ///         Ok(())
    ///     }
    /// }
    ///
    /// #[derive(Default)]
    /// struct Bell(Notify);
    ///
    /// impl Keeper for Bell {
    ///     fn started(&self, _life: u32) {}
    ///
    ///     fn ended(&self, _life: u32, _reason: &StopReason) {
    ///         self.0.notify_one();
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let node = Node::builder("calculator").start().await?;
    /// let bell = Arc::new(Bell::default());
    /// let (divider, kept) = node.keep(SpawnOptions::default(), bell.clone(), || Divider);
    /// kept.revive();
    /// assert!(divider.ask(|quotient| (1, 0, quotient)).await.is_err());
    /// bell.0.notified().await;
    /// kept.revive();
    /// assert_eq!(divider.ask(|quotient| (12, 3, quotient)).await?, 4);
    /// # Ok(()) }
    /// ```
    pub fn keep<A: Actor>(
        &self,
        options: SpawnOptions,
        keeper: Arc<dyn Keeper>,
        mut make: impl FnMut() -> A + Send + 'static,
    ) -> (ActorRef<A::Message>, Kept) {
        let lives = Some(Box::new(Lives::new(keeper)));
        let front = self.front(&options, type_name::<A>(), lives);
        let owner = Mutex::new(Owned::new(step::<A>));
        let cell = Arc::new(Cell { front, owner });
        let me = LocalRef::new(erase(Arc::clone(&cell)));
        let (mine, node) = (me.clone(), self.clone());
        cell.owner.lock().keep(Box::new(move || Body {
            actor: make(),
            context: Context::new(mine.clone(), node.clone()),
        }));
        self.run_cell(&cell, &me);
        (ActorRef::Local(me), Kept::new(cell))
    }

    pub(crate) fn spawn_local<A: Actor>(
        &self,
        options: &SpawnOptions,
        actor: A,
    ) -> (LocalRef<A::Message>, Weak<dyn Control>) {
        let front = self.front(options, type_name::<A>(), None);
        let owner = Mutex::new(Owned::new(step::<A>));
        let cell = Arc::new(Cell { front, owner });
        let me = LocalRef::new(erase(Arc::clone(&cell)));
        let context = Context::new(me.clone(), self.clone());
        cell.owner.lock().inhabit(Body { actor, context });
        let control = self.run_cell(&cell, &me);
        (me, control)
    }

    /// Gives a new cell its owner task.
    fn run_cell<M: Message, O: Owner<M>>(
        &self,
        cell: &Arc<Cell<M, O>>,
        me: &LocalRef<M>,
    ) -> Weak<dyn Control> {
        let control: Weak<dyn Control> = Arc::<Cell<M, O>>::downgrade(cell);
        self.0.actors.lock().insert(me.id(), control.clone());
        let task = OwnerTask::new(Arc::clone(cell) as _, self.clone());
        // Nobody waits for it then: whoever shuts the node down may have looked round already.
        let end_where_down = || {
            if self.0.actor_tasks.is_closed() {
                me.0.end_now(StopReason::NodeDown);
            }
        };
        // Before it can run, and again: the node may begin to shut down in between.
        end_where_down();
        self.0.actor_tasks.spawn_on(task, &self.0.runtime);
        end_where_down();
        control
    }

    /// A stream of what actors leave unhandled from now on.
    pub fn dead_letters(&self) -> DeadLetters {
        self.0.dead_letters.subscribe()
    }

    /// What the node holds, and what became of its messages. Costs a look at every link.
    pub fn stats(&self) -> NodeStats {
        let links = self.links();
        let mut sent = *self.0.past.lock();
        for link in &links {
            sent += link.stats();
        }
        NodeStats {
            actors: self.actors_len(),
            links: links.len(),
            sent,
            dead_letters: self.0.dead_letters.counts(),
        }
    }

    /// How many actors live on this node.
    pub fn actors_len(&self) -> usize {
        self.0.actors.lock().len()
    }

    /// How much may wait in this node at most, as it is now. Costs a look at every actor, binding and
    /// link.
    pub fn bounds(&self) -> Bounds {
        let actors = living(&self.0.actors);
        let inboxes = living(&self.0.inboxes);
        let local = actors.iter().chain(&inboxes).map(|actor| actor.bounds());
        let links = self.links();
        let links = links.iter().map(|link| link.bounds());
        local.chain(links).sum::<Bounds>() + self.0.exports.bounds() + self.0.landings.bounds()
    }

    /// State that the crates above core keep on this node.
    pub fn extensions(&self) -> &Extensions {
        &self.0.extensions
    }

    /// Stops every actor, waits until they have handled what they accepted, and closes the links.
    /// What is spawned from now on is dropped. Actors that are kept are their keepers' to end.
    ///
    /// Actors that are not done after `timeout` are killed. Returns when all tasks of the node
    /// have ended and its sockets are gone. A kill takes effect at an await: a handler that blocks
    /// its thread keeps this waiting. Not for handlers to wait for: they would wait for themselves.
    ///
    /// Inboxes are stopped and not waited for: their holders are the program's, and take what was
    /// accepted at their own time.
    ///
    /// # Errors
    ///
    /// [`ShutdownTimeout`] when actors had to be killed; the node has shut down all the same.
    ///
    /// # Cancel safety
    ///
    /// A dropped future leaves the node half shut down; call it again.
    pub async fn shutdown(&self, timeout: Duration) -> Result<(), ShutdownTimeout> {
        self.0.actor_tasks.close();
        for actor in living(&self.0.actors)
            .into_iter()
            .chain(living(&self.0.inboxes))
            .filter(|actor| !actor.is_kept())
        {
            actor.stop();
        }
        let drained = time::timeout(timeout, self.0.actor_tasks.wait()).await;
        let survivors = living(&self.0.actors);
        for actor in &survivors {
            actor.end(StopReason::Killed);
        }
        self.0.actor_tasks.wait().await;
        self.close_parts().await;
        match drained {
            Ok(()) => Ok(()),
            Err(_) => Err(ShutdownTimeout {
                killed_actors: survivors.len(),
                timeout,
            }),
        }
    }

    /// Runs a task of a transport or service; [`shutdown`](Self::shutdown) waits for it, so it
    /// must end when [`closing`](Self::closing) fires.
    pub fn spawn_task(&self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        self.0.tasks.spawn_on(task, &self.0.runtime).abort_handle()
    }

    /// Fires when the actors have ended and links shall close.
    pub fn closing(&self) -> &CancellationToken {
        &self.0.closing
    }

    /// Ends listeners and links, and waits for their tasks.
    pub(crate) async fn close_parts(&self) {
        self.0.closing.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
        self.0.landings.close();
    }

    pub(crate) fn landings(&self) -> &Landings {
        &self.0.landings
    }

    /// The node's number among those that this process ever had.
    pub(crate) fn serial(&self) -> u64 {
        self.0.serial
    }

    pub(crate) fn downgrade(&self) -> WeakNode {
        WeakNode(Arc::downgrade(&self.0))
    }

    /// An actor has ended.
    pub(crate) fn forget<M: Message>(&self, actor: ActorId, reason: &StopReason, left: usize) {
        if self.0.actors.lock().remove(&actor).is_none() {
            self.0.inboxes.lock().remove(&actor);
        }
        self.0.exports.remove(actor);
        match reason {
            StopReason::Failed(error) => tracing::error!(%actor, %error, "an actor failed"),
            StopReason::Panicked(panic) => tracing::error!(%actor, %panic, "an actor panicked"),
            _ => {}
        }
        if left > 0 {
            self.0.dead_letters.report(DeadLetter {
                target: actor,
                message_type: type_name::<M>(),
                reason: DeadLetterReason::ActorEnded(reason.clone()),
                count: left,
            });
        }
    }

    /// The time of messages had passed when their turn came.
    #[cold]
    pub(crate) fn expired<M: Message>(&self, actor: ActorId, count: usize) {
        self.0.dead_letters.report(DeadLetter {
            target: actor,
            message_type: type_name::<M>(),
            reason: DeadLetterReason::Expired,
            count,
        });
    }
}

/// A node that may be gone.
pub(crate) struct WeakNode(Weak<Inner>);

impl WeakNode {
    pub(crate) fn is_alive(&self) -> bool {
        self.0.strong_count() > 0
    }

    /// What an actor of the node is, if it lives.
    pub(crate) fn kind_of(&self, actor: ActorId) -> Option<Kind> {
        let node = self.0.upgrade()?;
        let actor = node.actors.lock().get(&actor)?.upgrade()?;
        Some(actor.kind())
    }
}

/// Those that have not ended, held so that none ends under the lock.
fn living(all: &Mutex<HashMap<ActorId, Weak<dyn Control>>>) -> Vec<Arc<dyn Control>> {
    all.lock().values().filter_map(Weak::upgrade).collect()
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({})", self.0.id)
    }
}
