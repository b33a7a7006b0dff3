//! F-34: a message of one type for an actor of another.

use mycelium::wire::{EndReason, Event, FrameKind};
use mycelium_testkit::hostile::{Forged, Peer};

use super::{Failure, Row, ensure};
use crate::{
    stage::Stage,
    victim::{Victim, bind, resolve},
};

pub(crate) const ROW: Row = Row {
    name: "F-34",
    about: "bytes of one type for an actor of another: refused by fingerprint, before they are viewed",
    play: |stage| Box::pin(play(stage)),
};

async fn play(stage: &Stage) -> Result<String, Failure> {
    let rounds = stage.scale.pick(50, 500);
    let victim = Victim::start().await?;
    for round in 1..=rounds {
        let mut peer = Peer::link(&victim.address).await;
        let actor = resolve(&mut peer, "echo").await?;
        peer.forge(&bind(&actor, 0, actor.fingerprint ^ round))
            .await;
        // Were it viewed, the link would close: it is no archive of any type.
        let frame = Forged::of(FrameKind::Message).sequence(1);
        peer.forge(&frame.payload(vec![0xff; 64])).await;
        let reason = peer
            .hear_until(|event| match event {
                Event::Ended { reason, .. } => Some(reason),
                _ => None,
            })
            .await;
        ensure(matches!(reason, EndReason::WrongType { .. }), || {
            format!("refused otherwise: {reason:?}")
        })?;
        // The link lives on.
        resolve(&mut peer, "echo").await?;
    }
    victim.end().await?;
    Ok(format!("{rounds} refused, their links live on"))
}
