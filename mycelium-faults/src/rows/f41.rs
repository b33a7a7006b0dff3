//! F-41: a handler that blocks its thread.
//!
//! That it is named, without the time:
//! `mycelium-core/tests/watchdog.rs::a_handler_that_blocks_its_thread_is_named_once_and_again_when_it_goes_on`.

use std::time::Duration;

use tokio::time;

use super::{Failure, Row, ensure};
use crate::{
    record::Event,
    stage::{Over, Stage},
};

pub(crate) const ROW: Row = Row {
    name: "F-41",
    about: "a handler blocks the only thread of its runtime for 5 s: it is named within 1 s, heartbeats go on, nobody is suspected, nothing lost",
    play: |stage| Box::pin(play(stage)),
};

/// Longer than a silent peer takes to count as down.
const BLOCKED: Duration = Duration::from_secs(5);

/// By when the node has to have named the actor and its message.
const NAMED_WITHIN: Duration = Duration::from_secs(1);

async fn play(stage: &Stage) -> Result<String, Failure> {
    let mut slowest = Duration::ZERO;
    for over in [Over::Unix, Over::Tcp] {
        let blocks = format!("blocks_ms={}", BLOCKED.as_millis());
        let settings = ["workers=1", "blocks_at=1000", &blocks, "observes=yes"];
        let (sink, address) = stage.sink(over, &settings).await?;
        // More than the kernels take while nobody reads, within the window.
        let settings = ["rate=5000", "bytes=800", "observes=yes"];
        let sender = stage.sender("sender", over, &address, &settings)?;
        sink.has_handled(1_000).await?;
        let blocks = sink.reports(Event::Blocks).await?.value;
        let named = sink.reports(Event::Named).await?.value;
        let named = Duration::from_nanos(named.saturating_sub(blocks));
        stage.within(NAMED_WITHIN, named, "the handler was named")?;
        slowest = slowest.max(named);
        time::sleep(BLOCKED / 2).await;
        let handled = sink.count(Event::Handled);
        ensure(handled <= 1_000, || {
            format!("it is not blocked: {handled} are handled")
        })?;
        sink.has_handled(5_000).await?;
        stage.end_in_peace(sender, sink).await?;
    }
    let totals = stage.check_all_known()?;
    Ok(format!(
        "blocked {} s over each, named after {slowest:.1?}, {} handled, nobody suspected",
        BLOCKED.as_secs(),
        totals.handled
    ))
}
