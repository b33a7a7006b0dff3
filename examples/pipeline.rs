//! Reader -> processor -> writer: a slow writer holds the reader back. Run: `cargo run --bin pipeline`

use std::{
    error::Error,
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use mycelium::prelude::*;
use tokio::{sync::oneshot, time::sleep};

const LINES: u64 = 200;
const CAPACITY: NonZeroUsize = NonZeroUsize::new(4).expect("4 is not zero");

/// Two full mailboxes, a line in each actor's hands, and the one the reader waits with.
const MOST_UNDER_WAY: u64 = 2 * CAPACITY.get() as u64 + 3;

enum Flow<T> {
    Item(T),
    /// Follows the last item, through every stage.
    End,
}

/// Parses lines and passes the prices on.
struct Processor {
    writer: ActorRef<Flow<i64>>,
}

impl Actor for Processor {
    type Message = Flow<String>;

    async fn handle(&mut self, message: Flow<String>, cx: &mut Context<Self>) -> ActorResult {
        match message {
            // While the writer's mailbox is full, this one fills up in turn.
            Flow::Item(line) => self.writer.send(Flow::Item(line.trim().parse()?)).await?,
            Flow::End => {
                self.writer.send(Flow::End).await?;
                cx.stop();
            }
        }
        Ok(())
    }
}

/// Writes one price per millisecond.
struct Writer {
    written: Arc<AtomicU64>,
    sum: i64,
    done: Option<oneshot::Sender<i64>>,
}

impl Actor for Writer {
    type Message = Flow<i64>;

    async fn handle(&mut self, message: Flow<i64>, cx: &mut Context<Self>) -> ActorResult {
        match message {
            Flow::Item(price) => {
                sleep(Duration::from_millis(1)).await;
                self.sum += price;
                self.written.fetch_add(1, Ordering::Relaxed);
            }
            Flow::End => cx.stop(),
        }
        Ok(())
    }

    async fn stopped(&mut self, _reason: &StopReason) {
        if let Some(done) = self.done.take() {
            let _ = done.send(self.sum);
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let node = Node::builder("pipeline").start().await?;
    let small = SpawnOptions::default().capacity(CAPACITY);
    let written = Arc::new(AtomicU64::new(0));
    let (done, sum) = oneshot::channel();
    let writer = Writer {
        written: Arc::clone(&written),
        sum: 0,
        done: Some(done),
    };
    let writer = node.spawn_with(small.clone(), writer);
    let processor = node.spawn_with(small, Processor { writer });

    let mut most_under_way = 0;
    for line in 1..=LINES {
        // The reader is as fast as it is let: no sleep, no rate, only this await.
        processor.send(Flow::Item(format!(" {line}\n"))).await?;
        most_under_way = most_under_way.max(line - written.load(Ordering::Relaxed));
    }
    processor.send(Flow::End).await?;

    println!("sum of {LINES} prices: {}", sum.await?);
    let is_held = (CAPACITY.get() as u64..=MOST_UNDER_WAY).contains(&most_under_way);
    println!("never more than {MOST_UNDER_WAY} lines under way: {is_held}");
    Ok(node.shutdown(Duration::from_secs(5)).await?)
}
