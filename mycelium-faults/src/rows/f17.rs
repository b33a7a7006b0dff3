//! F-17: one direction of a link is dropped.

use std::time::Duration;

use mycelium_testkit::proxy::{Faults, Flow, Stall};

use super::{Failure, Row, ensure, f15::both_down};
use crate::{
    clock::now_ns,
    record::{Event, Outcome},
    stage::{Over, Stage},
};

pub(crate) const ROW: Row = Row {
    name: "F-17",
    about: "one direction dropped, the other fine: both sides agree within 2.5 s, asks fail and never hang",
    play: |stage| Box::pin(play(stage)),
};

async fn play(stage: &Stage) -> Result<String, Failure> {
    let mut said = Vec::new();
    for _ in 0..stage.scale.pick(1, 10) {
        for over in [Over::Tcp, Over::Unix] {
            for flow in [Flow::There, Flow::Back] {
                let agreed = drop_one_way(stage, over, flow).await?;
                said.push(format!("{over:?} {flow:?} {agreed:.1?}"));
            }
        }
    }
    let totals = stage.check()?;
    Ok(format!(
        "agreed after: {}; {} handled, {} unknown",
        said.join(", "),
        totals.handled,
        totals.unknown
    ))
}

async fn drop_one_way(stage: &Stage, over: Over, flow: Flow) -> Result<Duration, Failure> {
    let (sink, address) = stage.sink(over, &["observes=yes"]).await?;
    let proxy = stage.proxy(&address).await?;
    let settings = [
        "rate=5000",
        "nevers=16",
        "echoes=2",
        "again=yes",
        "observes=yes",
    ];
    let sender = stage.sender("sender", over, &proxy.address(), &settings)?;
    sink.has_handled(500).await?;
    let start = now_ns();
    proxy.impose(flow, Faults::default().stall(Stall::Swallow));
    let agreed = both_down(stage, &sender, &sink, start).await?;
    proxy.impose(flow, Faults::default());
    let handled = sink.count(Event::Handled);
    sender.reports_times(Event::Linked, 2).await?;
    sink.has_handled(handled + 100).await?;
    let sender = stage.end(sender).await?;
    stage.end(sink).await?;
    let failed = sender
        .of(Event::Answered)
        .filter(|ask| ask.value >= start)
        .filter(|ask| ask.is(Outcome::LinkDown) || ask.is(Outcome::NodeDown));
    let failed = failed.count();
    ensure(failed >= 16, || {
        format!("{failed} of 16 asks failed with the link")
    })?;
    drop(proxy);
    stage.free_proxy();
    Ok(agreed)
}
