//! F-33: archives that are none.

use mycelium::wire::FrameKind;
use mycelium_testkit::hostile::{Forged, Peer};
use rand::RngExt;

use super::{Failure, Row, ensure};
use crate::{
    stage::Stage,
    victim::{CORRUPT, Victim, bind, resolve},
};

pub(crate) const ROW: Row = Row {
    name: "F-33",
    about: "archives that claim huge lengths, point into nowhere or nest 200,000 deep: Corrupt, never an abort",
    play: |stage| Box::pin(play(stage)),
};

async fn play(stage: &Stage) -> Result<String, Failure> {
    let random = stage.scale.pick(100, 2_000);
    let mut dice = stage.dice();
    let victim = Victim::start().await?;
    let mut archives: Vec<Vec<u8>> = (0..random)
        .map(|_| {
            let words = dice.random_range(1..64);
            // Above every discriminant, so that no chance makes it a message.
            (0..words * 8)
                .map(|_| dice.random_range(128..=255))
                .collect()
        })
        .collect();
    // A tick whose list claims 4 GiB, one that points before the archive, one at itself.
    for (offset, length) in [(0, u32::MAX), (i32::MIN, 1), (0, 1 << 20), (-1, 1 << 30)] {
        archives.push(forged_tick(offset, length));
    }
    // What a tree of depth 200,000 looks like: each word points to the one before it.
    archives.push((-4_i32).to_le_bytes().repeat(200_000));
    let count = archives.len();
    for archive in archives {
        let case = format!("{} bytes", archive.len());
        let mut peer = Peer::link(&victim.address).await;
        let actor = resolve(&mut peer, "echo").await?;
        peer.forge(&bind(&actor, 0, actor.fingerprint)).await;
        let frame = Forged::of(FrameKind::Message).sequence(1);
        for part in frame.payload(archive).in_fragments() {
            peer.forge(&part).await;
        }
        victim.closes(&mut peer, CORRUPT, &case).await?;
    }
    let ticks = *victim.ticks.borrow();
    ensure(ticks == 0, || format!("{ticks} of them were handled"))?;
    victim.end().await?;
    Ok(format!("{count} archives refused"))
}

/// A tick's archive, by its layout: what it is, sender, sequence, and where its list lies.
fn forged_tick(offset: i32, length: u32) -> Vec<u8> {
    let mut archive = vec![0; 24];
    archive.extend_from_slice(&offset.to_le_bytes());
    archive.extend_from_slice(&length.to_le_bytes());
    archive
}
