//! Large messages that are never copied, here and across a link. Run: `cargo run --bin zero_copy`
//!
//! `Shared<T>`: one allocation however many actors of a process are sent it. `handle_archived`: a
//! message of another node is read where it lies in the receive buffer. `Payload`: bytes that are
//! kept as a slice of that buffer.

use std::{error::Error, time::Duration};

use mycelium::{Transport, prelude::*};

/// The state of a book, for many receivers.
#[message]
struct Snapshot {
    levels: Shared<Levels>,
    /// What the exchange sent, as it came.
    raw: Payload,
}

#[message]
#[derive(Debug)]
struct Levels {
    bids: Vec<i64>,
    asks: Vec<i64>,
}

/// What a receiver tells of the snapshot it was sent.
struct Receipt {
    from: &'static str,
    best_bid: i64,
    raw: Payload,
    levels: Option<Shared<Levels>>,
}

struct Receiver {
    receipts: ActorRef<Receipt>,
}

impl Actor for Receiver {
    type Message = Snapshot;

    /// A snapshot of this process: its levels are shared with all other receivers.
    async fn handle(&mut self, snapshot: Snapshot, _cx: &mut Context<Self>) -> ActorResult {
        let receipt = Receipt {
            from: "this process",
            best_bid: snapshot.levels.bids[0],
            raw: snapshot.raw,
            levels: Some(snapshot.levels),
        };
        Ok(self.receipts.send(receipt).await?)
    }

    /// A snapshot of another node: only what is needed is looked at, in place.
    async fn handle_archived(
        &mut self,
        snapshot: Archived<Snapshot>,
        _cx: &mut Context<Self>,
    ) -> ActorResult {
        let receipt = Receipt {
            from: "another node",
            best_bid: snapshot.view().levels.bids[0].to_native(),
            raw: snapshot.decode().raw,
            levels: None,
        };
        Ok(self.receipts.send(receipt).await?)
    }
}

fn snapshot() -> Snapshot {
    Snapshot {
        levels: Shared::new(Levels {
            bids: (0..1_000).map(|level| 5_853_300 - level).collect(),
            asks: (0..1_000).map(|level| 5_853_400 + level).collect(),
        }),
        raw: vec![7; 64 * 1024].into(),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let here = Node::builder("here")
        .transport(Transport::Memory)
        .start()
        .await?;
    let there = Node::builder("there")
        .transport(Transport::Memory)
        .peer("memory:here".parse()?)
        .start()
        .await?;
    let mut receipts = here.inbox::<Receipt>();
    let receiver = || Receiver {
        receipts: receipts.actor_ref(),
    };
    let receivers = [here.spawn(receiver()), here.spawn(receiver())];
    here.register("receiver", &receivers[0])?;
    let from_afar = there.resolve::<Snapshot>("receiver").await?;

    let sent = snapshot();
    for receiver in &receivers {
        let (levels, raw) = (sent.levels.clone(), sent.raw.clone());
        receiver.send(Snapshot { levels, raw }).await?;
    }
    for _ in &receivers {
        let receipt = receipts.recv().await?;
        let is_same = receipt
            .levels
            .is_some_and(|levels| Shared::is_same(&levels, &sent.levels));
        println!(
            "{}: best bid {}, the very levels that were sent: {is_same}",
            receipt.from, receipt.best_bid
        );
    }

    from_afar.send(snapshot()).await?;
    let receipt = receipts.recv().await?;
    println!(
        "{}: best bid {}, {} raw bytes",
        receipt.from,
        receipt.best_bid,
        receipt.raw.len()
    );

    there.shutdown(Duration::from_secs(5)).await?;
    Ok(here.shutdown(Duration::from_secs(5)).await?)
}
