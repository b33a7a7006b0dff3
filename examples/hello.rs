//! A node, an actor and a message. Run: `cargo run --bin hello`

use std::{error::Error, time::Duration};

use mycelium::prelude::*;

struct Greeter;

impl Actor for Greeter {
    type Message = String;

    async fn handle(&mut self, name: String, _cx: &mut Context<Self>) -> ActorResult {
        println!("hello, {name}");
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let node = Node::builder("hello").start().await?;
    let greeter = node.spawn(Greeter);
    greeter.send("actor".into()).await?;
    greeter.send("world".into()).await?;
    // Actors handle what they were sent before they end.
    Ok(node.shutdown(Duration::from_secs(5)).await?)
}
