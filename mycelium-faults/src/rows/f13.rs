//! F-13: a node is asked to end under load.

use super::{Failure, Row, ensure};
use crate::{
    log::Log,
    record::{Event, GivenBack},
    stage::{Over, Stage},
};

pub(crate) const ROW: Row = Row {
    name: "F-13",
    about: "SIGTERM under load: both sides drain in time, and nothing accepted is lost unreported",
    play: |stage| Box::pin(play(stage)),
};

async fn play(stage: &Stage) -> Result<String, Failure> {
    let rounds = stage.scale.pick(3, 20);
    for over in [Over::Unix, Over::Tcp] {
        for _ in 0..rounds {
            the_sender(stage, over).await?;
            the_receiver(stage, over).await?;
        }
    }
    let totals = stage.check()?;
    Ok(format!(
        "{} drains, {} accepted, {} refused, {} unknown",
        rounds * 4,
        totals.accepted,
        totals.refused,
        totals.unknown
    ))
}

async fn the_sender(stage: &Stage, over: Over) -> Result<(), Failure> {
    let (sink, address) = stage.sink(over, &[]).await?;
    let sender = stage.sender("sender", over, &address, &["echoes=2"])?;
    sink.has_handled(5_000).await?;
    sender.terminate()?;
    let sender = stage.end(sender).await?;
    drained(&sender)?;
    drained(&stage.end(sink).await?)?;
    let unknown = sender.of(Event::LinkUnknown).map(|count| count.value);
    let unknown: u64 = unknown.sum();
    ensure(unknown == 0, || {
        format!("a sender that drains leaves {unknown} unknown")
    })
}

async fn the_receiver(stage: &Stage, over: Over) -> Result<(), Failure> {
    let (sink, address) = stage.sink(over, &[]).await?;
    let sender = stage.sender("sender", over, &address, &["echoes=2", "stays=yes"])?;
    sink.has_handled(5_000).await?;
    sink.terminate()?;
    let down = sender.reports(Event::GivenBack).await?.value;
    let is_orderly = [GivenBack::ActorDown, GivenBack::NodeDown].map(|why| why as u64);
    ensure(is_orderly.contains(&down), || {
        format!("a send failed otherwise: {down}")
    })?;
    drained(&stage.end(sink).await?)?;
    drained(&stage.end(sender).await?)
}

fn drained(log: &Log) -> Result<(), Failure> {
    ensure(log.count(Event::ShutDown) == 1, || {
        format!("{} did not drain: {:?}", log.name, log.ending)
    })
}
