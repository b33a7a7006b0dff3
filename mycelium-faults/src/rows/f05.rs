//! F-5: the receiver is stopped for a moment.
//!
//! Its outcomes without the times:
//! `mycelium-transport/tests/unix/liveness.rs::a_peer_that_was_stopped_for_a_moment_is_heard_again_and_loses_nothing`.

use std::time::Duration;

use tokio::time;

use super::{Failure, Row, ensure};
use crate::{
    record::Event,
    stage::{Over, Stage},
};

pub(crate) const ROW: Row = Row {
    name: "F-5",
    about: "SIGSTOP of a receiver for 1.5 s: suspected, then alive again, never declared down, nothing lost",
    play: |stage| Box::pin(play(stage)),
};

const STOPPED: Duration = Duration::from_millis(1_500);

async fn play(stage: &Stage) -> Result<String, Failure> {
    let rounds = stage.scale.pick(2, 10);
    for over in [Over::Unix, Over::Tcp] {
        let (sink, address) = stage.sink(over, &["observes=yes"]).await?;
        let settings = ["rate=5000", "echoes=2", "observes=yes"];
        let sender = stage.sender("sender", over, &address, &settings)?;
        for round in 1..=rounds {
            let handled = sink.count(Event::Handled);
            sink.has_handled(handled + 500).await?;
            sink.stop()?;
            time::sleep(STOPPED).await;
            sink.go_on()?;
            sender.reports_times(Event::Revived, round).await?;
        }
        let handled = sink.count(Event::Handled);
        sink.has_handled(handled + 500).await?;
        let sender = stage.end(sender).await?;
        let sink = stage.end(sink).await?;
        let suspected = sender.count(Event::Suspected);
        ensure(suspected == rounds, || {
            format!("suspected {suspected} times in {rounds} stops over {over:?}")
        })?;
        let linked = sender.count(Event::Linked);
        ensure(linked == 1, || {
            format!("linked {linked} times over {over:?}")
        })?;
        let accused = sink.count(Event::Suspected);
        ensure(accused == 0, || {
            format!("the one that was stopped suspects the other {accused} times")
        })?;
    }
    let totals = stage.check_all_known()?;
    Ok(format!(
        "{} stops, each suspected and revived, {} handled, none unknown",
        2 * rounds,
        totals.handled
    ))
}
