//! A handler that blocks its thread is named.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows tests by their attribute, not their helpers"
)]

use std::sync::mpsc::{Receiver, Sender, channel};

use mycelium_core::{Actor, ActorResult, Context, ReplyTo};

use crate::{node::node, warnings::Warnings};

#[path = "kit/node.rs"]
mod node;
#[path = "kit/warnings.rs"]
mod warnings;

/// Blocks its thread until the test lets it go on.
struct Stuck(Receiver<()>);

enum Work {
    Block,
    Answer(ReplyTo<()>),
}

impl Actor for Stuck {
    type Message = Work;

    async fn handle(&mut self, message: Work, _cx: &mut Context<Self>) -> ActorResult {
        match message {
            Work::Block => self.0.recv()?,
            Work::Answer(reply) => reply.send(()),
        }
        Ok(())
    }
}

/// The next warning, however long that takes.
fn next(told: &Receiver<String>) -> String {
    told.recv().unwrap()
}

// The watchdog's thread knows no subscriber but that of the whole program: one test, one program.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_blocks_its_thread_is_named_once_and_again_when_it_goes_on() {
    let (tell, told): (Sender<String>, _) = channel();
    tracing::subscriber::set_global_default(Warnings::told_to(tell)).unwrap();
    let (go_on, gate) = channel();
    let node = node().await;
    let (stuck, gentle) = (node.spawn(Stuck(gate)), node.spawn(Stuck(channel().1)));

    stuck.send(Work::Block).await.unwrap();
    let blocks = next(&told);
    for part in [
        format!("actor={}", stuck.id()),
        "watchdog::Stuck\"".into(),
        "watchdog::Work\"".into(),
        "blocks its thread".into(),
        "blocked=".into(),
    ] {
        assert!(blocks.contains(&part), "{part} in {blocks}");
    }
    // What is handled elsewhere meanwhile is nobody's fault.
    gentle.ask(Work::Answer).await.unwrap();
    go_on.send(()).unwrap();
    let went_on = next(&told);
    assert!(went_on.contains("went on"), "{went_on}");
    assert!(went_on.contains("watchdog::Stuck\""), "{went_on}");

    // Once for each time.
    stuck.send(Work::Block).await.unwrap();
    assert!(next(&told).contains("blocks its thread"));
    go_on.send(()).unwrap();
    assert!(next(&told).contains("went on"));
    stuck.ask(Work::Answer).await.unwrap();
    assert!(told.try_recv().is_err());
}
