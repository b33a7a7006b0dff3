//! F-27: messages at the limit, and a header that claims 4 GiB.

use mycelium::{prelude::*, wire::FrameKind};
use mycelium_testkit::hostile::{Forged, Peer};

use super::{Failure, Row, ensure};
use crate::{
    stage::Stage,
    victim::{FRAME_TOO_LARGE, Victim, tcp},
};

pub(crate) const ROW: Row = Row {
    name: "F-27",
    about: "messages of the limit and one byte more; headers that claim up to 4 GiB: TooLarge, closed, little allocated",
    play: |stage| Box::pin(play(stage)),
};

/// The limit of an archive, by default.
const LIMIT_BYTES: usize = 1 << 20;

/// The archive of a list: its bytes, and 8 that say where and how many, aligned to 4.
const LONGEST: usize = LIMIT_BYTES - 8;

/// What one lying header may cost.
const COST_BYTES: usize = 64 << 10;

async fn play(stage: &Stage) -> Result<String, Failure> {
    at_the_limit().await?;
    let lies = stage.scale.pick(200, 2_000);
    let grown = lying_headers(lies).await?;
    Ok(format!(
        "limit-1 and limit pass, limit+1 comes back; {lies} lies cost {} KiB",
        grown >> 10
    ))
}

async fn at_the_limit() -> Result<(), Failure> {
    let there = tcp("there").start().await?;
    let mut inbox: Inbox<Vec<u8>> = there.inbox();
    there.register("bytes", &inbox.actor_ref())?;
    let here = tcp("here")
        .peer(there.addresses().remove(0))
        .start()
        .await?;
    let bytes = here.resolve::<Vec<u8>>("bytes").await?;
    for length in [LONGEST - 1, LONGEST] {
        bytes.send(vec![7; length]).await?;
        let came = inbox.recv().await?.len();
        ensure(came == length, || format!("{came} of {length} bytes came"))?;
    }
    match bytes.send(vec![7; LONGEST + 1]).await {
        Err(SendError::TooLarge { message, .. }) if message.len() == LONGEST + 1 => {}
        other => return Err(format!("a message beyond the limit: {other:?}").into()),
    }
    bytes.send(vec![8; 1]).await?;
    ensure(inbox.recv().await? == [8], || "the link is not well".into())?;
    let lost = here.links()[0].stats().unknown;
    ensure(lost == 0, || {
        format!("{lost} are unknown: the link was lost")
    })
}

/// By how many bytes the process grows, lies and their peers together.
async fn lying_headers(lies: usize) -> Result<usize, Failure> {
    let victim = Victim::start().await?;
    let code = FRAME_TOO_LARGE;
    let claims = [u32::MAX, 1 << 31, (1 << 20) + 4_096];
    for claim in claims {
        lie(&victim, claim, code).await?;
    }
    let before = resident_bytes()?;
    for turn in 0..lies {
        lie(&victim, claims[turn % claims.len()], code).await?;
    }
    let grown = resident_bytes()?.saturating_sub(before);
    victim.end().await?;
    ensure(grown <= lies * COST_BYTES, || {
        format!("{lies} lies cost {} KiB", grown >> 10)
    })?;
    Ok(grown)
}

async fn lie(victim: &Victim, claim: u32, code: u8) -> Result<(), Failure> {
    let mut peer = Peer::link(&victim.address).await;
    peer.forge(&Forged::of(FrameKind::Message).length(claim))
        .await;
    victim
        .closes(&mut peer, code, &format!("{claim} bytes"))
        .await
}

/// What the process holds in memory, by proc(5).
fn resident_bytes() -> Result<usize, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(kib.ok_or("proc(5) has no VmRSS")?.parse::<usize>()? << 10)
}
