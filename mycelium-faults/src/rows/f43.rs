//! F-43: asks that nobody answers.

use std::{pin::Pin, task::Poll, time::Duration};

use mycelium::{Ask, prelude::*};
use tokio::task::{self, JoinSet};

use super::{Failure, Row, ensure, fail};
use crate::{packet::Packet, stage::Stage, victim::tcp};

pub(crate) const ROW: Row = Row {
    name: "F-43",
    about: "asks to an actor that never answers, half of them dropped: pending is bounded, then Full, then zero",
    play: |stage| Box::pin(play(stage)),
};

/// The most asks that may wait on one link.
const PENDING: usize = 65_536;

/// How long those that are not dropped wait.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Keeps every port.
#[derive(Default)]
struct Silent(Vec<ReplyTo<u64>>);

impl Actor for Silent {
    type Message = Packet;

    async fn handle(&mut self, packet: Packet, _cx: &mut Context<Self>) -> ActorResult {
        if let Packet::Never { reply, .. } = packet {
            self.0.push(reply);
        }
        // The ports of asks that were given up are worth nothing.
        if self.0.len() > 2 * PENDING {
            self.0.clear();
        }
        Ok(())
    }
}

async fn play(stage: &Stage) -> Result<String, Failure> {
    let asks = stage.scale.pick(200_000, 10_000_000);
    let there = tcp("there").start().await?;
    there.register("silent", &there.spawn(Silent::default()))?;
    let here = tcp("here")
        .peer(there.addresses().remove(0))
        .start()
        .await?;
    let silent = here.resolve::<Packet>("silent").await?;
    let link = here.links().pop().ok_or("there is no link")?;

    let mut waiting = JoinSet::new();
    let (mut most, mut turned_away) = (0, 0);
    for number in 0..asks {
        // Half of them are dropped, and all that come while enough of them wait.
        if number % 2 == 0 && waiting.len() < PENDING + 1_000 {
            let silent = silent.clone();
            waiting.spawn(async move { ask(&silent).await });
        } else if let Some(outcome) = begin(&mut ask(&silent)).await {
            turned_away += u32::from(is_full(&outcome)?);
        }
        // A look at the gauge costs a walk through the table.
        if number % 1_000 == 0 {
            most = most.max(link.pending_asks());
        }
    }
    let full = link.pending_asks();
    while let Some(outcome) = waiting.join_next().await {
        turned_away += u32::from(is_full(&outcome?)?);
    }
    ensure(most <= PENDING, || format!("{most} asks were pending"))?;
    ensure(turned_away > 0, || {
        format!("none of {asks} was answered with Full")
    })?;
    let left = link.pending_asks();
    ensure(left == 0, || format!("{left} asks are pending at rest"))?;
    drop(silent);
    for node in [here, there] {
        node.shutdown(TIMEOUT).await?;
    }
    Ok(format!(
        "{asks} asks, {most} pending at most, {full} when full, {turned_away} Full, 0 left"
    ))
}

type Waiting<'a> = Pin<Box<Ask<'a, Packet, u64>>>;

fn ask(silent: &ActorRef<Packet>) -> Waiting<'_> {
    let ask = silent.ask(|reply| Packet::Never { sender: 0, reply });
    Box::pin(ask.timeout(TIMEOUT))
}

/// Polls an ask once: its message has left then, waits for room, or was turned away.
async fn begin(ask: &mut Waiting<'_>) -> Option<Result<u64, AskError<Packet>>> {
    // With the whole budget of a task.
    task::yield_now().await;
    std::future::poll_fn(|cx| match ask.as_mut().poll(cx) {
        Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Whether an ask was turned away, its message whole, because too many wait; an answer is a fault.
fn is_full(outcome: &Result<u64, AskError<Packet>>) -> Result<bool, Failure> {
    match outcome {
        Err(AskError::NotSent(SendError::Timeout(_)) | AskError::Timeout | AskError::NoReply) => {
            Ok(false)
        }
        Err(AskError::NotSent(SendError::Full(_))) => Ok(true),
        other => Err(fail(format!("an ask ended with {other:?}"))),
    }
}
