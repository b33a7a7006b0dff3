//! F-36: a handshake that was recorded is played again.

use std::{sync::Arc, time::Duration};

use mycelium::prelude::*;
use mycelium_testkit::hostile::Peer;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy, split},
    net::{TcpListener, TcpStream},
    sync::watch,
    time,
};

use super::{Failure, Row, ensure, fail};
use crate::{
    packet::Packet,
    stage::Stage,
    victim::{REPLAYED, Victim, tcp},
};

pub(crate) const ROW: Row = Row {
    name: "F-36",
    about: "the captured bytes of an honest node's connection are played again, while it lives and after: refused, nothing handled",
    play: |stage| Box::pin(play(stage)),
};

const PATIENCE: Duration = Duration::from_secs(20);

async fn play(stage: &Stage) -> Result<String, Failure> {
    let rounds = stage.scale.pick(20, 200);
    let victim = Victim::start().await?;
    let (captured, tapped) = capture(&victim).await?;
    ensure(captured.len() > 256, || {
        format!("only {} bytes were captured", captured.len())
    })?;
    let handled = *victim.ticks.borrow();
    for round in 0..rounds {
        if round == rounds / 2 {
            tapped.shutdown(PATIENCE).await?;
        }
        let mut replayed = Peer::dial(&victim.address).await;
        replayed.write(&captured).await;
        let closed = replayed.hear_close().await.map(|closed| closed.code);
        // Over TCP a reset may overtake the reason, with what follows the handshake unread.
        ensure(closed.is_none_or(|code| code == REPLAYED), || {
            format!("a replay is closed with {closed:?}")
        })?;
        victim.is_well().await?;
    }
    let ticks = *victim.ticks.borrow();
    ensure(ticks == handled, || {
        format!("{} replayed ticks were handled", ticks - handled)
    })?;
    // With the handshake alone nothing overtakes the reason.
    let mut replayed = Peer::dial(&victim.address).await;
    replayed
        .write(&captured[..handshake_bytes(&captured)])
        .await;
    victim.closes(&mut replayed, REPLAYED, "a record").await?;
    victim.end().await?;
    Ok(format!(
        "{rounds} replays of {} captured bytes refused",
        captured.len()
    ))
}

/// What a node wrote that linked to the victim and sent it ticks; the node lives on.
async fn capture(victim: &Victim) -> Result<(Vec<u8>, Node), Failure> {
    let PeerAddr::Tcp { host, port } = victim.address.clone() else {
        return Err(fail("the victim listens over TCP"));
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("tcp:{}", listener.local_addr()?).parse()?;
    let (tape, heard) = watch::channel(Vec::new());
    let tape = Arc::new(tape);
    tokio::spawn(async move {
        let (near, _) = listener.accept().await?;
        let far = TcpStream::connect((host.as_str(), port)).await?;
        let ((near_in, near_out), (far_in, far_out)) = (split(near), split(far));
        tokio::try_join!(record(near_in, far_out, &tape), back(far_in, near_out))
    });
    let node = tcp("tapped").peer(address).start().await?;
    let echo: ActorRef<Packet> = node.wait_for("echo", PATIENCE).await?;
    let before = *victim.ticks.borrow();
    for sequence in 1..=10 {
        echo.send(Packet::tick(0, sequence, 64)).await?;
    }
    let mut ticks = victim.ticks.clone();
    time::timeout(PATIENCE, ticks.wait_for(|ticks| *ticks == before + 10)).await??;
    let captured = heard.borrow().clone();
    Ok((captured, node))
}

async fn record(
    mut from: impl tokio::io::AsyncRead + Unpin,
    mut to: impl tokio::io::AsyncWrite + Unpin,
    tape: &watch::Sender<Vec<u8>>,
) -> std::io::Result<()> {
    let mut bytes = vec![0; 16 << 10];
    loop {
        let read = from.read(&mut bytes).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        tape.send_modify(|tape| tape.extend_from_slice(&bytes[..read]));
        to.write_all(&bytes[..read]).await?;
    }
}

async fn back(
    mut from: impl tokio::io::AsyncRead + Unpin,
    mut to: impl tokio::io::AsyncWrite + Unpin,
) -> std::io::Result<()> {
    copy(&mut from, &mut to).await.map(drop)
}

/// Where the second frame of a record ends: its `Hello` and its `Confirm`.
fn handshake_bytes(record: &[u8]) -> usize {
    let mut end = 0;
    for _ in 0..2 {
        let length = record[end..end + 4].try_into().expect("four bytes");
        end += (u32::from_le_bytes(length) as usize).next_multiple_of(16);
    }
    end
}
