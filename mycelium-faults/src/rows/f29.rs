//! F-29: two actors with room for one message ask each other.

use std::{num::NonZeroUsize, time::Duration};

use mycelium::prelude::*;
use tokio::task::JoinSet;

use super::{Failure, Row, ensure, fail};
use crate::{clock::now_ns, stage::Stage, victim::tcp};

pub(crate) const ROW: Row = Row {
    name: "F-29",
    about: "mailboxes of one message, both actors ask each other, one fills its own as it starts: every ask ends by its deadline, and all live on",
    play: |stage| Box::pin(play(stage)),
};

/// How long an actor's ask of the other may take.
const INNER: Duration = Duration::from_millis(200);

/// Longer than the whole of a question.
const OUTER: Duration = Duration::from_secs(10);

#[message]
enum Talk {
    Meet {
        other: ActorRef<Talk>,
    },
    /// Answers with what the other says, after a question of its own.
    Question {
        depth: u32,
        reply: ReplyTo<u32>,
    },
}

#[derive(Default)]
struct Partner(Option<ActorRef<Talk>>);

impl Actor for Partner {
    type Message = Talk;

    async fn handle(&mut self, talk: Talk, _cx: &mut Context<Self>) -> ActorResult {
        match (talk, &self.0) {
            (Talk::Meet { other }, _) => self.0 = Some(other),
            (
                Talk::Question {
                    depth: depth @ 1..,
                    reply,
                },
                Some(other),
            ) => {
                let ask = other.ask(|reply| Talk::Question {
                    depth: depth - 1,
                    reply,
                });
                // The other waits for us: this one times out.
                reply.send(ask.timeout(INNER).await.unwrap_or(0) + 1);
            }
            (Talk::Question { reply, .. }, _) => reply.send(0),
        }
        Ok(())
    }
}

/// Its mailbox is full before it handles anything.
struct Eager;

impl Actor for Eager {
    type Message = Talk;

    async fn started(&mut self, cx: &mut Context<Self>) -> ActorResult {
        let me = cx.actor_ref();
        let talk = || Talk::Meet { other: me.clone() };
        me.try_send(talk()).map_err(|_| "there is no room at all")?;
        let refused = me.try_send(talk());
        let late = me.send_timeout(talk(), INNER).await;
        match (refused, late) {
            (Err(SendError::Full(_)), Err(SendError::Timeout(_))) => Ok(()),
            _ => Err("a full mailbox took a message")?,
        }
    }

    async fn handle(&mut self, talk: Talk, _cx: &mut Context<Self>) -> ActorResult {
        if let Talk::Question { reply, .. } = talk {
            reply.send(0);
        }
        Ok(())
    }
}

async fn play(stage: &Stage) -> Result<String, Failure> {
    let rounds = stage.scale.pick(20, 200);
    let there = tcp("there").start().await?;
    let here = tcp("here")
        .peer(there.addresses().remove(0))
        .start()
        .await?;
    let one = || SpawnOptions::default().capacity(NonZeroUsize::MIN);
    let (a, b) = (
        here.spawn_with(one(), Partner::default()),
        there.spawn_with(one(), Partner::default()),
    );
    here.register("a", &a)?;
    there.register("b", &b)?;
    let b_from_here: ActorRef<Talk> = here.wait_for("b", OUTER).await?;
    let a_from_there: ActorRef<Talk> = there.wait_for("a", OUTER).await?;
    a.send(Talk::Meet { other: b_from_here }).await?;
    b.send(Talk::Meet {
        other: a_from_there,
    })
    .await?;

    let start = now_ns();
    let mut outcomes = [0, 0];
    for _ in 0..rounds {
        let mut asking = JoinSet::new();
        for actor in [&a, &b, &a, &b] {
            let actor = actor.clone();
            asking.spawn(async move { question(&actor, 2).await });
        }
        while let Some(outcome) = asking.join_next().await {
            outcomes[usize::from(outcome??)] += 1;
        }
    }
    let took = Duration::from_nanos(now_ns() - start);
    let eager = here.spawn_with(one(), Eager);
    for actor in [&a, &b, &eager] {
        ensure(question(actor, 0).await?, || "an actor is stuck".to_owned())?;
    }
    drop((a, b, eager));
    for node in [here, there] {
        node.shutdown(OUTER).await?;
    }
    let [refused, answered] = outcomes;
    Ok(format!(
        "{answered} answered, {refused} timed out or found no room, in {took:.1?}"
    ))
}

/// Whether a question was answered; anything but an answer or a word about its time is a fault.
async fn question(actor: &ActorRef<Talk>, depth: u32) -> Result<bool, Failure> {
    let ask = actor.ask(|reply| Talk::Question { depth, reply });
    match ask.timeout(OUTER).await {
        Ok(_) => Ok(true),
        Err(AskError::Timeout | AskError::NotSent(SendError::Timeout(_) | SendError::Full(_))) => {
            Ok(false)
        }
        Err(other) => Err(fail(format!("an ask ended with {other}"))),
    }
}
