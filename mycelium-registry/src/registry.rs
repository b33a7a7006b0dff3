//! [`Registry`]: `register` and `resolve`, as methods of a node.

use std::{any::type_name, sync::Arc, time::Duration};

use mycelium_core::{ActorRef, Link, LinkRefusal, LocalRef, Message, Names, Node};
use mycelium_wire::{Resolved, Wire};
use tokio::{task::JoinSet, time};

use crate::{
    RegisterError, ResolveError,
    table::{Named, SharedTable, Table, Visibility},
};

/// How long a linked node may take to answer for a name.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

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

    async fn resolve<M: Wire>(&self, name: &str) -> Result<ActorRef<M>, ResolveError> {
        if let Some(found) = table(self).get(name, M::NAME) {
            return found.map(ActorRef::Local);
        }
        let (link, actor) = ask_all(self, name).await?;
        if actor.fingerprint != M::FINGERPRINT {
            let (name, found) = (name.into(), actor.type_name);
            return Err(ResolveError::WrongType {
                name,
                wanted: M::NAME,
                found,
            });
        }
        Node::remote_ref(link, actor).map_err(|source| ResolveError::Link {
            name: name.into(),
            source,
        })
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

/// Asks every linked node for a name.
async fn ask_all(node: &Node, name: &str) -> Result<(Arc<dyn Link>, Resolved), ResolveError> {
    let mut questions = JoinSet::new();
    for link in node.links() {
        // On the node's runtime: the caller may be on none.
        questions.spawn_on(ask(link, name.into()), node.runtime());
    }
    let (mut found, mut silent) = (Vec::new(), None);
    for (link, answer) in questions.join_all().await {
        match answer {
            Ok(Some(actor)) => found.push((link, actor)),
            Ok(None) => {}
            Err(refusal) => silent = Some((link.peer().clone(), refusal)),
        }
    }
    let name = name.into();
    match (found.pop(), silent) {
        (Some(only), _) if found.is_empty() => Ok(only),
        (Some(last), _) => {
            found.push(last);
            let nodes = found.iter().map(|(link, _)| link.peer().clone()).collect();
            Err(ResolveError::Ambiguous { name, nodes })
        }
        (None, Some((node, source))) => Err(ResolveError::Unreachable { name, node, source }),
        (None, None) => Err(ResolveError::NotFound(name)),
    }
}

async fn ask(
    link: Arc<dyn Link>,
    name: Box<str>,
) -> (Arc<dyn Link>, Result<Option<Resolved>, LinkRefusal>) {
    let answer = time::timeout(RESOLVE_TIMEOUT, link.resolve(&name)).await;
    (link, answer.unwrap_or(Err(LinkRefusal::Timeout)))
}
