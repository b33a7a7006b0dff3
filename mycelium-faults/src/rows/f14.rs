//! F-14: a node is killed and started again and again.

use super::{Failure, Row, ensure};
use crate::{
    record::Event,
    stage::{Over, Stage},
};

pub(crate) const ROW: Row = Row {
    name: "F-14",
    about: "kill -9 and start again, the socket left behind: it binds again, and never takes a live one's place",
    play: |stage| Box::pin(play(stage)),
};

/// After so many the buffers that are kept have been made.
const WARM_LIVES: usize = 5;

async fn play(stage: &Stage) -> Result<String, Failure> {
    let lives = stage.scale.pick(20, 100);
    let (mut sink, address) = stage.sink(Over::Unix, &[]).await?;
    let settings = ["again=yes", "rate=20000", "echoes=1"];
    let sender = stage.sender("sender", Over::Unix, &address, &settings)?;
    let mut warm = None;
    for life in 1..lives {
        sink.has_handled(100).await?;
        let second = stage.claimant("sink", Over::Unix)?;
        second.reports(Event::Duplicate).await?;
        stage.end(second).await?;
        let handled = sink.count(Event::Handled);
        sink.has_handled(handled + 100).await?;

        sink.kill()?;
        let socket = stage.dir().join("sink.sock");
        stage.end(sink).await?;
        ensure(socket.exists(), || "the socket is gone".to_owned())?;
        sink = stage.sink(Over::Unix, &[]).await?.0;
        if life == WARM_LIVES {
            sink.has_handled(100).await?;
            warm = Some(sender.resources()?);
        }
    }
    sink.has_handled(100).await?;
    sender
        .returns_to(warm.ok_or("there are more lives")?)
        .await?;
    let sender = stage.end(sender).await?;
    stage.end(sink).await?;
    let linked = sender.count(Event::Linked);
    ensure(linked >= lives, || format!("{linked} of {lives} were met"))?;
    let totals = stage.check()?;
    Ok(format!(
        "{lives} lives met, {} handled, {} unknown",
        totals.handled, totals.unknown
    ))
}
