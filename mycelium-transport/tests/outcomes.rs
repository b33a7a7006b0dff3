//! Every ask has one outcome by its deadline, whatever happens meanwhile.
//!
//! A seed makes asks with deadlines, handlers that answer now, later, never or by another actor,
//! actors that end, and links that are lost, on a virtual clock. A failure names its seed.

mod support;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use mycelium_core::{Actor, ActorRef, ActorResult, AskError, Context, Node, ReplyTo};
use mycelium_macros::message;
use mycelium_registry::Registry;
use mycelium_transport::Transport;
use mycelium_wire::CloseReason;
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use tokio::{
    sync::watch,
    task,
    time::{Instant, sleep},
};

use crate::support::Pair;

const SEEDS: u64 = 40;
const ASKERS: u64 = 8;
const ASKS: u64 = 25;
const ACTORS: usize = 3;

#[message(crate = mycelium_wire)]
struct Question {
    number: u64,
    fate: Fate,
    reply: ReplyTo<u64>,
}

/// What becomes of a question.
#[message(crate = mycelium_wire)]
enum Fate {
    Answer,
    /// The handler waits before it answers, and everybody behind it.
    Slow {
        ms: u64,
    },
    /// Answered by and by, while the actor goes on.
    Later {
        ms: u64,
    },
    Drop,
    /// Not answered while the actor lives.
    Keep,
    Panic,
    /// Answered by another actor.
    PassOn {
        to: ActorRef<Question>,
    },
}

/// How often each question was answered, or passed to its last handler.
type Handled = Arc<Mutex<HashMap<u64, u32>>>;

struct Answers {
    kept: Vec<ReplyTo<u64>>,
    handled: Handled,
}

impl Actor for Answers {
    type Message = Question;

    async fn handle(&mut self, question: Question, _: &mut Context<Self>) -> ActorResult {
        let Question {
            number,
            fate,
            reply,
        } = question;
        if let Fate::PassOn { to } = fate {
            let fate = Fate::Answer;
            // To an actor that is gone: the port is dropped.
            let _ = to.try_send(Question {
                number,
                fate,
                reply,
            });
            return Ok(());
        }
        *self
            .handled
            .lock()
            .expect("nobody panics with it")
            .entry(number)
            .or_default() += 1;
        match fate {
            Fate::Answer | Fate::PassOn { .. } => reply.send(2 * number),
            Fate::Slow { ms } => {
                sleep(Duration::from_millis(ms)).await;
                reply.send(2 * number);
            }
            Fate::Later { ms } => drop(task::spawn(async move {
                sleep(Duration::from_millis(ms)).await;
                reply.send(2 * number);
            })),
            Fate::Drop => drop(reply),
            Fate::Keep => self.kept.push(reply),
            Fate::Panic => {
                let _reply = reply;
                panic!("told to");
            }
        }
        Ok(())
    }
}

/// The nodes of a run: the asker's, and that of the actors.
struct Stage {
    home: Node,
    away: Node,
    handled: Handled,
    next_name: u64,
}

impl Stage {
    /// Another actor in the place of the one with this number; the first lives with the askers.
    async fn actor(&mut self, number: usize) -> ActorRef<Question> {
        let node = if number == 0 { &self.home } else { &self.away };
        let actor = node.spawn(Answers {
            kept: Vec::new(),
            handled: Arc::clone(&self.handled),
        });
        let name = format!("actor-{}", self.next_name);
        self.next_name += 1;
        node.register(&name, &actor).expect("the name is free");
        // Also while the link is dialled again.
        loop {
            match self.home.resolve(&name).await {
                Ok(actor) => return actor,
                Err(_) => sleep(Duration::from_millis(1)).await,
            }
        }
    }

    /// Loses the connection between the nodes, where there are two.
    fn cut(&self) {
        for link in self.home.links() {
            // The connection that is up is one of these.
            (1..200).for_each(|generation| {
                link.fail(generation, CloseReason::Corrupt("a test".into()));
            });
        }
    }

    /// Ends actors and loses connections until the askers are done.
    async fn break_things(
        mut self,
        mut random: SmallRng,
        actors: Vec<watch::Sender<ActorRef<Question>>>,
        askers: Vec<task::JoinHandle<()>>,
    ) {
        while !askers.iter().all(task::JoinHandle::is_finished) {
            sleep(Duration::from_millis(random.random_range(1..40))).await;
            let number = random.random_range(0..ACTORS);
            let actor = actors[number].borrow().clone();
            match random.random_range(0..6) {
                0 => actor.stop(),
                1 => actor.kill(),
                2 => self.cut(),
                _ if actor.is_closed() => {
                    drop(actors[number].send_replace(self.actor(number).await));
                }
                _ => {}
            }
        }
        for asker in askers {
            asker.await.expect("every ask had its outcome");
        }
    }
}

