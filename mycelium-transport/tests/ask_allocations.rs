//! What asks between nodes cost in memory: nothing, on either node, once both are warm.

mod support;

use std::time::Duration;

use allocation_counter::measure;
use mycelium_core::{Actor, ActorRef, ActorResult, Context, ReplyTo};
use mycelium_macros::message;
use mycelium_registry::Registry;
use mycelium_transport::Transport;
use tokio::runtime::{Builder, Runtime};

use crate::support::Pair;

#[message(crate = mycelium_wire)]
enum Question {
    Double {
        number: u64,
        padding: Vec<u8>,
        reply: ReplyTo<u64>,
    },
    /// Answered by another actor, which the port is passed on to.
    PassOn {
        number: u64,
        padding: Vec<u8>,
        reply: ReplyTo<u64>,
    },
    Drop {
        reply: ReplyTo<u64>,
    },
}

/// Answers, or passes the port on to where it was told to.
struct Answers(Option<ActorRef<Question>>);

impl Actor for Answers {
    type Message = Question;

    async fn handle(&mut self, message: Question, _: &mut Context<Self>) -> ActorResult {
        match (message, &self.0) {
            (Question::Double { number, reply, .. }, _) => reply.send(2 * number),
            (
                Question::PassOn {
                    number,
                    padding,
                    reply,
                },
                Some(to),
            ) => {
                to.send(Question::Double {
                    number,
                    padding,
                    reply,
                })
                .await?;
            }
            (Question::PassOn { reply, .. } | Question::Drop { reply }, _) => drop(reply),
        }
        Ok(())
    }
}

const ASKS: u64 = 4_000;

/// Both nodes on the one thread whose allocations are counted.
fn one_thread() -> Runtime {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("the system has room for a runtime")
}

/// Two nodes, a ref of one to an actor of the other, which passes ports back to an actor at home.
async fn linked(transport: Transport) -> (Pair, ActorRef<Question>) {
    let pair = Pair::over(transport).await;
    let home = pair.client.spawn(Answers(None));
    pair.client.register("home", &home).expect("it is free");
    let home = pair.server.resolve("home").await.expect("it is there");
    let away = pair.server.spawn(Answers(Some(home)));
    pair.server.register("away", &away).expect("it is free");
    let away = pair.client.resolve("away").await.expect("it is there");
    (pair, away)
}

fn double(number: u64) -> impl FnOnce(ReplyTo<u64>) -> Question {
    move |reply| Question::Double {
        number,
        padding: Vec::new(),
        reply,
    }
}

fn pass_on(number: u64, padding_bytes: usize) -> impl FnOnce(ReplyTo<u64>) -> Question {
    move |reply| Question::PassOn {
        number,
        padding: vec![0; padding_bytes],
        reply,
    }
}

/// Makes the buffers of both nodes grow beyond all that is counted, however its frames gather:
/// each link has two buffers, and both directions are used.
async fn warm_up(away: &ActorRef<Question>) {
    for number in 0..8 {
        let answer = away.ask(pass_on(number, 8_192)).await;
        assert_eq!(answer.expect("home answers"), 2 * number);
    }
}

/// Counts the allocations of both nodes.
fn count(transport: Transport, ask_all: impl AsyncFn(&ActorRef<Question>)) -> u64 {
    let runtime = one_thread();
    let (pair, away) = runtime.block_on(linked(transport));
    let run = || runtime.block_on(ask_all(&away));
    runtime.block_on(warm_up(&away));
    run();
    let allocations = measure(run).count_total;
    drop(away);
    runtime.block_on(pair.shutdown());
    allocations
}

const OVER_EACH: [Transport; 3] = [Transport::Unix, Transport::Tcp, Transport::Memory];

#[test]
fn an_ask_of_another_node_allocates_nothing() {
    for transport in OVER_EACH {
        let allocations = count(transport, async |away| {
            for number in 0..ASKS {
                let ask = away.ask(double(number));
                let answer = ask.timeout(Duration::from_mins(1)).await;
                assert_eq!(answer.expect("it answers"), 2 * number);
            }
        });
        assert_eq!(allocations, 0, "{ASKS} asks over {transport:?}");
    }
}

#[test]
fn an_ask_whose_port_is_passed_on_to_a_third_actor_allocates_nothing() {
    for transport in OVER_EACH {
        let allocations = count(transport, async |away| {
            for number in 0..ASKS {
                let answer = away.ask(pass_on(number, 0)).await;
                assert_eq!(answer.expect("home answers"), 2 * number);
            }
        });
        assert_eq!(allocations, 0, "{ASKS} asks over {transport:?}");
    }
}

#[test]
fn an_ask_that_gets_no_reply_allocates_nothing() {
    for transport in OVER_EACH {
        let allocations = count(transport, async |away| {
            for _ in 0..ASKS {
                let answer = away.ask(|reply| Question::Drop { reply }).await;
                answer.expect_err("the port was dropped");
            }
        });
        assert_eq!(allocations, 0, "{ASKS} asks over {transport:?}");
    }
}

#[test]
fn asks_under_way_together_allocate_nothing() {
    for transport in OVER_EACH {
        let allocations = count(transport, async |away| {
            let ask_all = async || {
                for number in 0..ASKS / 4 {
                    let answer = away.ask(double(number)).await;
                    assert_eq!(answer.expect("it answers"), 2 * number);
                }
            };
            tokio::join!(ask_all(), ask_all(), ask_all(), ask_all());
        });
        assert_eq!(allocations, 0, "{ASKS} asks over {transport:?}");
    }
}
