//! F-7: a node is restarted while others hold refs to its actors.
//!
//! Its outcomes without the times: `mycelium-testkit/src/conformance/restarts.rs`.

use std::{sync::Arc, time::Duration};

use mycelium::prelude::*;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{self, Instant},
};

use super::{Failure, Row, ensure, fail};
use crate::{
    log::{Ending, Log},
    packet::Packet,
    record::Event,
    stage::{Over, Stage},
};

pub(crate) const ROW: Row = Row {
    name: "F-7",
    about: "a node restarts under its name and address while 50 clients hold old refs: each fails, none reaches a new actor",
    play: |stage| Box::pin(play(stage)),
};

const CLIENTS: u64 = 50;

/// By when each client has found the new life.
const FOUND_WITHIN: Duration = Duration::from_secs(1);

/// Longer than anything takes that a client waits for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Marks what went through old refs after the new life was met.
const OLD: u64 = 1 << 40;

/// What a client saw of the end of its ref.
#[derive(Default)]
struct Seen {
    node_down: u64,
    stale: u64,
}

async fn play(stage: &Stage) -> Result<String, Failure> {
    let mut said = Vec::new();
    for over in [Over::Unix, Over::Tcp] {
        for _ in 0..stage.scale.pick(1, 10) {
            said.push(restart(stage, over).await?);
        }
    }
    Ok(said.join("; "))
}

async fn restart(stage: &Stage, over: Over) -> Result<String, Failure> {
    let (mut server, address) = stage.sink(over, &[]).await?;
    let (met, _) = watch::channel(None);
    let met = Arc::new(met);
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let client = client(stage, over, number, &address).await?;
        // Before the restart: what is found afterwards is no old ref.
        let old = client.wait_for("sink", PATIENCE).await?;
        clients.spawn(hold_on(client, old, number, met.subscribe()));
    }
    server.has_handled(10 * usize::try_from(CLIENTS)?).await?;
    server.kill()?;
    let old = server.end().await?;
    let place = match &address {
        PeerAddr::Tcp { host, port } => format!("tcp={host}:{port}"),
        _ => String::new(),
    };
    let (server, again) = stage.sink(over, &[&place]).await?;
    ensure(again == address, || format!("it is at {again} now"))?;
    met.send_replace(Some(Instant::now()));

    let (mut all, mut slowest) = (Seen::default(), Duration::ZERO);
    while let Some(seen) = clients.join_next().await {
        let (seen, found) = seen??;
        all.node_down += seen.node_down;
        all.stale += seen.stale;
        slowest = slowest.max(found);
    }
    let new = server.end().await?;
    nothing_old_arrived(&old, &new)?;
    stage.within(FOUND_WITHIN, slowest, "the last client found the new life")?;
    Ok(format!(
        "{over:?}: {} Stale, {} NodeDown, all found again after {slowest:.1?}",
        all.stale, all.node_down
    ))
}

async fn client(
    stage: &Stage,
    over: Over,
    number: u64,
    address: &PeerAddr,
) -> Result<Node, Failure> {
    let builder = Node::builder(format!("client-{number}")).peer(address.clone());
    let builder = match over {
        Over::Unix => builder.unix(stage.dir()).transport(Transport::Unix),
        Over::Tcp => builder.transport(Transport::Tcp),
    };
    Ok(builder.start().await?)
}

/// Sends through one ref until it fails, and through it again once the node is back; then finds
/// the new life, and says how long that took.
async fn hold_on(
    node: Node,
    old: ActorRef<Packet>,
    me: u64,
    mut met: watch::Receiver<Option<Instant>>,
) -> Result<(Seen, Duration), Failure> {
    let mut seen = Seen::default();
    let mut number = 0;
    loop {
        number += 1;
        let tick = Packet::tick(me, number, 8);
        if let Err(error) = old.send_timeout(tick, PATIENCE).await {
            seen.note(error)?;
            break;
        }
        time::sleep(Duration::from_millis(1)).await;
    }
    time::timeout(PATIENCE, met.wait_for(Option::is_some)).await??;
    let back = met.borrow().expect("it was waited for");
    let new: ActorRef<Packet> = node.wait_for("sink", PATIENCE).await?;
    let answer = new.ask(|reply| Packet::Echo {
        sender: me,
        number,
        reply,
    });
    ensure(answer.timeout(PATIENCE).await? == number, || {
        "another's answer".to_owned()
    })?;
    let found = back.elapsed();
    // The new life is known: from here on it can be nothing but stale.
    for number in 1..=20 {
        match old
            .send_timeout(Packet::tick(me, OLD + number, 8), PATIENCE)
            .await
        {
            Err(SendError::Stale(_)) => seen.stale += 1,
            other => return Err(fail(format!("an old ref was answered with {other:?}"))),
        }
    }
    drop((old, new));
    node.shutdown(PATIENCE).await?;
    Ok((seen, found))
}

impl Seen {
    fn note(&mut self, error: SendError<Packet>) -> Result<(), Failure> {
        match error {
            SendError::NodeDown(_) => self.node_down += 1,
            SendError::Stale(_) => self.stale += 1,
            other => return Err(fail(format!("an old ref failed with {other}"))),
        }
        Ok(())
    }
}

/// The new life has handled echoes, and no tick: all ticks went through old refs.
fn nothing_old_arrived(old: &Log, new: &Log) -> Result<(), Failure> {
    ensure(old.count(Event::Handled) > 0, || {
        "nothing was sent".to_owned()
    })?;
    ensure(new.ending == Ending::Orderly, || {
        format!("the new life ended otherwise: {:?}", new.ending)
    })?;
    let (ticks, echoes) = (new.count(Event::Handled), new.count(Event::OtherHandled));
    ensure(ticks == 0, || format!("{ticks} ticks reached a new actor"))?;
    ensure(echoes as u64 == CLIENTS, || {
        format!("{echoes} echoes of {CLIENTS}")
    })
}
