//! F-24: both ends dial at once.

use std::time::Duration;

use mycelium::prelude::*;

use super::{Failure, Row, ensure};
use crate::stage::Stage;

pub(crate) const ROW: Row = Row {
    name: "F-24",
    about: "two nodes dial each other at once: one link survives, the first message is not lost",
    play: |stage| Box::pin(play(stage)),
};

/// Longer than two nodes take to find each other.
const PATIENCE: Duration = Duration::from_secs(20);

async fn play(stage: &Stage) -> Result<String, Failure> {
    let rounds = stage.scale.pick(100, 1_000);
    for _ in 0..rounds {
        meet(stage).await?;
    }
    Ok(format!(
        "{rounds} meetings, one link each, no first message lost"
    ))
}

async fn meet(stage: &Stage) -> Result<(), Failure> {
    let start = |name, other| {
        let builder = Node::builder(name).unix(stage.dir());
        builder.peer(PeerAddr::unix(stage.dir(), other)).start()
    };
    let (left, right) = tokio::join!(start("left", "right"), start("right", "left"));
    let (left, right) = (left?, right?);
    let (at_left, at_right) = (left.inbox::<u64>(), right.inbox::<u64>());
    left.register("at-left", &at_left.actor_ref())?;
    right.register("at-right", &at_right.actor_ref())?;
    tokio::try_join!(
        first_message(&left, "at-right", at_right),
        first_message(&right, "at-left", at_left)
    )?;
    for node in [&left, &right] {
        let links = node.links();
        ensure(links.len() == 1, || format!("{} links", links.len()))?;
        let unknown = links[0].stats().unknown;
        ensure(unknown == 0, || format!("{unknown} are unknown"))?;
    }
    let (left, right) = tokio::join!(left.shutdown(PATIENCE), right.shutdown(PATIENCE));
    Ok(left.and(right)?)
}

/// Sends as soon as there is a way.
async fn first_message(from: &Node, to: &str, mut inbox: Inbox<u64>) -> Result<(), Failure> {
    let found = from.wait_for::<u64>(to, PATIENCE).await?;
    found.send(7).await?;
    let came = tokio::time::timeout(PATIENCE, inbox.recv()).await??;
    ensure(came == 7, || format!("{came} came"))
}
