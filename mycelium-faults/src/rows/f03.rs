//! F-3: senders are killed in the middle of a frame.

use std::time::Duration;

use rand::RngExt;
use tokio::time;

use super::{Failure, Row, ensure, fail};
use crate::{
    record::Event,
    stage::{Over, Stage},
};

pub(crate) const ROW: Row = Row {
    name: "F-3",
    about: "kill -9 of senders at a random byte of a frame: nothing partial is handled, links and buffers are freed",
    play: |stage| Box::pin(play(stage)),
};

/// After so many the buffers that are kept have been made.
const WARM_ROUNDS: usize = 10;

async fn play(stage: &Stage) -> Result<String, Failure> {
    let rounds = stage.scale.pick(50, 500);
    let mut dice = stage.dice();
    let (sink, address) = stage.sink(Over::Unix, &["forgets=yes"]).await?;
    let mut warm = None;
    for round in 0..rounds {
        // Above what the kernel takes at once, so that most kills tear one.
        let bytes = format!("bytes={}", dice.random_range(1_000..200_000));
        let name = format!("sender-{round}");
        let mut sender = stage.sender(&name, Over::Unix, &address, &[&bytes, "batch=4"])?;
        let me = sender.reports(Event::Ready).await?.sender;
        let is_mine =
            |record: &crate::record::Record| record.event == Event::Handled && record.sender == me;
        sink.reports_where(is_mine).await?;
        time::sleep(Duration::from_micros(dice.random_range(0..5_000))).await;
        sender.kill()?;
        stage.end(sender).await?;
        if round == WARM_ROUNDS {
            warm = Some(sink.resources()?);
        }
    }
    sink.returns_to(warm.ok_or("there are more rounds")?)
        .await?;
    let sink = stage.end(sink).await?;
    let links = sink.of(Event::Links).next().map(|links| links.value);
    ensure(links == Some(0), || format!("{links:?} links are left"))?;
    let open: Vec<_> = sink.of(Event::Descriptors).map(|open| open.value).collect();
    let [before, after] = open[..] else {
        return Err(fail("the sink has not counted its descriptors"));
    };
    ensure(after <= before, || {
        format!("{before} descriptors were open, {after} are")
    })?;
    let handled = stage.check()?.handled;
    Ok(format!(
        "{rounds} kills, {handled} handled whole, no link left"
    ))
}
