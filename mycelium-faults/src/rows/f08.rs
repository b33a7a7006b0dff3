//! F-8: two live processes claim one name.
//!
//! Its outcomes without processes:
//! `mycelium-transport/tests/unix/directory.rs::two_nodes_of_one_name_cannot_share_a_directory`.

use std::time::Duration;

use mycelium::prelude::*;
use mycelium_testkit::hostile::Peer;
use tokio::time::{self, Instant};

use super::{Failure, Row, ensure};
use crate::{
    child::Child,
    record::Event,
    role::life,
    stage::{Over, Stage},
    victim::{DUPLICATE_NODE, tcp},
};

pub(crate) const ROW: Row = Row {
    name: "F-8",
    about: "two live processes claim one name: the second is refused with DuplicateNode until the first is down",
    play: |stage| Box::pin(play(stage)),
};

/// By when the second has the name, once the first is gone.
const TAKEN_WITHIN: Duration = Duration::from_millis(3_500);

/// For how long the second claims in vain.
const IN_VAIN: Duration = Duration::from_millis(1_500);

const PATIENCE: Duration = Duration::from_secs(20);

async fn play(stage: &Stage) -> Result<String, Failure> {
    let (mut unix, mut tcp) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..stage.scale.pick(2, 20) {
        unix = unix.max(over_unix(stage).await?);
        tcp = tcp.max(over_tcp(stage).await?);
    }
    stage.check()?;
    stage.within(TAKEN_WITHIN, unix.max(tcp), "the name was taken over")?;
    Ok(format!(
        "refused while the first lives; taken over after {unix:.1?} over Unix, {tcp:.1?} over TCP"
    ))
}

/// The lock of the socket's directory is the first's.
async fn over_unix(stage: &Stage) -> Result<Duration, Failure> {
    let (mut first, _) = stage.sink_named("twin", Over::Unix, &[]).await?;
    let second = stage.insisting("twin", Over::Unix)?;
    second.reports_times(Event::Duplicate, 3).await?;
    ensure(second.count(Event::Ready) == 0, || {
        "both have the name".to_owned()
    })?;
    let killed = Instant::now();
    first.kill()?;
    second.reports(Event::Ready).await?;
    let taken = killed.elapsed();
    stage.end(first).await?;
    stage.end(second).await?;
    Ok(taken)
}

/// Whoever is linked to the first refuses the second.
async fn over_tcp(stage: &Stage) -> Result<Duration, Failure> {
    let hub = tcp("hub").start().await?;
    let address = hub.addresses().remove(0);
    let peer = format!("peer={address}");
    let settings = [peer.as_str()];
    let twin = || stage.sink_named("twin", Over::Tcp, &settings);
    let (mut first, _) = twin().await?;
    let first_life = life_of(&first).await?;
    until_linked_to(&hub, first_life).await?;
    let (second, _) = twin().await?;
    let second_life = life_of(&second).await?;

    let mut third = Peer::dial(&address).await;
    third.hello.node = mycelium::NodeId::new("twin".parse()?, 3);
    third.say_hello().await;
    third.confirm().await;
    let closed = third.hear_close().await;
    ensure(
        closed
            .as_ref()
            .is_some_and(|closed| closed.code == DUPLICATE_NODE),
        || format!("a third of the name is closed with {closed:?}"),
    )?;
    let start = Instant::now();
    while start.elapsed() < IN_VAIN {
        let linked = lives_at(&hub);
        ensure(linked == [first_life], || {
            format!("linked to {linked:x?}, not to the first, {first_life:x}")
        })?;
        time::sleep(Duration::from_millis(10)).await;
    }
    let killed = Instant::now();
    first.kill()?;
    until_linked_to(&hub, second_life).await?;
    let taken = killed.elapsed();
    stage.end(first).await?;
    stage.end(second).await?;
    hub.shutdown(PATIENCE).await?;
    Ok(taken)
}

async fn life_of(child: &Child) -> Result<u64, Failure> {
    Ok(child.reports(Event::Ready).await?.sender)
}

fn lives_at(hub: &Node) -> Vec<u64> {
    hub.links().iter().map(|link| life(link.peer())).collect()
}

async fn until_linked_to(hub: &Node, wanted: u64) -> Result<(), Failure> {
    let linked = async {
        while lives_at(hub) != [wanted] {
            time::sleep(Duration::from_millis(1)).await;
        }
    };
    Ok(time::timeout(PATIENCE, linked).await?)
}
