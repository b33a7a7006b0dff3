//! F-10: a flood at a process that may not grow.
//!
//! Its outcomes without the limit:
//! `mycelium-testkit/tests/memory.rs::a_node_grows_by_no_more_than_its_bounds_whatever_its_peers_announce_and_send`.

use std::time::Duration;

use mycelium::prelude::*;
use tokio::time;

use super::{Failure, Row, ensure, fail};
use crate::{
    packet::Packet,
    stage::{Over, Stage},
    victim::tcp,
};

pub(crate) const ROW: Row = Row {
    name: "F-10",
    about: "a memory limit of the documented bound + 20 % + 64 MiB, flooded at 10 times the bound: it lives, and senders see Full",
    play: |stage| Box::pin(play(stage)),
};

/// Senders, each with a link and a binding of its own.
const SENDERS: usize = 24;

/// The full window of a binding in bytes, and what a connection's reader holds, by
/// `docs/wire-format.md`: the frame of the longest message and 65,536 bytes, and as much again.
const BOUND_BYTES: usize = SENDERS * 2 * ((1 << 20) + 32 + 65_536);

/// What the process may have for its data.
const LIMIT_BYTES: usize = BOUND_BYTES + BOUND_BYTES / 5 + (64 << 20);

/// Of a message.
const MESSAGE_BYTES: usize = 8_000;

const PATIENCE: Duration = Duration::from_secs(20);

async fn play(stage: &Stage) -> Result<String, Failure> {
    let rounds = stage.scale.pick(1, 10);
    let limit = format!("data_bytes={LIMIT_BYTES}");
    let (sink, address) = stage.sink(Over::Tcp, &["stuck=yes", &limit]).await?;
    let (mut taken, mut full) = (0, 0);
    for _ in 0..rounds {
        let mut senders = Vec::new();
        for number in 0..SENDERS {
            let sender = tcp(&format!("flood-{number}")).peer(address.clone());
            senders.push(sender.start().await?);
        }
        for sender in &senders {
            let (now_taken, now_full) = flood(sender).await?;
            taken += now_taken;
            full += now_full;
            // An actor beside the one that is stuck answers as ever.
            let beside: ActorRef<Packet> = sender.resolve("sink").await?;
            let answer = beside.ask(|reply| Packet::Echo {
                sender: 0,
                number: 4,
                reply,
            });
            let answer = answer.timeout(PATIENCE).await?;
            ensure(answer == 4, || "another's answer".to_owned())?;
        }
        for sender in senders {
            // What the stuck actor was sent is unknown then.
            sender.shutdown(Duration::ZERO).await?;
        }
    }
    let most = sink.resources()?.most_resident_bytes;
    ensure(most <= LIMIT_BYTES, || {
        format!(
            "{} MiB were held, the limit is {}",
            most >> 20,
            LIMIT_BYTES >> 20
        )
    })?;
    ensure(full >= rounds * SENDERS, || {
        format!("only {full} sends were Full")
    })?;
    stage.end(sink).await?;
    stage.check()?;
    Ok(format!(
        "{taken} messages taken, {full} came back Full; {} MiB held at most, the limit is {} MiB",
        most >> 20,
        LIMIT_BYTES >> 20
    ))
}

/// Offers ten times what the binding's bound is, and says how many messages were taken and how many
/// came back.
async fn flood(node: &Node) -> Result<(usize, usize), Failure> {
    let stuck: ActorRef<Packet> = node.resolve("stuck").await?;
    let (mut taken, mut full) = (0, 0);
    for sequence in 0..10 * (BOUND_BYTES / SENDERS / MESSAGE_BYTES) {
        // The full window comes with the answer to the first messages.
        if sequence % 100 == 0 {
            time::sleep(Duration::from_millis(1)).await;
        }
        match stuck.try_send(Packet::tick(0, sequence as u64, MESSAGE_BYTES)) {
            Ok(()) => taken += 1,
            Err(SendError::Full(_)) => full += 1,
            Err(other) => return Err(fail(format!("a send failed with {other}"))),
        }
    }
    Ok((taken, full))
}
