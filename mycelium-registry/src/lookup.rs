//! How a name is looked up on other nodes: once, or until it is there.
//!
//! All that needs a clock runs on the node's runtime: the caller may be on none, or on another.

use std::{collections::HashMap, sync::Arc, time::Duration};

use mycelium_core::{ActorRef, Link, LinkRefusal, Node};
use mycelium_wire::{Resolved, Wire};
use tokio::{
    task::JoinSet,
    time::{self, Instant},
};

use crate::{ResolveError, registry::look_up};

/// How long a linked node may take to answer for a name.
pub(crate) const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long it may take for one try of several.
const TRY_TIMEOUT: Duration = Duration::from_millis(250);

/// The bound of the first pause between two tries; each try doubles it.
const PAUSE_MIN: Duration = Duration::from_millis(1);

/// The greatest bound of a pause between two tries.
const PAUSE_MAX: Duration = Duration::from_millis(50);

type Answer = Result<Option<Resolved>, LinkRefusal>;

/// Asks every linked node for a name; those that do not answer in time are silent.
pub(crate) async fn ask_all(
    node: &Node,
    name: &str,
    patience: Duration,
) -> Result<(Arc<dyn Link>, Resolved), ResolveError> {
    let (mut found, mut silent) = (Vec::new(), None);
    for (link, answer) in answers(node, name, patience).await {
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

/// What each linked node says, or why it says nothing.
async fn answers(node: &Node, name: &str, patience: Duration) -> Vec<(Arc<dyn Link>, Answer)> {
    let (mut questions, mut asked) = (JoinSet::new(), HashMap::new());
    for link in node.links() {
        let question = ask(Arc::clone(&link), name.into(), patience);
        asked.insert(questions.spawn_on(question, node.runtime()).id(), link);
    }
    let mut answers = Vec::with_capacity(asked.len());
    while let Some(joined) = questions.join_next_with_id().await {
        // A question is cancelled when the runtime of this node ends, and its links with it.
        let (id, answer) = joined.unwrap_or_else(|error| (error.id(), Err(LinkRefusal::NodeDown)));
        let link = asked.remove(&id);
        answers.push((link.expect("each question is joined once"), answer));
    }
    answers
}

async fn ask(link: Arc<dyn Link>, name: Box<str>, patience: Duration) -> Answer {
    let answer = time::timeout(patience, link.resolve(&name)).await;
    answer.unwrap_or(Err(LinkRefusal::Timeout))
}

/// Looks a name up until it is found, or cannot be, or the time is up.
///
/// Each try is short: a node that does not answer must not keep the others from being asked again.
pub(crate) async fn wait_for<M: Wire>(
    node: &Node,
    name: &str,
    limit: Duration,
) -> Result<ActorRef<M>, ResolveError> {
    let begun = Instant::now();
    let left = || limit.saturating_sub(begun.elapsed());
    let mut bound = PAUSE_MIN;
    loop {
        // First a look, so that a name that is there is found however short the time.
        let error = match look_up(node, name, left().min(TRY_TIMEOUT)).await {
            Err(error) if error.may_pass() => error,
            outcome => return outcome,
        };
        let pause = bound.mul_f64(rand::random()).min(left());
        if !has_paused(node, pause).await || left().is_zero() {
            return Err(error);
        }
        bound = (bound * 2).min(PAUSE_MAX);
    }
}

/// Waits; not at all where the runtime of the node has ended, and with it all that could come.
async fn has_paused(node: &Node, pause: Duration) -> bool {
    let mut clock = JoinSet::new();
    clock.spawn_on(async move { time::sleep(pause).await }, node.runtime());
    matches!(clock.join_next().await, Some(Ok(())))
}
