//! Two processes of one host, linked by a Unix socket. Run: `cargo run --bin two_processes`
//!
//! The program starts itself a second time. That process keeps a counter and registers it; this
//! one finds it by name, and from there on it is an actor like any other.

use std::{
    env,
    error::Error,
    path::Path,
    process::{Stdio, id},
    time::Duration,
};

use mycelium::prelude::*;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
    sync::oneshot,
};

#[message]
enum Counter {
    Add(u64),
    Total { reply: ReplyTo<(u64, u32)> },
}

struct CounterActor {
    total: u64,
    ended: Option<oneshot::Sender<()>>,
}

impl Actor for CounterActor {
    type Message = Counter;

    async fn handle(&mut self, message: Counter, _cx: &mut Context<Self>) -> ActorResult {
        match message {
            Counter::Add(number) => self.total += number,
            Counter::Total { reply } => reply.send((self.total, id())),
        }
        Ok(())
    }

    async fn stopped(&mut self, _reason: &StopReason) {
        if let Some(ended) = self.ended.take() {
            let _ = ended.send(());
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    match env::args_os().nth(1) {
        Some(dir) => count(Path::new(&dir)).await,
        None => ask().await,
    }
}

/// The process that counts, until its counter is stopped.
async fn count(dir: &Path) -> Result<(), Box<dyn Error>> {
    let node = Node::builder("counting").unix(dir).start().await?;
    let (tell, ended) = oneshot::channel();
    let counter = CounterActor {
        total: 0,
        ended: Some(tell),
    };
    node.register("counter", &node.spawn(counter))?;
    println!("ready");
    ended.await?;
    Ok(node.shutdown(Duration::from_secs(5)).await?)
}

/// The process that asks; it starts and outlives the other.
async fn ask() -> Result<(), Box<dyn Error>> {
    let place = tempfile::tempdir()?;
    // Made by whichever node is first, for its user alone.
    let dir = place.path().join("nodes");
    let mut other = Command::new(env::current_exe()?)
        .arg(&dir)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let ready = other.stdout.take().ok_or("its output is ours")?;
    BufReader::new(ready).read_line(&mut String::new()).await?;

    let node = Node::builder("asking")
        .unix(&dir)
        .peer(PeerAddr::unix(&dir, "counting"))
        .start()
        .await?;
    let counter = node.resolve::<Counter>("counter").await?;
    println!("linked by Unix: {}", matches!(counter, ActorRef::Unix(_)));
    for number in 1..=1_000 {
        counter.send(Counter::Add(number)).await?;
    }
    let (total, pid) = counter.ask(|reply| Counter::Total { reply }).await?;
    println!("total: {total}, from another process: {}", pid != id());

    counter.stop();
    println!("the other process ended: {}", other.wait().await?);
    Ok(node.shutdown(Duration::from_secs(5)).await?)
}
