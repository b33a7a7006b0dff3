//! Bytes that are too many for a message: a snapshot that one node pulls from another, beside the messages. Run:
//! `cargo run --bin object`
//!
//! The receiver gives a ticket out, in a message; whoever gets it sends the object to it. Messages pass meanwhile, and a
//! receiver that takes its time slows its sender only.

use std::{error::Error, time::Duration};

use mycelium::{TransferTicket, prelude::*};

/// The longest snapshot that is taken.
const LIMIT_BYTES: u64 = 64 << 20;

#[message]
enum Archive {
    /// Sends the snapshot, and answers with its length once all of it was taken.
    Snapshot {
        to: TransferTicket,
        reply: ReplyTo<u64>,
    },
}

struct ArchiveActor {
    snapshot: Vec<u8>,
}

impl Actor for ArchiveActor {
    type Message = Archive;

    async fn handle(&mut self, message: Archive, cx: &mut Context<Self>) -> ActorResult {
        let Archive::Snapshot { to, reply } = message;
        // Any `AsyncRead` will do: a file, a socket, a slice.
        let length_bytes = self.snapshot.len() as u64;
        cx.node()
            .transfer(&to, length_bytes, &self.snapshot[..])
            .await?;
        reply.send(length_bytes);
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let archive_node = Node::builder("archive").tcp("127.0.0.1:0").start().await?;
    let snapshot = (0..5_000_000_u32).map(|at| at.to_le_bytes()[0]).collect();
    let archive = archive_node.spawn(ArchiveActor { snapshot });
    archive_node.register("archive", &archive)?;

    let address = archive_node.addresses().remove(0);
    let strategy_node = Node::builder("strategy").peer(address).start().await?;
    let archive = strategy_node.resolve::<Archive>("archive").await?;

    let (ticket, mut object) = strategy_node.expect_transfer(LIMIT_BYTES);
    let asked = tokio::spawn(async move {
        let ask = archive.ask(|reply| Archive::Snapshot { to: ticket, reply });
        ask.timeout(Duration::from_secs(30)).await
    });
    let (mut parts, mut sum) = (0, 0_u64);
    while let Some(part) = object.next().await? {
        parts += 1;
        sum += part.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    }
    let length_bytes = asked.await??;
    println!("strategy: {length_bytes} bytes in {parts} parts, which sum up to {sum}");

    for node in [strategy_node, archive_node] {
        node.shutdown(Duration::from_secs(5)).await?;
    }
    Ok(())
}
