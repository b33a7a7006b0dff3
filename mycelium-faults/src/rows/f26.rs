//! F-26: a peer of the next version.

use std::time::Duration;

use mycelium::{
    prelude::*,
    wire::{Check, FrameKind, Limits, SendHalf, rkyv::util::AlignedVec},
};
use mycelium_testkit::{
    Reach,
    hostile::{Ambush, Forged, Peer},
};
use tokio::time;

use super::{Failure, Row, ensure};
use crate::{
    stage::Stage,
    victim::{INCOMPATIBLE, Victim, tcp},
};

pub(crate) const ROW: Row = Row {
    name: "F-26",
    about: "a peer of protocol version N+1, and of another message type: Incompatible, WrongType, no storm of redials",
    play: |stage| Box::pin(play(stage)),
};

/// How often a dialler that is refused may try in this time: its pauses grow to a second.
const WATCHED: Duration = Duration::from_secs(5);
const TRIES: u32 = 40;

async fn play(_stage: &Stage) -> Result<String, Failure> {
    let victim = Victim::start().await?;
    let mut peer = Peer::dial(&victim.address).await;
    let hello = hello_of_next_version(&peer);
    peer.forge(&hello).await;
    victim.closes(&mut peer, INCOMPATIBLE, "it dials").await?;

    let wrong = victim.other_type().await;
    ensure(matches!(wrong, Err(ResolveError::WrongType { .. })), || {
        format!("another type is found: {wrong:?}")
    })?;
    victim.end().await?;
    let tries = refused_again_and_again().await?;
    Ok(format!(
        "told both ways, {tries} tries in {} s",
        WATCHED.as_secs()
    ))
}

/// How often a node dials a peer of the next version.
async fn refused_again_and_again() -> Result<u32, Failure> {
    let ambush = Ambush::lay(Reach::Tcp, std::path::Path::new("")).await;
    let starting = tokio::spawn(tcp("dialling").peer(ambush.address()).start());
    let mut tries = 0;
    let watching = async {
        loop {
            let mut peer = ambush.accept().await;
            tries += 1;
            let hello = hello_of_next_version(&peer);
            peer.forge(&hello).await;
            let closed = peer.hear_close().await.map(|closed| closed.code);
            if closed != Some(INCOMPATIBLE) {
                return closed;
            }
        }
    };
    if let Ok(closed) = time::timeout(WATCHED, watching).await {
        return Err(format!("a peer of the next version is closed with {closed:?}").into());
    }
    let node = starting.await??;
    ensure(node.links().is_empty(), || "they are linked".to_owned())?;
    ensure(tries <= TRIES, || format!("{tries} tries"))?;
    node.shutdown(WATCHED).await?;
    Ok(tries)
}

/// What the peer would say, were it one version on.
fn hello_of_next_version(peer: &Peer) -> Forged {
    let mut half = SendHalf::new(Limits::default(), Check::None);
    half.hello(&peer.hello).expect("it is short");
    let mut frame = AlignedVec::new();
    half.poll_transmit(&mut frame);
    let length = u32::from_le_bytes([frame[0], frame[1], frame[2], frame[3]]) as usize;
    let mut payload = frame[32..length].to_vec();
    // The oldest and the newest version, after the magic.
    for version in [8, 10] {
        payload[version] += 1;
    }
    Forged::of(FrameKind::Hello).payload(payload)
}
