//! F-35: sockets that say nothing, or one byte a second.

use std::time::Duration;

use mycelium::prelude::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::{self, Instant},
};

use super::{Failure, Row, ensure};
use crate::{
    packet::Packet,
    stage::{Over, Stage},
    victim::tcp,
};

pub(crate) const ROW: Row = Row {
    name: "F-35",
    about: "1,000 sockets that say nothing or one byte a second: closed at the handshake's deadline, real peers link at once",
    play: |stage| Box::pin(play(stage)),
};

const SOCKETS: usize = 1_000;

/// What one of them may cost the node.
const COST_BYTES: usize = 8 << 10;

/// The handshake's deadline, with what a busy machine adds.
const CLOSED_WITHIN: Duration = Duration::from_secs(5);

/// By when a real peer is linked, among all those.
const LINKED_WITHIN: Duration = Duration::from_secs(2);

async fn play(stage: &Stage) -> Result<String, Failure> {
    let (sink, address) = stage.sink(Over::Tcp, &[]).await?;
    let PeerAddr::Tcp { host, port } = address.clone() else {
        return Err("the sink listens over TCP".into());
    };
    let before = sink.resources()?;
    let start = Instant::now();
    let mut sockets = JoinSet::new();
    for number in 0..SOCKETS {
        let socket = TcpStream::connect((host.as_str(), port)).await?;
        sockets.spawn(until_closed(socket, number % 2 == 0));
    }
    let linking = Instant::now();
    let real = tcp("real").peer(address.clone()).start().await?;
    let _sink: ActorRef<Packet> = real.wait_for("sink", CLOSED_WITHIN).await?;
    let linked = linking.elapsed();
    stage.within(LINKED_WITHIN, linked, "a real peer was linked")?;
    let most = sink.resources()?.most_resident_bytes;
    let grown = most.saturating_sub(before.most_resident_bytes);
    ensure(grown <= SOCKETS * COST_BYTES, || {
        format!("{SOCKETS} sockets cost {} KiB", grown >> 10)
    })?;
    let all = time::timeout(CLOSED_WITHIN, async {
        while sockets.join_next().await.is_some() {}
    });
    ensure(all.await.is_ok(), || {
        format!("{} sockets are open after {CLOSED_WITHIN:?}", sockets.len())
    })?;
    let closed = start.elapsed();
    real.shutdown(CLOSED_WITHIN).await?;
    sink.returns_to(before).await?;
    stage.end(sink).await?;
    stage.check()?;
    Ok(format!(
        "{SOCKETS} closed after {closed:.1?}, {} KiB in all, a real peer linked after {linked:.1?}",
        grown >> 10
    ))
}

/// Holds a socket until the node closes it.
async fn until_closed(mut socket: TcpStream, drips: bool) {
    let mut heard = [0; 4_096];
    let mut second = time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            read = socket.read(&mut heard) => {
                if matches!(read, Ok(0) | Err(_)) {
                    return;
                }
            }
            _ = second.tick(), if drips => {
                // A frame of a legal length, as far as it comes.
                if socket.write_all(&[0x21]).await.is_err() {
                    return;
                }
            }
        }
    }
}
