//! A trading loop on a plain thread that polls for messages. Run: `cargo run --bin inbox`
//!
//! An inbox is a mailbox without an actor: others send to it as to any actor, and the thread that
//! holds it takes the messages when it likes, without a runtime.

use std::{error::Error, hint, thread, time::Duration};

use mycelium::prelude::*;

enum Market {
    Price(i64),
    Position { reply: ReplyTo<i64> },
}

/// Buys below 100 and sells above, until the inbox is stopped.
fn trade(mut market: Inbox<Market>) -> i64 {
    let mut position = 0;
    loop {
        match market.try_recv() {
            Ok(Some(Market::Price(price))) => position += (100 - price).signum(),
            Ok(Some(Market::Position { reply })) => reply.send(position),
            // An empty look costs one load: this thread may poll for ever.
            Ok(None) => hint::spin_loop(),
            Err(_stopped) => return position,
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let node = Node::builder("trading").start().await?;
    let inbox = node.inbox();
    let market: ActorRef<Market> = inbox.actor_ref();
    let trader = thread::spawn(move || trade(inbox));

    for price in [99, 98, 101, 97] {
        market.send(Market::Price(price)).await?;
    }
    let position = market.ask(|reply| Market::Position { reply }).await?;
    println!("position: {position}");

    market.send(Market::Price(150)).await?;
    // The node's end stops the inbox; the thread takes what was sent before, and ends.
    node.shutdown(Duration::from_secs(5)).await?;
    let position = trader.join().map_err(|_| "the trader panicked")?;
    println!("position at the end: {position}");
    Ok(())
}
