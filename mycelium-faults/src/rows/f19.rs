//! F-19: a link that comes and goes.

use std::time::Duration;

use tokio::time::{self, Instant};

use super::{Failure, Row, ensure};
use crate::stage::{Over, Stage};

pub(crate) const ROW: Row = Row {
    name: "F-19",
    about: "300 ms down, 700 ms up, again and again: the link comes back each time, in few tries",
    play: |stage| Box::pin(play(stage)),
};

/// How often a dialler may knock while it is turned away for 300 ms, on average.
const TRIES_PER_LOSS: u32 = 30;

/// After so many the buffers that are kept have been made.
const WARM_LOSSES: u32 = 3;

async fn play(stage: &Stage) -> Result<String, Failure> {
    let time = Duration::from_secs(stage.scale.pick(10, 60));
    let (sink, address) = stage.sink(Over::Tcp, &[]).await?;
    let proxy = stage.proxy(&address).await?;
    let settings = ["rate=5000", "echoes=2", "again=yes"];
    let sender = stage.sender("sender", Over::Tcp, &proxy.address(), &settings)?;
    sink.has_handled(1).await?;

    let start = Instant::now();
    let mut losses = 0;
    let mut warm = None;
    while start.elapsed() < time {
        proxy.block();
        time::sleep(Duration::from_millis(300)).await;
        proxy.open();
        losses += 1;
        let handled = sink.count(crate::record::Event::Handled);
        time::sleep(Duration::from_millis(700)).await;
        // The next loss waits until there was something to lose.
        sink.has_handled(handled + 1).await?;
        if losses == WARM_LOSSES {
            warm = Some([sender.resources()?, sink.resources()?]);
        }
    }
    let [sender_warm, sink_warm] = warm.ok_or("there are more losses")?;
    sender.returns_to(sender_warm).await?;
    sink.returns_to(sink_warm).await?;
    stage.end(sender).await?;
    stage.end(sink).await?;
    let tries = proxy.accepted();
    ensure(tries <= 1 + losses * TRIES_PER_LOSS, || {
        format!("{tries} tries after {losses} losses")
    })?;
    let totals = stage.check()?;
    Ok(format!(
        "{losses} losses, {tries} tries, {} handled, {} unknown",
        totals.handled, totals.unknown
    ))
}
