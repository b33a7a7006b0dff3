//! F-6: a node is stopped for so long that it counts as down, and goes on then.
//!
//! Its outcomes without the times:
//! `mycelium-transport/tests/unix/liveness.rs::a_peer_that_was_declared_down_comes_back_in_a_new_epoch`.

use std::time::Duration;

use tokio::time;

use super::{Failure, Row, ensure, fail};
use crate::{
    clock::now_ns,
    log::Log,
    record::{Event, GivenBack},
    stage::{Over, Stage},
};

pub(crate) const ROW: Row = Row {
    name: "F-6",
    about: "SIGSTOP for 10 s: down within 2.5 s; the zombie learns it, old refs fail on both sides, both meet again",
    play: |stage| Box::pin(play(stage)),
};

const STOPPED: Duration = Duration::from_secs(10);

/// By when a silent peer has to count as down.
const DOWN_WITHIN: Duration = Duration::from_millis(2_500);

/// By when both work together again.
const BACK_WITHIN: Duration = Duration::from_secs(5);

async fn play(stage: &Stage) -> Result<String, Failure> {
    let (unix, tcp) = tokio::try_join!(zombie(stage, Over::Unix), zombie(stage, Over::Tcp))?;
    let totals = stage.check()?;
    Ok(format!(
        "Unix: {unix}; Tcp: {tcp}; {} handled, {} unknown",
        totals.handled, totals.unknown
    ))
}

/// Two nodes that send to each other; one of them is stopped.
async fn zombie(stage: &Stage, over: Over) -> Result<String, Failure> {
    let (stopped, other) = (format!("stopped-{over:?}"), format!("other-{over:?}"));
    let (stopped, other) = (stopped.to_lowercase(), other.to_lowercase());
    let common = ["rate=5000", "again=yes", "olds=yes", "observes=yes"];
    let finds_other = [&common[..], &["serves=b", "finds=a"]].concat();
    let finds_stopped = [&common[..], &["serves=a", "finds=b"]].concat();
    let (zombie, address) = stage
        .listening("sender", &stopped, over, &finds_other)
        .await?;
    let other = stage.sender(&other, over, &address, &finds_stopped)?;
    for child in [&zombie, &other] {
        child.has_handled(1_000).await?;
    }

    let start = now_ns();
    zombie.stop()?;
    let down = other.reports(Event::PeerDown).await?.value;
    let down = Duration::from_nanos(down.saturating_sub(start));
    stage.within(DOWN_WITHIN, down, "the stopped node was down")?;
    let back = other.reports(Event::GivenBack).await?;
    ensure(is_down(back.value), || {
        format!("a send failed otherwise: {back:?}")
    })?;
    time::sleep(STOPPED.saturating_sub(Duration::from_nanos(now_ns() - start))).await;
    let before = [&zombie, &other].map(|child| child.count(Event::Handled));
    zombie.go_on()?;

    let start = now_ns();
    zombie.reports(Event::PeerDown).await?;
    let learned = Duration::from_nanos(now_ns() - start);
    for (child, before) in [&zombie, &other].into_iter().zip(before) {
        child.reports_times(Event::Linked, 2).await?;
        // More than can have been on its way before.
        child.has_handled(before + 5_000).await?;
    }
    let met = Duration::from_nanos(now_ns() - start);
    stage.within(BACK_WITHIN, met, "both worked together again")?;
    for child in [zombie, other] {
        old_refs_failed(&stage.end(child).await?)?;
    }
    Ok(format!(
        "down after {down:.1?}, learned after {learned:.1?}, at work again after {met:.1?}"
    ))
}

fn old_refs_failed(log: &Log) -> Result<(), Failure> {
    let mut old = log.of(Event::OldRef).map(|sent| sent.value).peekable();
    if old.peek().is_none() {
        return Err(fail(format!("{} tried no old ref", log.name)));
    }
    match old.find(|back| !is_down(*back)) {
        None => Ok(()),
        Some(other) => Err(fail(format!(
            "an old ref of {} was answered with {other}",
            log.name
        ))),
    }
}

fn is_down(back: u64) -> bool {
    [GivenBack::NodeDown, GivenBack::Stale]
        .map(|why| why as u64)
        .contains(&back)
}
