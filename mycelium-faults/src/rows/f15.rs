//! F-15: a link of which nothing comes through any more, and nobody is told.
//!
//! Its outcomes without the times:
//! `mycelium-transport/tests/unix/liveness.rs::a_peer_that_says_nothing_is_suspected_and_then_declared_down_with_a_word`.

use std::time::Duration;

use mycelium_testkit::proxy::{Faults, Stall};
use tokio::time;

use super::{Failure, Row, ensure};
use crate::{
    child::Child,
    clock::now_ns,
    netns::{Netns, Wire},
    record::Event,
    stage::{Guard, Over, Stage},
};

pub(crate) const ROW: Row = Row {
    name: "F-15",
    about: "a half-open link, busy and idle, by a proxy and by a wire pulled out: down within 2.5 s, unknowns counted exactly",
    play: |stage| Box::pin(play(stage)),
};

/// By when the link has to count as down.
const DOWN_WITHIN: Duration = Duration::from_millis(2_500);

/// By when messages flow again once the way is free.
const BACK_WITHIN: Duration = Duration::from_secs(5);

/// What a link carries while it is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Traffic {
    Busy,
    Idle,
}

impl Traffic {
    fn settings(self) -> &'static [&'static str] {
        match self {
            Self::Busy => &["rate=5000", "echoes=2", "again=yes", "observes=yes"],
            Self::Idle => &["count=500", "stays=yes", "observes=yes"],
        }
    }
}

async fn play(stage: &Stage) -> Result<String, Failure> {
    let mut said = Vec::new();
    for _ in 0..stage.scale.pick(1, 5) {
        for traffic in [Traffic::Busy, Traffic::Idle] {
            for over in [Over::Tcp, Over::Unix] {
                let down = by_proxy(stage, over, traffic).await?;
                said.push(format!("{over:?} {traffic:?} {down:.1?}"));
            }
            if Netns::is_possible() {
                let down = by_wire(stage, traffic).await?;
                said.push(format!("wire {traffic:?} {down:.1?}"));
            }
        }
    }
    if !Netns::is_possible() {
        said.push("no wire pulled: needs root and ip".to_owned());
    }
    let totals = stage.check()?;
    ensure(totals.unknown > 0, || "nothing was in flight".to_owned())?;
    Ok(format!(
        "down after: {}; {} handled, {} unknown",
        said.join(", "),
        totals.handled,
        totals.unknown
    ))
}

async fn by_proxy(stage: &Stage, over: Over, traffic: Traffic) -> Result<Duration, Failure> {
    let (sink, address) = stage.sink(over, &["observes=yes"]).await?;
    let proxy = stage.proxy(&address).await?;
    let sender = stage.sender("sender", over, &proxy.address(), traffic.settings())?;
    sink.has_handled(500).await?;
    let start = now_ns();
    proxy.impose_both(&Faults::default().stall(Stall::Swallow));
    let down = both_down(stage, &sender, &sink, start).await?;
    proxy.impose_both(&Faults::default());
    end(stage, sender, sink, traffic).await?;
    drop(proxy);
    stage.free_proxy();
    Ok(down)
}

async fn by_wire(stage: &Stage, traffic: Traffic) -> Result<Duration, Failure> {
    let net = Netns::wired()?;
    let (sink, sender) = stage
        .wired(&net, Guard::Nothing, traffic.settings())
        .await?;
    sink.has_handled(500).await?;
    let start = now_ns();
    net.set_wire(Wire::Pulled)?;
    let down = both_down(stage, &sender, &sink, start).await?;
    net.set_wire(Wire::Plugged)?;
    end(stage, sender, sink, traffic).await?;
    Ok(down)
}

/// How long it took until both sides knew.
pub(super) async fn both_down(
    stage: &Stage,
    one: &Child,
    other: &Child,
    start: u64,
) -> Result<Duration, Failure> {
    let mut last = Duration::ZERO;
    for child in [one, other] {
        let down = child.reports(Event::PeerDown).await?.value;
        last = last.max(Duration::from_nanos(down.saturating_sub(start)));
    }
    stage.within(DOWN_WITHIN, last, "the peer was down")?;
    Ok(last)
}

/// Messages flow again where there are any; then both end.
async fn end(stage: &Stage, sender: Child, sink: Child, traffic: Traffic) -> Result<(), Failure> {
    if traffic == Traffic::Busy {
        let (start, handled) = (time::Instant::now(), sink.count(Event::Handled));
        sender.reports_times(Event::Linked, 2).await?;
        sink.has_handled(handled + 100).await?;
        stage.within(BACK_WITHIN, start.elapsed(), "messages flowed again")?;
    }
    stage.end(sender).await?;
    stage.end(sink).await?;
    Ok(())
}
