//! F-21: a slow way, and a narrow one.

use std::time::Duration;

use mycelium_testkit::proxy::Faults;
use tokio::time;

use super::{Failure, Row};
use crate::{
    record::Event,
    stage::{Over, Stage},
};

pub(crate) const ROW: Row = Row {
    name: "F-21",
    about: "delays of 50 ms +- 50 ms, then 1 Mbit/s saturated with data: no false death, and nothing lost",
    play: |stage| Box::pin(play(stage)),
};

/// 1 Mbit/s.
const NARROW_BYTES_PER_SECOND: u64 = 125_000;

async fn play(stage: &Stage) -> Result<String, Failure> {
    let watched = Duration::from_secs(stage.scale.pick(8, 60));
    let jitter = Faults::default().jitter(Duration::from_millis(100), stage.seed);
    let narrow = Faults::default().rate(NARROW_BYTES_PER_SECOND);
    let late = ["rate=2000", "echoes=4", "observes=yes"];
    // As much as the window takes, of messages that take a while on such a way.
    let much = ["bytes=4000", "observes=yes"];
    for (faults, settings) in [(jitter, &late[..]), (narrow, &much[..])] {
        let (sink, address) = stage.sink(Over::Tcp, &["observes=yes"]).await?;
        let proxy = stage.proxy(&address).await?;
        let sender = stage.sender("sender", Over::Tcp, &proxy.address(), settings)?;
        sink.has_handled(1).await?;
        proxy.impose_both(&faults);
        time::sleep(watched).await;
        let handled = sink.count(Event::Handled);
        sink.has_handled(handled + 20).await?;
        proxy.impose_both(&Faults::default());
        stage.end_in_peace(sender, sink).await?;
    }
    let totals = stage.check_all_known()?;
    Ok(format!(
        "2 times {} s, {} handled, nobody suspected",
        watched.as_secs(),
        totals.handled
    ))
}
