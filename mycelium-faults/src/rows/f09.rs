//! F-9: the wall clock jumps.
//!
//! The clock of the host is not ours to move. Two things are shown in its place: the sources read
//! the wall clock nowhere (a certificate's validity is rustls's to judge, on the wall clock as it
//! must be), so that all times are those of `Instant`, `CLOCK_MONOTONIC`; and two nodes whose clocks
//! are an hour apart, one in a time namespace, stay linked: none takes the other's time for its own.

use std::{fs, path::Path, process::Command, time::Duration};

use tokio::time;

use super::{Failure, Row, ensure};
use crate::{
    child::Child,
    record::Event,
    stage::{Over, Stage},
};

pub(crate) const ROW: Row = Row {
    name: "F-9",
    about: "clocks an hour apart, and no wall clock in the sources: no timer moves",
    play: |stage| Box::pin(play(stage)),
};

/// What would read the wall clock.
const WALL_CLOCKS: [&str; 5] = [
    "SystemTime",
    "UNIX_EPOCH",
    "ClockId::Realtime",
    "CLOCK_REALTIME",
    "chrono::",
];

/// The crates that run in a node.
const CRATES: [&str; 5] = [
    "mycelium",
    "mycelium-core",
    "mycelium-registry",
    "mycelium-transport",
    "mycelium-wire",
];

/// Longer than a silent peer takes to count as down.
const WATCHED: Duration = Duration::from_secs(4);

async fn play(stage: &Stage) -> Result<String, Failure> {
    let read = without_wall_clock()?;
    let apart = an_hour_apart(stage).await?;
    Ok(format!("{read} files read no wall clock; {apart}"))
}

/// How many files were searched.
pub(super) fn without_wall_clock() -> Result<usize, Failure> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut read = 0;
    for name in CRATES {
        search(&workspace.join(name).join("src"), &mut read)?;
    }
    ensure(read > CRATES.len(), || format!("{read} files were found"))?;
    Ok(read)
}

fn search(dir: &Path, read: &mut usize) -> Result<(), Failure> {
    for entry in fs::read_dir(dir)? {
        let place = entry?.path();
        if place.is_dir() {
            search(&place, read)?;
        } else if place.extension().is_some_and(|extension| extension == "rs") {
            *read += 1;
            let text = fs::read_to_string(&place)?;
            let found = WALL_CLOCKS.iter().find(|word| text.contains(**word));
            ensure(found.is_none(), || {
                format!("{} reads the wall clock: {found:?}", place.display())
            })?;
        }
    }
    Ok(())
}

async fn an_hour_apart(stage: &Stage) -> Result<String, Failure> {
    let mut command = Command::new("unshare");
    command.args(["--time", "--monotonic", "3600", "--fork"]);
    command.arg("--kill-child").arg("--");
    let probe = Command::new("unshare")
        .args(["--time", "--monotonic", "3600", "--fork", "true"])
        .output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        return Ok("no time namespaces here, needs root and unshare".to_owned());
    }
    command.arg(std::env::current_exe()?);
    let listens = ["tcp=127.0.0.1:0".to_owned(), "observes=yes".to_owned()];
    let sink = Child::start_by(command, "sink", "sink", &listens)?;
    let port = sink.reports(Event::Ready).await?.value;
    let address = format!("tcp:127.0.0.1:{port}").parse()?;
    let settings = ["rate=2000", "echoes=2", "observes=yes"];
    let sender = stage.sender("sender", Over::Tcp, &address, &settings)?;
    sink.has_handled(1).await?;
    time::sleep(WATCHED).await;
    let handled = sink.count(Event::Handled);
    sink.has_handled(handled + 100).await?;
    let sender = stage.end(sender).await?;
    let sink = stage.end(sink).await?;
    for log in [&sender, &sink] {
        let accused = log.count(Event::Suspected);
        ensure(accused == 0, || format!("{} accuses the other", log.name))?;
    }
    let totals = stage.check()?;
    Ok(format!("an hour apart {} handled", totals.handled))
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_source_reads_the_wall_clock() {
        super::without_wall_clock().unwrap();
    }
}
