//! Ticks and objects over one link between two nodes.

use std::time::{Duration, Instant};

use mycelium::{Transport, prelude::*};
use tokio::{io, runtime::Runtime};

use super::{Beside, Load, Moved, Progress, Way, now_ns, runtime, tick_on};
use crate::bed::private_dir;

/// Longer than any of this takes.
const PATIENCE: Duration = Duration::from_mins(5);

/// A message of 64 bytes.
#[message]
struct Tick {
    sent_ns: u64,
    rest: [u64; 7],
}

#[message]
enum Watched {
    Tick(Tick),
    /// The latencies so far.
    Report(ReplyTo<Vec<u64>>),
}

#[derive(Default)]
struct Watcher(Vec<u64>);

impl Actor for Watcher {
    type Message = Watched;

    async fn handle(&mut self, message: Watched, _: &mut Context<Self>) -> ActorResult {
        match message {
            Watched::Tick(tick) => self.0.push(now_ns() - tick.sent_ns),
            Watched::Report(reply) => reply.send(std::mem::take(&mut self.0)),
        }
        Ok(())
    }
}

/// Ticks and objects over one link between two nodes.
///
/// # Panics
///
/// When the nodes cannot be linked.
pub fn over_a_link(way: Way, load: Load) -> Beside {
    let (here, there) = (runtime(), runtime());
    let dir = private_dir();
    let builder = |name| {
        let builder = Node::builder(name).unix(dir.path()).tcp("127.0.0.1:0");
        builder.transport(match way {
            Way::Unix => Transport::Unix,
            Way::Tcp => Transport::Tcp,
        })
    };
    let server = there.block_on(builder("server").start());
    let server = server.expect("the node starts");
    let watcher = server.spawn(Watcher::default());
    server.register("watcher", &watcher).expect("it is free");
    let client = builder("client").peer(server.addresses().remove(0));
    let client = here.block_on(client.start()).expect("the node starts");
    let watcher: ActorRef<Watched> = here
        .block_on(client.resolve("watcher"))
        .expect("it is registered");

    let progress = Progress::new(load);
    let ticks = watcher.clone();
    let ticking = tick_on(&progress, move |sent_ns| {
        let rest = [0; 7];
        let tick = Watched::Tick(Tick { sent_ns, rest });
        ticks.send_blocking(tick).expect("the watcher lives");
    });
    let moved = move_objects((&here, &client), (&there, &server), &progress);
    ticking.end();
    let ticks_ns = watcher
        .ask_blocking(PATIENCE, Watched::Report)
        .expect("the watcher lives");
    for (runtime, node) in [(&here, client), (&there, server)] {
        // Whatever is left may be killed.
        let _ = runtime.block_on(node.shutdown(PATIENCE));
    }
    Beside::new(ticks_ns, &moved)
}

fn move_objects(
    (here, client): (&Runtime, &Node),
    (there, server): (&Runtime, &Node),
    progress: &Progress,
) -> Moved {
    let start = Instant::now();
    let object_bytes = progress.load.object_bytes;
    let mut bytes = 0;
    loop {
        let (ticket, mut object) = server.expect_transfer(object_bytes);
        let taking = there.spawn(async move {
            while let Some(_part) = object.next().await? {}
            Ok::<_, mycelium::TransferError>(())
        });
        let client = client.clone();
        let object = io::repeat(7);
        let sending = async move { client.transfer(&ticket, object_bytes, object).await };
        let sent = here.block_on(here.spawn(sending)).expect("no panic");
        sent.expect("the object arrives");
        let taken = there.block_on(taking).expect("no panic");
        taken.expect("the object arrives");
        bytes += object_bytes;
        if progress.is_enough() {
            let took = start.elapsed();
            return Moved { bytes, took };
        }
    }
}
