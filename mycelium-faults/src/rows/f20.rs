//! F-20: a network that loses packets.

use std::time::Duration;

use tokio::time;

use super::{Failure, Row, ensure};
use crate::{
    netns::Netns,
    packet_loss::PacketLoss,
    record::Event,
    stage::{Guard, Stage},
};

pub(crate) const ROW: Row = Row {
    name: "F-20",
    about: "1 %, 5 % and 30 % of the packets between two namespaces get lost: no false death up to 5 %, and afterwards messages flow",
    play: |stage| Box::pin(play(stage)),
};

/// Of a hundred packets, how many may get lost before a link may be given up.
const HARMLESS_PERCENT: u32 = 5;

async fn play(stage: &Stage) -> Result<String, Failure> {
    PacketLoss::needed()?;
    let mut said = Vec::new();
    for percent in [1, HARMLESS_PERCENT, 30] {
        said.push(lose(stage, percent).await?);
    }
    let totals = stage.check()?;
    Ok(format!(
        "{}; {} handled, {} unknown",
        said.join(", "),
        totals.handled,
        totals.unknown
    ))
}

async fn lose(stage: &Stage, percent: u32) -> Result<String, Failure> {
    let watched = Duration::from_secs(stage.scale.pick(5, 60));
    let net = Netns::wired()?;
    let settings = ["rate=2000", "echoes=4", "again=yes", "observes=yes"];
    let (sink, sender) = stage.wired(&net, Guard::Nothing, &settings).await?;
    sink.has_handled(500).await?;
    let loss = PacketLoss::begin(&net, percent)?;
    time::sleep(watched).await;
    let lost = loss.packets()?;
    drop(loss);
    let handled = sink.count(Event::Handled);
    sink.has_handled(handled + 1_000).await?;
    // Before they end: whose peer has shut down counts it as down, as it should.
    let both = |event| sender.count(event) + sink.count(event);
    let (deaths, suspicions) = (both(Event::PeerDown), both(Event::Suspected));
    let linked = sender.count(Event::Linked);

    stage.end(sender).await?;
    stage.end(sink).await?;
    ensure(lost > 0, || format!("no packet was lost of {percent} %"))?;
    ensure(
        percent > HARMLESS_PERCENT || (deaths == 0 && linked == 1),
        || format!("at {percent} %: {deaths} deaths, linked {linked} times"),
    )?;
    Ok(format!(
        "{percent} %: {lost} packets lost, {deaths} deaths, {suspicions} suspicions"
    ))
}
