//! F-2: the receiver is killed, on another host.
//!
//! Its outcomes without the times: `mycelium-transport/tests/lost.rs`.

use std::time::Duration;

use super::{Failure, Row, f01::kill_under_load};
use crate::{
    netns::Netns,
    stage::{Guard, Stage},
};

pub(crate) const ROW: Row = Row {
    name: "F-2",
    about: "kill -9 of a receiver over TCP between two namespaces, with TLS and without: all are told within 250 ms",
    play: |stage| Box::pin(play(stage)),
};

/// By when whoever watches, sends or asks has to know.
const TOLD_WITHIN: Duration = Duration::from_millis(250);

async fn play(stage: &Stage) -> Result<String, Failure> {
    Netns::needed()?;
    let ticks = stage.scale.pick(20_000, 200_000);
    let mut told = Vec::new();
    for guard in [Guard::Tls, Guard::Nothing] {
        let net = Netns::wired()?;
        let settings = [
            "rate=50000",
            "nevers=16",
            "echoes=2",
            "stays=yes",
            "watches=yes",
        ];
        let (sink, sender) = stage.wired(&net, guard, &settings).await?;
        let all = kill_under_load(stage, sink, sender, ticks, TOLD_WITHIN).await?;
        told.push(format!("{guard:?}: {all}"));
    }
    stage.check()?;
    Ok(told.join("; "))
}
