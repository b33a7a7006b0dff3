//! [`Registry`]: `register` and `resolve`, as methods of a node.

use std::{any::type_name, sync::Arc, time::Duration};

use mycelium_core::{ActorRef, LocalRef, Message, Names, Node};
use mycelium_wire::Wire;

use crate::{
    RegisterError, ResolveError,
    lookup::{RESOLVE_TIMEOUT, ask_all, wait_for},
    table::{Named, SharedTable, Table, Visibility},
};

/// Names on a [`Node`].
///
/// # Examples
///
/// ```
/// use mycelium_core::{Actor, ActorResult, Context, Node};
/// use mycelium_registry::Registry;
///
/// # struct Counter;
/// # impl Actor for Counter {
/// #     type Message = u64;
/// #     async fn handle(&mut self, _: u64, _: &mut Context<Self>) -> ActorResult { Ok(()) }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let node = Node::builder("counts").start().await?;
/// node.register("counter", &node.spawn(Counter))?;
/// let counter = node.resolve::<u64>("counter").await?;
/// counter.send(1).await?;
/// # Ok(()) }
/// ```
pub trait Registry {
    /// Gives an actor of this node a name by which linked nodes find it too.
    ///
    /// The name goes when the actor does.
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: the name is taken on this node, empty or longer than 255 bytes; the
    /// actor is remote or gone; or the node has made 65,536 actors reachable already.
    fn register<M: Wire>(&self, name: &str, actor: &ActorRef<M>) -> Result<(), RegisterError>;

    /// Gives an actor a name that only this process sees; any message type will do.
    ///
    /// # Errors
    ///
    /// As [`register`](Self::register).
    fn register_local<M: Message>(
        &self,
        name: &str,
        actor: &ActorRef<M>,
    ) -> Result<(), RegisterError>;

    /// Takes a name of this node away; says whether there was one.
    fn unregister(&self, name: &str) -> bool;

    /// The names of this node, in no order.
    fn names(&self) -> Vec<Box<str>>;

    /// A ref to the actor of a name: of this node, else of a linked one.
    ///
    /// Asks all linked nodes at once and waits for their answers, 5 s at most.
    ///
    /// # Errors
    ///
    /// [`ResolveError`]: nobody has the name, several nodes have, the actor takes another type of
    /// message, or a linked node could not be asked.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    fn resolve<M: Wire>(
        &self,
        name: &str,
    ) -> impl Future<Output = Result<ActorRef<M>, ResolveError>> + Send;

    /// A ref to the actor of a name, as [`resolve`](Self::resolve) gives it, once there is one.
    ///
    /// Looks again and again until the name is found or `limit` has passed: at a start, when the
    /// peer is not linked yet or has not registered its actors. Between two tries it pauses, for a
    /// random part of 1 ms first, then of twice as long each time, up to 50 ms. In one
    /// try a linked node has 250 ms to answer.
    ///
    /// # Errors
    ///
    /// [`ResolveError`]: that of the last try when the time is up. [`ResolveError::WrongType`] and
    /// [`ResolveError::Ambiguous`] at once, as waiting does not mend them.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use mycelium_core::Node;
    /// use mycelium_registry::Registry;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let node = Node::builder("counts").start().await?;
    /// let counter = node.inbox::<u64>();
    /// let registered = async { node.register("counter", &counter.actor_ref()) };
    /// let waiting = node.wait_for::<u64>("counter", Duration::from_secs(10));
    /// let (found, registered) = tokio::join!(waiting, registered);
    /// registered?;
    /// assert_eq!(found?, counter.actor_ref());
    /// # Ok(()) }
    /// ```
    fn wait_for<M: Wire>(
        &self,
        name: &str,
        limit: Duration,
    ) -> impl Future<Output = Result<ActorRef<M>, ResolveError>> + Send;

    /// A ref to the actor of a name of this node, without asking others.
    ///
    /// # Errors
    ///
    /// [`ResolveError::NotFound`] or [`ResolveError::WrongType`].
    fn resolve_local<M: Message>(&self, name: &str) -> Result<ActorRef<M>, ResolveError>;
}

impl Registry for Node {
    fn register<M: Wire>(&self, name: &str, actor: &ActorRef<M>) -> Result<(), RegisterError> {
        let local = local(actor)?;
        insert(self, name, local, M::NAME, Visibility::Everyone)?;
        if let Err(full) = self.export(local) {
            table(self).remove_of(name, local.id());
            return Err(full.into());
        }
        Ok(())
    }

    fn register_local<M: Message>(
        &self,
        name: &str,
        actor: &ActorRef<M>,
    ) -> Result<(), RegisterError> {
        insert(
            self,
            name,
            local(actor)?,
            type_name::<M>(),
            Visibility::Local,
        )
    }

    fn unregister(&self, name: &str) -> bool {
        table(self).remove(name)
    }

    fn names(&self) -> Vec<Box<str>> {
        table(self).names()
    }

    fn resolve<M: Wire>(
        &self,
        name: &str,
    ) -> impl Future<Output = Result<ActorRef<M>, ResolveError>> + Send {
        look_up(self, name, RESOLVE_TIMEOUT)
    }

    fn wait_for<M: Wire>(
        &self,
        name: &str,
        limit: Duration,
    ) -> impl Future<Output = Result<ActorRef<M>, ResolveError>> + Send {
        wait_for(self, name, limit)
    }

    fn resolve_local<M: Message>(&self, name: &str) -> Result<ActorRef<M>, ResolveError> {
        let found = table(self).get(name, type_name::<M>());
        found
            .unwrap_or_else(|| Err(ResolveError::NotFound(name.into())))
            .map(ActorRef::Local)
    }
}

/// The node's table; made, and shown to core, when the first name is needed.
fn table(node: &Node) -> Arc<Table> {
    let table = node.extensions().get_or_insert_with(Table::default);
    let shown = Arc::clone(&table);
    node.extensions()
        .get_or_insert_with(|| Names(Box::new(SharedTable(shown))));
    table
}

fn local<M: Message>(actor: &ActorRef<M>) -> Result<&LocalRef<M>, RegisterError> {
    match actor {
        ActorRef::Local(local) => Ok(local),
        _ => Err(RegisterError::NotLocal),
    }
}

fn insert<M: Message>(
    node: &Node,
    name: &str,
    actor: &LocalRef<M>,
    type_name: &'static str,
    visibility: Visibility,
) -> Result<(), RegisterError> {
    if actor.is_closed() {
        return Err(RegisterError::ActorDown);
    }
    let table = table(node);
    if table.insert(name, actor, type_name, visibility)? == Named::First {
        let (table, id) = (Arc::downgrade(&table), actor.id());
        actor.on_end(move |_| {
            if let Some(table) = table.upgrade() {
                table.forget(id);
            }
        });
    }
    Ok(())
}

/// The actor of a name, here or on a linked node; one that does not answer in time is unreachable.
pub(crate) async fn look_up<M: Wire>(
    node: &Node,
    name: &str,
    patience: Duration,
) -> Result<ActorRef<M>, ResolveError> {
    if let Some(found) = table(node).get(name, M::NAME) {
        return found.map(ActorRef::Local);
    }
    let (link, actor) = ask_all(node, name, patience).await?;
    let actor = actor
        .for_sender::<M>()
        .map_err(|actor| ResolveError::WrongType {
            name: name.into(),
            wanted: M::NAME,
            found: actor.type_name,
        })?;
    Node::remote_ref(link, actor).map_err(|source| ResolveError::Link {
        name: name.into(),
        source,
    })
}
