//! F-30: large objects beside small messages on one link.
//!
//! The raw sockets are driven by tasks, like the link's: what threads that block do beside that, the
//! bench `objects` prints. The latest ticks of both are those that wait for a processor, some
//! milliseconds at a time: a p99 says something only over many of them, over as many on either side,
//! and where nobody else uses the processors. So rounds take turns, their ticks are judged together,
//! and a round that other programs disturbed does not count.

use std::{io, thread, time::Duration};

use mycelium_testkit::beside::{Beside, Load, Way, over_a_link, over_tokio_sockets};
use tokio::{task, time::Instant};

use super::{Failure, Row, Skip, ensure};
use crate::{processors::Processors, stage::Stage};

pub(crate) const ROW: Row = Row {
    name: "F-30",
    about: "256 MiB objects beside 64-byte ticks on one link: p99 of the ticks within 1.5x of the same over raw sockets",
    play: |stage| Box::pin(play(stage)),
};

/// Of each side in each round.
const LOAD: Load = Load {
    object_bytes: 256 << 20,
    ticks: 1_000,
};

/// How many times as late the ticks of a link may be.
const MOST: f64 = 1.5;

/// What others may use of the processors in a round that counts.
const OTHERS_SHARE: f64 = 0.1;

/// How long the processors are looked at before a round.
const LOOK: Duration = Duration::from_millis(100);

async fn play(stage: &Stage) -> Result<String, Failure> {
    let mut told = Vec::new();
    for way in [Way::Unix, Way::Tcp] {
        let (raw, link) = measure(stage, way).await?;
        let ratio = link.p99().div_duration_f64(raw.p99());
        ensure(ratio <= MOST || !stage.judges_times(), || {
            format!("over {way:?} p99 is {ratio:.2}x: raw sockets {raw}, link {link}")
        })?;
        let (raw, link) = (raw.p99(), link.p99());
        told.push(format!("{way:?} {link:.0?}, {ratio:.2}x of {raw:.0?}"));
    }
    let told = told.join("; ");
    Ok(format!("p99 of ticks beside that over raw sockets: {told}"))
}

/// What raw sockets do and what a link does, over all rounds that count.
async fn measure(stage: &Stage, way: Way) -> Result<(Beside, Beside), Failure> {
    let rounds = stage.scale.pick(15, 45);
    let patience = stage.scale.pick(30, 600);
    let deadline = Instant::now() + Duration::from_secs(patience);
    let (mut raw, mut link) = (Vec::new(), Vec::new());
    while raw.len() < rounds {
        if Instant::now() > deadline {
            let why = "other programs use the processors: play it where nobody else does";
            return Err(Skip(why).into());
        }
        let first = if raw.len() % 2 == 0 {
            Side::Raw
        } else {
            Side::Link
        };
        let judged = stage.judges_times();
        let round = task::spawn_blocking(move || {
            if judged && !is_quiet()? {
                return Ok(None);
            }
            let round = Round::play(way, first)?;
            Ok::<_, io::Error>(Some(round).filter(|round| !judged || round.counts()))
        });
        if let Some(round) = round.await?? {
            raw.push(round.raw);
            link.push(round.link);
        }
    }
    Ok((Beside::pooled(&raw), Beside::pooled(&link)))
}

fn is_quiet() -> io::Result<bool> {
    let before = Processors::now()?;
    thread::sleep(LOOK);
    Ok(Processors::now()?.others_share_since(&before) <= OTHERS_SHARE)
}

#[derive(Clone, Copy)]
enum Side {
    Raw,
    Link,
}

/// Both sides, one right after the other: the machine may be another one a moment later.
struct Round {
    raw: Beside,
    link: Beside,
    /// The most that others used of the processors beside one of the two.
    others_share: f64,
}

impl Round {
    fn play(way: Way, first: Side) -> io::Result<Self> {
        let raw = || watched(|| over_tokio_sockets(way, LOAD));
        let link = || watched(|| over_a_link(way, LOAD));
        let ((raw, beside_raw), (link, beside_link)) = match first {
            Side::Raw => (raw()?, link()?),
            Side::Link => {
                let link = link()?;
                (raw()?, link)
            }
        };
        let others_share = f64::max(beside_raw, beside_link);
        Ok(Self {
            raw,
            link,
            others_share,
        })
    }

    fn counts(&self) -> bool {
        self.others_share <= OTHERS_SHARE
    }
}

/// What was measured, and what others used of the processors meanwhile.
fn watched(measure: impl FnOnce() -> Beside) -> io::Result<(Beside, f64)> {
    let before = Processors::now()?;
    let measured = measure();
    let share = Processors::now()?.others_share_since(&before);
    Ok((measured, share))
}
