//! F-11: no more file descriptors.

use std::time::Duration;

use mycelium::PeerAddr;
use tokio::{net::TcpStream, time::Instant};

use super::{Failure, Row, ensure};
use crate::{
    record::Event,
    stage::{Over, Stage},
};

pub(crate) const ROW: Row = Row {
    name: "F-11",
    about: "64 file descriptors and 200 connections: accepting backs off, the old link is unharmed, a new peer links afterwards",
    play: |stage| Box::pin(play(stage)),
};

const CONNECTIONS: usize = 200;

/// How long they are held.
const HELD: Duration = Duration::from_secs(3);

/// By when a new peer works once they are gone.
const RECOVERED_WITHIN: Duration = Duration::from_secs(5);

async fn play(stage: &Stage) -> Result<String, Failure> {
    let settings = ["descriptors=64", "observes=yes"];
    let (sink, address) = stage.sink(Over::Tcp, &settings).await?;
    let PeerAddr::Tcp { host, port } = &address else {
        return Err("the sink listens over TCP".into());
    };
    let settings = ["rate=2000", "echoes=2", "observes=yes"];
    let old = stage.sender("old", Over::Tcp, &address, &settings)?;
    sink.has_handled(500).await?;
    let before = sink.resources()?;

    let mut most = 0;
    for _ in 0..stage.scale.pick(1, 10) {
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            connections.push(TcpStream::connect((host.as_str(), *port)).await?);
        }
        let start = Instant::now();
        while start.elapsed() < HELD {
            let handled = sink.count(Event::Handled);
            sink.has_handled(handled + 100).await?;
            most = most.max(sink.resources()?.descriptors);
        }
        drop(connections);
    }
    let freed = Instant::now();
    let new = stage.sender("new", Over::Tcp, &address, &["rate=2000", "observes=yes"])?;
    let life = new.reports(Event::Ready).await?.sender;
    sink.reports_where(|record| record.event == Event::Handled && record.sender == life)
        .await?;
    let recovered = freed.elapsed();
    stage.within(RECOVERED_WITHIN, recovered, "a new peer was linked")?;
    stage.end(new).await?;
    sink.returns_to(before).await?;
    let old = stage.end(old).await?;
    let sink = stage.end(sink).await?;
    ensure(old.count(Event::Linked) == 1, || {
        "the old link was lost".to_owned()
    })?;
    for log in [&old, &sink] {
        let accused = log.count(Event::Suspected);
        ensure(accused == 0, || format!("{} suspects its peer", log.name))?;
    }
    ensure(most > 60, || format!("only {most} descriptors were open"))?;
    stage.check_all_known()?;
    Ok(format!(
        "{most} descriptors open, the old link handled on, a new peer after {recovered:.1?}"
    ))
}
