//! F-32: a bit that flips on plain TCP.

use mycelium::wire::FrameKind;
use mycelium_testkit::{
    hostile::{Forged, Peer},
    proxy::{Faults, Flow},
};
use rand::RngExt;

use super::{Failure, Row};
use crate::{
    record::Event,
    rows::ensure,
    stage::{Over, Stage},
    victim::{CORRUPT, FRAME_TOO_LARGE, MALFORMED, Victim, bind, resolve},
};

pub(crate) const ROW: Row = Row {
    name: "F-32",
    about: "one bit of one of a thousand frames flips on plain TCP, lengths included: closed, no wrong payload is handled",
    play: |stage| Box::pin(play(stage)),
};

/// With its header, and so that a window of them is longer than any length that a flip can claim.
const TICK_BYTES: u64 = 2_000;

/// The longest frame that a node waits for.
const LONGEST_WAIT_BYTES: usize = (1 << 20) + 32;

async fn play(stage: &Stage) -> Result<String, Failure> {
    told_as_corrupt(stage).await?;
    lengths_that_lie().await?;
    let flips = stage.scale.pick(15, 200);
    let mut dice = stage.dice();
    let (sink, address) = stage.sink(Over::Tcp, &[]).await?;
    let proxy = stage.proxy(&address).await?;
    let bytes = format!("bytes={TICK_BYTES}");
    let settings = [&bytes, "again=yes", "rate=20000", "tcp="];
    let sender = stage.sender("sender", Over::Tcp, &proxy.address(), &settings)?;
    for _ in 0..flips {
        let handled = sink.count(Event::Handled);
        sink.has_handled(handled + 200).await?;
        let accepted = proxy.accepted();
        let within = dice.random_range(0..1_000 * TICK_BYTES);
        let at = proxy.passed_bytes(Flow::There) + (64 << 10) + within;
        proxy.impose(
            Flow::There,
            Faults::default().flip(at, dice.random_range(0..8)),
        );
        proxy.accepts_more_than(accepted).await;
    }
    let handled = sink.count(Event::Handled);
    sink.has_handled(handled + 200).await?;
    stage.end(sender).await?;
    stage.end(sink).await?;
    let totals = stage.check()?;
    Ok(format!(
        "{flips} flips and 32 of a length, as many links closed, {} handled whole, {} unknown",
        totals.handled, totals.unknown
    ))
}

/// Every bit of a frame but those of its length, and what the node says.
async fn told_as_corrupt(stage: &Stage) -> Result<(), Failure> {
    let mut dice = stage.dice();
    let victim = Victim::start().await?;
    for _ in 0..stage.scale.pick(20, 200) {
        let mut peer = Peer::link(&victim.address).await;
        let actor = resolve(&mut peer, "echo").await?;
        peer.forge(&bind(&actor, 0, actor.fingerprint)).await;
        let frame = Forged::of(FrameKind::Message).sequence(1);
        let mut frame = frame.payload(vec![0; 256]).sealed(peer.check());
        let (at, bit) = (dice.random_range(24..28), dice.random_range(0..8));
        let at = if dice.random() {
            at
        } else {
            dice.random_range(32..288)
        };
        frame[at] ^= 1 << bit;
        peer.write(&frame).await;
        let case = format!("bit {bit} of byte {at}");
        victim.closes(&mut peer, CORRUPT, &case).await?;
    }
    let ticks = *victim.ticks.borrow();
    ensure(ticks == 0, || {
        format!("{ticks} corrupt messages were handled")
    })?;
    victim.end().await
}

/// Every bit of a frame's length. What follows is as long as the length claims, where that is waited
/// for, so that each is found out: by its size, by what it leaves for a header, or by the check.
async fn lengths_that_lie() -> Result<(), Failure> {
    let victim = Victim::start().await?;
    for bit in 0..32 {
        let mut peer = Peer::link(&victim.address).await;
        let actor = resolve(&mut peer, "echo").await?;
        peer.forge(&bind(&actor, 0, actor.fingerprint)).await;
        let frame = Forged::of(FrameKind::Message).sequence(1);
        let mut frame = frame.payload(vec![0; 256]).sealed(peer.check());
        frame[bit / 8] ^= 1 << (bit % 8);
        let claimed = u32::from_le_bytes([frame[0], frame[1], frame[2], frame[3]]) as usize;
        if claimed <= LONGEST_WAIT_BYTES {
            let padded = claimed.next_multiple_of(16);
            frame.resize(padded.max(frame.len()), 0);
        }
        peer.write(&frame).await;
        let closed = peer.hear_close().await.map(|closed| closed.code);
        // A reset may overtake the reason, with so much unread.
        let is_fault = |code| [CORRUPT, FRAME_TOO_LARGE, MALFORMED].contains(&code);
        ensure(closed.is_none_or(is_fault), || {
            format!("bit {bit} of the length: closed with {closed:?}")
        })?;
        victim.is_well().await?;
    }
    let ticks = *victim.ticks.borrow();
    ensure(ticks == 0, || format!("{ticks} ticks were handled"))?;
    victim.end().await
}
