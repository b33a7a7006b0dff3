//! F-1: the receiver is killed under load.
//!
//! Its outcomes without the times: `mycelium-transport/tests/unix/process.rs` and `watches.rs`.

use std::time::Duration;

use super::{Failure, Row, ensure};
use crate::{
    child::Child,
    clock::now_ns,
    record::{Event, GivenBack, Outcome},
    stage::{Over, Stage},
};

pub(crate) const ROW: Row = Row {
    name: "F-1",
    about: "kill -9 of a receiver at 100,000 messages/s: watchers and asks are told within 100 ms, sends fail NodeDown",
    play: |stage| Box::pin(play(stage)),
};

/// By when whoever watches, sends or asks has to know.
const TOLD_WITHIN: Duration = Duration::from_millis(100);

/// Asks that nobody answers.
const NEVERS: usize = 16;

async fn play(stage: &Stage) -> Result<String, Failure> {
    let ticks = stage.scale.pick(50_000, 500_000);
    let (sink, address) = stage.sink(Over::Unix, &[]).await?;
    let settings = [
        "rate=100000",
        "nevers=16",
        "echoes=2",
        "stays=yes",
        "watches=yes",
    ];
    let sender = stage.sender("sender", Over::Unix, &address, &settings)?;
    let told = kill_under_load(stage, sink, sender, ticks, TOLD_WITHIN).await?;
    let totals = stage.check()?;
    Ok(format!(
        "{told}, {} handled, {} unknown",
        totals.handled, totals.unknown
    ))
}

/// Kills the sink of a sender that watches it, asks it and sends to it, and says when who was told.
pub(super) async fn kill_under_load(
    stage: &Stage,
    mut sink: Child,
    sender: Child,
    ticks: usize,
    limit: Duration,
) -> Result<String, Failure> {
    sink.has_handled(ticks).await?;
    let killed = now_ns();
    sink.kill()?;
    let since = |then: u64| Duration::from_nanos(then.saturating_sub(killed));
    let told = since(sender.reports(Event::Told).await?.value);
    let down = since(sender.reports(Event::DownSeen).await?.value);
    let given_back = sender.reports(Event::GivenBack).await?;
    ensure(given_back.value == GivenBack::NodeDown as u64, || {
        format!("a send failed otherwise: {given_back:?}")
    })?;
    stage.within(limit, told, "the watcher was told")?;
    stage.within(limit, down, "senders were told")?;

    stage.end(sink).await?;
    let sender = stage.end(sender).await?;
    let watchers = sender.count(Event::Told);
    ensure(watchers == 1, || {
        format!("the watcher was told {watchers} times")
    })?;
    let failed = sender.of(Event::Answered).filter(|ask| {
        ask.value >= killed && (ask.is(Outcome::LinkDown) || ask.is(Outcome::NodeDown))
    });
    let failed: Vec<_> = failed.map(|ask| since(ask.value)).collect();
    ensure(failed.len() >= NEVERS, || {
        format!("{} of {NEVERS} asks failed with the node", failed.len())
    })?;
    let last = failed.into_iter().max().unwrap_or_default();
    stage.within(limit, last, "the last ask failed")?;
    Ok(format!(
        "watcher told after {told:.1?}, senders after {down:.1?}, asks after {last:.1?}"
    ))
}
