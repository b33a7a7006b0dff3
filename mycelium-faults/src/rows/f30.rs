//! F-30: large objects beside small messages on one link.
//!
//! The raw sockets are driven by tasks, like the link's: what threads that block do beside that, the
//! bench `objects` prints.

use mycelium_testkit::beside::{Beside, Way, over_a_link, over_tokio_sockets};
use tokio::task;

use super::{Failure, Row, ensure};
use crate::stage::Stage;

pub(crate) const ROW: Row = Row {
    name: "F-30",
    about: "256 MiB objects beside 64-byte ticks on one link: p99 of the ticks within 1.5x of the same over raw sockets",
    play: |stage| Box::pin(play(stage)),
};

const OBJECT_BYTES: u64 = 256 << 20;

/// How many times as late the ticks of a link may be.
const MOST: f64 = 1.5;

async fn play(stage: &Stage) -> Result<String, Failure> {
    let rounds = stage.scale.pick(15, 45);
    let mut told = Vec::new();
    for way in [Way::Unix, Way::Tcp] {
        let mut ratios = Vec::new();
        for _ in 0..rounds {
            // In turns: the machine may be busier now than a moment ago.
            let both = move || {
                let raw = over_tokio_sockets(way, OBJECT_BYTES);
                (raw, over_a_link(way, OBJECT_BYTES))
            };
            let (raw, link) = task::spawn_blocking(both).await?;
            ratios.push(ratio(&link, &raw));
        }
        ratios.sort_by(f64::total_cmp);
        let median = ratios[ratios.len() / 2];
        ensure(median <= MOST || !stage.judges_times(), || {
            format!("over {way:?} the p99 of ticks is {median:.2}x that over raw sockets")
        })?;
        told.push(format!("{way:?} {median:.2}x"));
    }
    let told = told.join(", ");
    Ok(format!(
        "p99 of ticks {told} of that over raw sockets, median of {rounds}"
    ))
}

fn ratio(link: &Beside, raw: &Beside) -> f64 {
    link.p99().div_duration_f64(raw.p99())
}
