//! F-23: bytes that arrive one by one, or all together.

use mycelium_testkit::proxy::{Faults, Pass};

use super::{Failure, Row, ensure};
use crate::{
    record::Event,
    stage::{Over, Stage},
};

pub(crate) const ROW: Row = Row {
    name: "F-23",
    about: "a proxy writes byte by byte, or a thousand frames at once: the same ledger as without it",
    play: |stage| Box::pin(play(stage)),
};

/// More than a thousand frames of a tick.
const GLUED_BYTES: usize = 192 << 10;

async fn play(stage: &Stage) -> Result<String, Failure> {
    let ticks = stage.scale.pick(3_000, 30_000);
    let passes = [
        Pass::Plain,
        Pass::Sliced { bytes: 1 },
        Pass::Glued { bytes: GLUED_BYTES },
    ];
    for over in [Over::Tcp, Over::Unix] {
        for pass in passes {
            ledger_through(stage, over, pass, ticks).await?;
        }
    }
    stage.check()?;
    Ok(format!("{ticks} ticks 6 times, the same ledger each time"))
}

/// Everything arrives, with nothing unknown: the one ledger that there is without a proxy.
async fn ledger_through(
    stage: &Stage,
    over: Over,
    pass: Pass,
    ticks: usize,
) -> Result<(), Failure> {
    let (sink, address) = stage.sink(over, &[]).await?;
    let proxy = stage.proxy(&address).await?;
    proxy.impose_both(&Faults::default().pass(pass));
    let count = format!("count={ticks}");
    let sender = stage.sender("sender", over, &proxy.address(), &[&count])?;
    sink.has_handled(ticks).await?;
    let sender = stage.end(sender).await?;
    let sink = stage.end(sink).await?;
    let unknown: u64 = sender.of(Event::LinkUnknown).map(|count| count.value).sum();
    let handled = sink.of(Event::Handled).map(|tick| tick.sequence);
    ensure(unknown == 0 && handled.eq(1..=ticks as u64), || {
        format!("{pass:?} over {over:?} changed the ledger")
    })?;
    // The socket's place is the next proxy's.
    drop(proxy);
    stage.free_proxy();
    Ok(())
}
