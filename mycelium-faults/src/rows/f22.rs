//! F-22: resets at random moments.

use std::time::Duration;

use mycelium_testkit::proxy::Cut;
use rand::RngExt;
use tokio::time::{self, Instant};

use super::{Failure, Row};
use crate::{
    record::Event,
    stage::{Over, Stage},
};

pub(crate) const ROW: Row = Row {
    name: "F-22",
    about: "resets, one per second: the link comes back, nothing is repeated or reordered",
    play: |stage| Box::pin(play(stage)),
};

async fn play(stage: &Stage) -> Result<String, Failure> {
    let time = Duration::from_secs(stage.scale.pick(10, 60));
    let mut dice = stage.dice();
    let mut resets = 0;
    for over in [Over::Tcp, Over::Unix] {
        let (sink, address) = stage.sink(over, &[]).await?;
        let proxy = stage.proxy(&address).await?;
        let settings = ["rate=20000", "echoes=4", "bytes=300", "again=yes"];
        let sender = stage.sender("sender", over, &proxy.address(), &settings)?;
        sink.has_handled(1).await?;
        let start = Instant::now();
        let mut warm = None;
        while start.elapsed() < time / 2 {
            time::sleep(Duration::from_millis(dice.random_range(0..2_000))).await;
            let handled = sink.count(Event::Handled);
            proxy.cut(Cut::Reset);
            resets += 1;
            sink.has_handled(handled + 2_000).await?;
            if warm.is_none() {
                warm = Some([sender.resources()?, sink.resources()?]);
            }
        }
        let [sender_warm, sink_warm] = warm.ok_or("there are more resets")?;
        sender.returns_to(sender_warm).await?;
        sink.returns_to(sink_warm).await?;
        stage.end(sender).await?;
        stage.end(sink).await?;
    }
    let totals = stage.check()?;
    Ok(format!(
        "{resets} resets, {} handled, {} unknown",
        totals.handled, totals.unknown
    ))
}
