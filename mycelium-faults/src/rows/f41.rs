//! F-41: a handler that blocks its thread.

use std::time::Duration;

use tokio::time;

use super::{Failure, Row, ensure};
use crate::{
    record::Event,
    stage::{Over, Stage},
};

pub(crate) const ROW: Row = Row {
    name: "F-41",
    about: "a handler blocks the only thread of its runtime for 5 s: heartbeats go on, nobody is suspected, nothing lost",
    play: |stage| Box::pin(play(stage)),
};

/// Longer than a silent peer takes to count as down.
const BLOCKED: Duration = Duration::from_secs(5);

async fn play(stage: &Stage) -> Result<String, Failure> {
    for over in [Over::Unix, Over::Tcp] {
        let blocks = format!("blocks_ms={}", BLOCKED.as_millis());
        let settings = ["workers=1", "blocks_at=1000", &blocks, "observes=yes"];
        let (sink, address) = stage.sink(over, &settings).await?;
        let settings = ["rate=5000", "observes=yes"];
        let sender = stage.sender("sender", over, &address, &settings)?;
        sink.has_handled(1_000).await?;
        time::sleep(BLOCKED / 2).await;
        let handled = sink.count(Event::Handled);
        ensure(handled <= 1_000, || {
            format!("it is not blocked: {handled} are handled")
        })?;
        sink.has_handled(5_000).await?;
        let sender = stage.end(sender).await?;
        let sink = stage.end(sink).await?;
        for log in [&sender, &sink] {
            log.accuses_nobody()?;
        }
        let linked = sender.count(Event::Linked);
        ensure(linked == 1, || format!("linked {linked} times"))?;
    }
    let totals = stage.check()?;
    ensure(totals.unknown == 0, || {
        format!("{} are unknown", totals.unknown)
    })?;
    Ok(format!(
        "blocked {} s over each, {} handled, nobody suspected",
        BLOCKED.as_secs(),
        totals.handled
    ))
}
