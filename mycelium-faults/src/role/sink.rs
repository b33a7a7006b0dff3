//! The sink: an actor that reports every message it handles.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use mycelium::prelude::*;
use tokio::time;

use super::{
    Failure, Script, descriptors, finish, life, pipe::Pipe, ready, watchdog::Watchdog, wish_to_end,
};
use crate::{
    clock::now_ns,
    packet::Packet,
    record::{Event, Record},
};

/// How long links of dead peers may take to be forgotten.
const FORGET: Duration = Duration::from_secs(10);

struct Sink {
    life: u64,
    pipe: Arc<Pipe>,
    kept: Vec<ReplyTo<u64>>,
    /// At which tick it blocks its thread, and how long.
    blocks: (u64, Duration),
}

impl Actor for Sink {
    type Message = Packet;

    async fn handle(&mut self, packet: Packet, _cx: &mut Context<Self>) -> ActorResult {
        match packet {
            Packet::Tick {
                sender,
                sequence,
                bytes,
            } => {
                let record = self.record(Event::Handled, sender).sequence(sequence);
                self.pipe.write(&[record.check(crc32c::crc32c(&bytes))]);
                if sequence == self.blocks.0 {
                    self.pipe
                        .write(&[Record::of(Event::Blocks).value(now_ns())]);
                    std::thread::sleep(self.blocks.1);
                }
            }
            Packet::Echo {
                sender,
                number,
                reply,
            } => {
                self.pipe.write(&[self.record(Event::OtherHandled, sender)]);
                reply.send(number);
            }
            Packet::Never { sender, reply } => {
                self.pipe.write(&[self.record(Event::OtherHandled, sender)]);
                self.kept.push(reply);
            }
        }
        Ok(())
    }
}

impl Sink {
    fn record(&self, event: Event, sender: u64) -> Record {
        Record::of(event).between(sender, self.life)
    }
}

pub(super) async fn play(script: &Script) -> Result<(), Failure> {
    let pipe = Arc::new(Pipe::open()?);
    let mut ends = wish_to_end()?;
    if script.text("blocks_at").is_some() {
        Watchdog::report_to(&pipe)?;
    }
    let Some(node) = script.start(&pipe).await? else {
        return Ok(());
    };
    serve(&node, "sink", script, &pipe)?;
    if script.text("stuck").is_some() {
        node.register("stuck", &node.spawn(Stuck))?;
    }
    ready(&node, script, &pipe);
    ends.wait_for(|ends| *ends).await?;
    if script.text("forgets").is_some() {
        report_rest(&node, &pipe).await;
    }
    finish(&node, &pipe).await
}

/// Starts the actor under a name.
pub(super) fn serve(
    node: &Node,
    name: &str,
    script: &Script,
    pipe: &Arc<Pipe>,
) -> Result<(), Failure> {
    let capacity = NonZeroUsize::new(script.number("capacity", 1_024));
    let options = SpawnOptions::default().capacity(capacity.ok_or("an actor needs room")?);
    let sink = Sink {
        life: life(node.id()),
        pipe: Arc::clone(pipe),
        kept: Vec::new(),
        blocks: (script.number("blocks_at", 0) as u64, blocks_for(script)),
    };
    node.register(name, &node.spawn_with(options, sink))?;
    Ok(())
}

fn blocks_for(script: &Script) -> Duration {
    Duration::from_millis(script.number("blocks_ms", 0) as u64)
}

/// Never handles anything.
struct Stuck;

impl Actor for Stuck {
    type Message = Packet;

    async fn started(&mut self, cx: &mut Context<Self>) -> ActorResult {
        cx.cancelled().await;
        Ok(())
    }

    async fn handle(&mut self, _packet: Packet, _cx: &mut Context<Self>) -> ActorResult {
        Ok(())
    }
}

/// What is left of peers that are gone.
async fn report_rest(node: &Node, pipe: &Pipe) {
    let forgotten = async {
        while !node.links().is_empty() {
            time::sleep(Duration::from_millis(10)).await;
        }
    };
    // What is left then is what the row is told.
    let _ = time::timeout(FORGET, forgotten).await;
    let links = node.links().len() as u64;
    pipe.write(&[Record::of(Event::Links).value(links), descriptors()]);
}