struct Asker {
    seed: u64,
    random: SmallRng,
    actors: Vec<watch::Receiver<ActorRef<Question>>>,
    handled: Handled,
}

impl Asker {
    async fn run(mut self, first: u64) {
        for number in first..first + ASKS {
            let which = self.random.random_range(0..ACTORS);
            let actor = self.actors[which].borrow().clone();
            let timeout = Duration::from_millis(self.random.random_range(0..100));
            let fate = self.fate();
            let ask = actor.ask(|reply| Question {
                number,
                fate,
                reply,
            });
            let ask = ask.timeout(timeout);
            let given_up = self.random.random_bool(0.1);
            let patience = Duration::from_millis(self.random.random_range(0..50));
            let asked = Instant::now();
            let outcome = tokio::select! {
                outcome = ask => outcome,
                () = sleep(patience), if given_up => continue,
            };
            let seed = self.seed;
            // The timer counts whole milliseconds.
            let allowed = timeout + Duration::from_millis(1);
            assert!(
                asked.elapsed() <= allowed,
                "seed {seed}, ask {number}: {outcome:?}"
            );
            let handled = self.handled.lock().expect("nobody panics with it");
            let times = handled.get(&number).copied().unwrap_or(0);
            match outcome {
                Ok(answer) => assert_eq!((answer, times), (2 * number, 1), "seed {seed}"),
                Err(AskError::NotSent(_)) => assert_eq!(times, 0, "seed {seed}, ask {number}"),
                Err(_) => assert!(times <= 1, "seed {seed}, ask {number}: {times} times"),
            }
        }
    }

    fn fate(&mut self) -> Fate {
        let ms = self.random.random_range(0..60);
        match self.random.random_range(0..12) {
            0 => Fate::Slow { ms: ms / 4 },
            1 | 2 => Fate::Later { ms },
            3 => Fate::Drop,
            4 => Fate::Keep,
            5 if ms < 10 => Fate::Panic,
            6 | 7 => {
                let to = self.random.random_range(0..ACTORS);
                let to = self.actors[to].borrow().clone();
                Fate::PassOn { to }
            }
            _ => Fate::Answer,
        }
    }
}

/// Plays what the seed says, to the end.
async fn play(seed: u64, home: Node, away: Node) {
    let mut random = SmallRng::seed_from_u64(seed);
    let handled = Handled::default();
    let mut stage = Stage {
        home: home.clone(),
        away: away.clone(),
        handled: Arc::clone(&handled),
        next_name: 0,
    };
    let mut actors = Vec::new();
    for number in 0..ACTORS {
        actors.push(watch::Sender::new(stage.actor(number).await));
    }
    let mut askers = Vec::new();
    for number in 0..ASKERS {
        let asker = Asker {
            seed,
            random: SmallRng::seed_from_u64(random.random()),
            actors: actors.iter().map(watch::Sender::subscribe).collect(),
            handled: Arc::clone(&handled),
        };
        askers.push(task::spawn(asker.run(number * ASKS)));
    }
    stage.break_things(random, actors, askers).await;
    for link in home.links().iter().chain(&away.links()) {
        // Ports that were passed on are given up by the clock of the node in between.
        while (link.pending_asks(), link.bindings()) != (0, 0) {
            sleep(Duration::from_millis(1)).await;
        }
    }
    for node in [&home, &away] {
        let ended = node.shutdown(Duration::from_secs(10)).await;
        ended.expect("all actors end");
    }
}

#[tokio::test(start_paused = true)]
async fn asks_of_one_node_have_one_outcome_by_their_deadline() {
    for seed in 0..SEEDS {
        let node = Node::builder("only").start().await.expect("it starts");
        play(seed, node.clone(), node).await;
    }
}

#[tokio::test(start_paused = true)]
async fn asks_between_nodes_have_one_outcome_by_their_deadline() {
    for seed in 0..SEEDS {
        let pair = Pair::over(Transport::Memory).await;
        play(seed, pair.client, pair.server).await;
    }
}
