//! [`NodeSupervision`]: the trees of a node, and what happens in them.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use mycelium_core::Node;

use crate::{
    OnEscalation, SupervisionEvent, SupervisionEvents, TreeReport, event::EventOffice, tree::Tree,
};

/// What a node knows of the trees that grow on it.
pub trait NodeSupervision {
    /// The trees of this node, as they are now. Costs a lock of each supervisor's children.
    ///
    /// # Examples
    ///
    /// See [`Supervisor`](crate::Supervisor).
    fn tree(&self) -> Trees;

    /// A stream of what happens to supervised actors of this node from now on.
    fn supervision_events(&self) -> SupervisionEvents;
}

impl NodeSupervision for Node {
    fn tree(&self) -> Trees {
        let roots = supervision(self).roots();
        Trees(roots.iter().map(|root| root.report()).collect())
    }

    fn supervision_events(&self) -> SupervisionEvents {
        supervision(self).events.subscribe()
    }
}

/// The trees of a node; prints them one below the other.
#[derive(Clone, Debug)]
pub struct Trees(pub Vec<TreeReport>);

impl fmt::Display for Trees {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, tree) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{tree}")?;
        }
        Ok(())
    }
}

/// Supervision's state on a node.
pub(crate) struct Supervision {
    events: EventOffice,
    /// Swept of those that are gone whenever one is added.
    roots: Mutex<Vec<Weak<Tree>>>,
    policy: Mutex<OnEscalation>,
}

/// The state on this node.
pub(crate) fn supervision(node: &Node) -> Arc<Supervision> {
    node.extensions().get_or_insert_with(|| Supervision {
        events: EventOffice::new(),
        roots: Mutex::default(),
        policy: Mutex::default(),
    })
}

impl Supervision {
    /// A tree has a root.
    pub(crate) fn add(&self, root: &Arc<Tree>) {
        let mut roots = lock(&self.roots);
        roots.retain(|root| root.strong_count() > 0);
        roots.push(Arc::downgrade(root));
    }

    /// A tree is gone.
    pub(crate) fn remove(&self, root: &Tree) {
        lock(&self.roots).retain(|other| !std::ptr::eq(other.as_ptr(), root));
    }

    fn roots(&self) -> Vec<Arc<Tree>> {
        lock(&self.roots).iter().filter_map(Weak::upgrade).collect()
    }

    pub(crate) fn tell(&self, event: SupervisionEvent) {
        self.events.tell(event);
    }

    pub(crate) fn policy(&self) -> OnEscalation {
        *lock(&self.policy)
    }

    pub(crate) fn set_policy(&self, policy: OnEscalation) {
        *lock(&self.policy) = policy;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
