//! F-44: sends that are dropped while they wait.

use std::{future::poll_fn, num::NonZeroUsize, pin::pin, task::Poll, time::Duration};

use mycelium::prelude::*;
use mycelium_testkit::proxy::{Faults, Pass};
use rand::RngExt;
use tokio::{task, time};

use super::{Failure, Row, ensure, fail};
use crate::{stage::Stage, victim::tcp};

pub(crate) const ROW: Row = Row {
    name: "F-44",
    about: "send futures dropped at every await point: no half frame, and what was accepted arrives in order",
    play: |stage| Box::pin(play(stage)),
};

const PATIENCE: Duration = Duration::from_secs(20);

async fn play(stage: &Stage) -> Result<String, Failure> {
    let sends = stage.scale.pick(3_000, 100_000);
    let mut dice = stage.dice();
    let there = tcp("there").start().await?;
    let room = SpawnOptions::default().capacity(NonZeroUsize::new(4).expect("not zero"));
    let mut inbox: Inbox<Vec<u64>> = there.inbox_with(room);
    there.register("numbers", &inbox.actor_ref())?;
    let proxy = stage.proxy(&there.addresses().remove(0)).await?;
    // So that frames lie in pieces everywhere.
    proxy.impose_both(&Faults::default().pass(Pass::Sliced { bytes: 97 }));
    let here = tcp("here").peer(proxy.address()).start().await?;
    let numbers: ActorRef<Vec<u64>> = here.wait_for("numbers", PATIENCE).await?;

    let receiving = tokio::spawn(async move {
        let mut came = Vec::new();
        while let Ok(Ok(message)) = time::timeout(PATIENCE, inbox.recv()).await {
            let number = message[0];
            let is_whole = message.iter().all(|word| *word == number);
            if !is_whole || number == u64::MAX {
                return (came, is_whole);
            }
            came.push(number);
        }
        (came, false)
    });
    let mut accepted = Vec::new();
    for number in 0..sends {
        let words = dice.random_range(1..200);
        let send = numbers.send(vec![number; words]);
        if is_accepted(send, dice.random_range(1..400)).await? {
            accepted.push(number);
        }
    }
    numbers.send(vec![u64::MAX]).await?;
    let (came, is_whole) = receiving.await?;
    ensure(is_whole, || {
        "the last message did not come, or one in pieces".to_owned()
    })?;
    ensure(came == accepted, || {
        format!("{} accepted, {} came", accepted.len(), came.len())
    })?;
    let lost = here.links()[0].stats().unknown;
    ensure(lost == 0 && proxy.accepted() == 1, || {
        "the link was lost".to_owned()
    })?;
    drop(numbers);
    for node in [here, there] {
        node.shutdown(PATIENCE).await?;
    }
    let dropped = sends - accepted.len() as u64;
    ensure(dropped > 0, || "no send was dropped".to_owned())?;
    Ok(format!(
        "{dropped} of {sends} dropped, {} arrived in order",
        came.len()
    ))
}

/// Polls a send so often, and drops it then.
async fn is_accepted(
    send: impl Future<Output = Result<(), SendError<Vec<u64>>>>,
    polls: u32,
) -> Result<bool, Failure> {
    let mut send = pin!(send);
    for _ in 0..polls {
        task::yield_now().await;
        let polled = poll_fn(|cx| Poll::Ready(send.as_mut().poll(cx))).await;
        match polled {
            Poll::Ready(Ok(())) => return Ok(true),
            Poll::Ready(Err(error)) => return Err(fail(error.to_string())),
            Poll::Pending => {}
        }
    }
    Ok(false)
}
