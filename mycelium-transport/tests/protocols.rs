//! Random protocols come to the same outcomes wherever their actors live.
//!
//! A seed makes a script of asks, their routes through three actors, and what becomes of their
//! ports. It runs once with all actors on one node, then with two of the three on another node,
//! over each transport; the logs of outcomes are compared. A failure names its seed.

mod support;

use std::{
    collections::BTreeMap,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::atomic::{AtomicU32, Ordering},
};

use mycelium_core::{Actor, ActorRef, ActorResult, AskError, Context, Node, ReplyTo, SendError};
use mycelium_macros::message;
use mycelium_registry::Registry;
use mycelium_transport::Transport;
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use tokio::{
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
    task::{self, JoinHandle},
    time,
};

use crate::support::{GRACE, Pair, over_every_transport};

const SCRIPTS: u64 = 48;
const ROUNDS: usize = 20;
const ACTORS: usize = 3;

/// What is sent: values of every kind, refs to go on to, and ports.
#[message(crate = mycelium_wire)]
struct Step {
    number: u64,
    tree: Tree,
    /// Whom to pass the message on to, the next one last.
    route: Vec<ActorRef<Protocol>>,
    action: Action,
    reply: Option<ReplyTo<Answer>>,
}

#[message(crate = mycelium_wire)]
enum Protocol {
    Step(Step),
    /// Settles what is kept: the ports whose number is even are answered, in a random order.
    Release {
        order: u64,
    },
    /// How many steps were handled.
    Handled {
        reply: ReplyTo<u64>,
    },
    Stop,
    Panic,
}

/// What the last actor of a route does with the ports of a message.
#[message(crate = mycelium_wire)]
#[derive(Clone, Copy, Debug)]
enum Action {
    Answer,
    Drop,
    Keep,
}

#[message(crate = mycelium_wire)]
enum Tree {
    Nothing,
    Number(u64),
    Maybe(Option<Branch>),
    Many(Vec<Branch>),
    Both { left: Branch, right: Option<Branch> },
}

#[message(crate = mycelium_wire)]
enum Branch {
    Flag(bool),
    Text(String),
    Words(Vec<Option<String>>),
    Pair(i64, Result<u8, String>),
    Actor(ActorRef<Protocol>),
    Port { number: u64, port: ReplyTo<Answer> },
}

/// What comes back: a rendering of the tree, and the refs that were in it.
#[message(crate = mycelium_wire)]
struct Answer {
    number: u64,
    tree: String,
    actors: Vec<ActorRef<Protocol>>,
}

impl Tree {
    fn branches(self) -> (String, Vec<Branch>) {
        match self {
            Self::Nothing => ("nothing".into(), Vec::new()),
            Self::Number(number) => (format!("number {number}"), Vec::new()),
            Self::Maybe(branch) => ("maybe".into(), branch.into_iter().collect()),
            Self::Many(branches) => ("many".into(), branches),
            Self::Both { left, right } => (
                "both".into(),
                [Some(left), right].into_iter().flatten().collect(),
            ),
        }
    }
}

/// The ports of a message, each with its number, and what they are answered with.
struct Ports {
    numbered: Vec<(u64, ReplyTo<Answer>)>,
    tree: String,
    actors: Vec<ActorRef<Protocol>>,
}

impl Ports {
    fn of(step: Step) -> Self {
        let mut ports: Vec<_> = step
            .reply
            .map(|reply| (step.number, reply))
            .into_iter()
            .collect();
        let (mut tree, branches) = step.tree.branches();
        let mut actors = Vec::new();
        for branch in branches {
            tree.push(' ');
            match branch {
                Branch::Flag(flag) => tree.push_str(if flag { "yes" } else { "no" }),
                Branch::Text(text) => tree.push_str(&text),
                Branch::Words(words) => words.iter().flatten().for_each(|word| tree.push_str(word)),
                Branch::Pair(left, right) => tree.extend([left.to_string(), format!("{right:?}")]),
                Branch::Actor(actor) => actors.push(actor),
                Branch::Port { number, port } => ports.push((number, port)),
            }
        }
        Self {
            numbered: ports,
            tree,
            actors,
        }
    }

    fn answer(self) {
        for (number, port) in self.numbered {
            port.send(Answer {
                number,
                tree: self.tree.clone(),
                actors: self.actors.clone(),
            });
        }
    }
}

/// Does with each message what it says.
#[derive(Default)]
struct Player {
    kept: Vec<Ports>,
    handled: u64,
}

impl Actor for Player {
    type Message = Protocol;

    async fn handle(&mut self, message: Protocol, cx: &mut Context<Self>) -> ActorResult {
        match message {
            Protocol::Step(step) => {
                self.handled += 1;
                self.play(step).await;
            }
            Protocol::Release { order } => {
                let mut kept = std::mem::take(&mut self.kept);
                shuffle(&mut kept, &mut SmallRng::seed_from_u64(order));
                for mut ports in kept {
                    ports
                        .numbered
                        .retain(|(number, _)| number.is_multiple_of(2));
                    ports.answer();
                }
            }
            Protocol::Handled { reply } => reply.send(self.handled),
            Protocol::Stop => cx.stop(),
            Protocol::Panic => panic!("told to"),
        }
        Ok(())
    }
}

impl Player {
    async fn play(&mut self, mut step: Step) {
        if let Some(next) = step.route.pop() {
            // To an actor that is gone: the ports are dropped with the message.
            let _ = next.send(Protocol::Step(step)).await;
            return;
        }
        let action = step.action;
        let ports = Ports::of(step);
        match action {
            Action::Answer => ports.answer(),
            Action::Drop => drop(ports),
            Action::Keep => self.kept.push(ports),
        }
    }
}

/// Gives the test ports to put into messages.
struct Mint(UnboundedSender<ReplyTo<Answer>>);

impl Actor for Mint {
    type Message = ReplyTo<Answer>;

    async fn handle(&mut self, port: ReplyTo<Answer>, _: &mut Context<Self>) -> ActorResult {
        Ok(self.0.send(port)?)
    }
}

/// Where the actors of a script live.
#[derive(Clone, Copy, Debug)]
enum Place {
    OneNode,
    TwoNodes(Transport),
}

/// One of the actors, as the script sees it.
struct Part {
    actor: ActorRef<Protocol>,
    is_alive: bool,
    /// How many steps it has been given, by its own count of those it handled.
    steps: u64,
}

/// An ask under way.
type Asked = JoinHandle<String>;

/// A script that runs.
struct Script {
    random: SmallRng,
    /// Where the asker lives, and the first of the actors.
    home: Node,
    /// Where the others live.
    away: Node,
    parts: Vec<Part>,
    /// Every actor there was, by which refs are known again.
    known: Vec<ActorRef<Protocol>>,
    mint: ActorRef<ReplyTo<Answer>>,
    minted: UnboundedReceiver<ReplyTo<Answer>>,
    next_number: u64,
    under_way: BTreeMap<u64, Asked>,
    log: BTreeMap<u64, String>,
}

impl Script {
    async fn new(seed: u64, home: Node, away: Node) -> Self {
        let (sender, minted) = mpsc::unbounded_channel();
        let mint = home.spawn(Mint(sender));
        let mut script = Self {
            random: SmallRng::seed_from_u64(seed),
            home,
            away,
            parts: Vec::new(),
            known: Vec::new(),
            mint,
            minted,
            next_number: 0,
            under_way: BTreeMap::new(),
            log: BTreeMap::new(),
        };
        for number in 0..ACTORS {
            let part = script.spawn(number).await;
            script.parts.push(part);
        }
        script
    }

    /// The actor with this number, anew.
    async fn spawn(&mut self, number: usize) -> Part {
        static SPAWNED: AtomicU32 = AtomicU32::new(0);
        let node = if number == 0 { &self.home } else { &self.away };
        let name = format!("part-{}", SPAWNED.fetch_add(1, Ordering::Relaxed));
        let actor = node.spawn(Player::default());
        node.register(&name, &actor).expect("the name is free");
        let actor: ActorRef<Protocol> = self.home.resolve(&name).await.expect("it is registered");
        self.known.push(actor.clone());
        Part {
            actor,
            is_alive: true,
            steps: 0,
        }
    }

    async fn run(mut self) -> BTreeMap<u64, String> {
        for _ in 0..ROUNDS {
            match self.random.random_range(0..12) {
                0 => self.end_one(Protocol::Stop).await,
                1 => self.end_one(Protocol::Panic).await,
                2 => self.give_one_up().await,
                3..5 => self.release().await,
                _ => self.ask_some().await,
            }
            self.settle().await;
        }
        self.release().await;
        for number in 0..ACTORS {
            self.end(number, Protocol::Stop).await;
        }
        for (number, asked) in std::mem::take(&mut self.under_way) {
            let outcome = watched(asked).await;
            self.log.insert(number, outcome.expect("it ends"));
        }
        self.mint.stop();
        self.log
    }

    /// Asks several things at once, of one actor.
    async fn ask_some(&mut self) {
        let first = self.random.random_range(0..ACTORS);
        for _ in 0..self.random.random_range(1..8) {
            let hops = self.random.random_range(0..4);
            let route: Vec<_> = (0..hops)
                .map(|_| self.random.random_range(0..ACTORS))
                .collect();
            let action = match self.random.random_range(0..4) {
                0 => Action::Drop,
                1 => Action::Keep,
                _ => Action::Answer,
            };
            let tree = self.tree().await;
            self.expect_steps(first, &route);
            let route = route
                .iter()
                .rev()
                .map(|to| self.parts[*to].actor.clone())
                .collect();
            let number = self.next_number();
            let actor = self.parts[first].actor.clone();
            let known = self.known.clone();
            self.begin(number, async move {
                let ask = actor.ask(|reply| {
                    Protocol::Step(Step {
                        number,
                        tree,
                        route,
                        action,
                        reply: Some(reply),
                    })
                });
                outcome(ask.timeout(GRACE).await, &known)
            })
            .await;
        }
    }

    /// Notes who will handle a step, as far as the living pass it on.
    fn expect_steps(&mut self, first: usize, route: &[usize]) {
        for at in std::iter::once(&first).chain(route) {
            let part = &mut self.parts[*at];
            if !part.is_alive {
                return;
            }
            part.steps += 1;
        }
    }

    /// Waits until every step so far was handled.
    async fn settle(&self) {
        for part in self.parts.iter().filter(|part| part.is_alive) {
            watched(async {
                loop {
                    let handled = part.actor.ask(|reply| Protocol::Handled { reply });
                    if handled.await.expect("it lives") == part.steps {
                        return;
                    }
                    task::yield_now().await;
                }
            })
            .await;
        }
    }

    async fn release(&mut self) {
        for part in self.parts.iter().filter(|part| part.is_alive) {
            let order = self.random.random();
            let release = part.actor.send(Protocol::Release { order }).await;
            release.expect("it lives");
        }
    }

    /// Ends an actor, and puts another in its place, or not.
    async fn end_one(&mut self, how: Protocol) {
        let number = self.random.random_range(0..ACTORS);
        self.end(number, how).await;
        if self.random.random_bool(0.7) {
            self.parts[number] = self.spawn(number).await;
        }
    }

    async fn end(&mut self, number: usize, how: Protocol) {
        let part = &mut self.parts[number];
        if !std::mem::replace(&mut part.is_alive, false) {
            return;
        }
        let told = part.actor.send(how).await;
        told.expect("it lives");
        watched(async {
            // The ref learns of it with the answer to some ask.
            while part
                .actor
                .ask(|reply| Protocol::Handled { reply })
                .await
                .is_ok()
                || !part.actor.is_closed()
            {
                task::yield_now().await;
            }
        })
        .await;
    }

    /// Drops an ask that is under way, perhaps after its answer came.
    async fn give_one_up(&mut self) {
        if self.under_way.is_empty() {
            return;
        }
        let which = self.random.random_range(0..self.under_way.len());
        let number = *self.under_way.keys().nth(which).expect("it is one of them");
        let asked = self.under_way.remove(&number).expect("it is there");
        asked.abort();
        // Dropped, or done.
        let _ = watched(asked).await;
        self.log.insert(number, "given up".into());
    }

    async fn begin(&mut self, number: u64, ask: impl Future<Output = String> + Send + 'static) {
        let asked = begun(ask).await;
        self.under_way.insert(number, asked);
    }

    async fn tree(&mut self) -> Tree {
        match self.random.random_range(0..5) {
            0 => Tree::Nothing,
            1 => Tree::Number(self.random.random()),
            2 if self.random.random() => Tree::Maybe(None),
            2 => Tree::Maybe(Some(self.branch().await)),
            3 => {
                let mut branches = Vec::new();
                for _ in 0..self.random.random_range(0..6) {
                    branches.push(self.branch().await);
                }
                Tree::Many(branches)
            }
            _ => Tree::Both {
                left: self.branch().await,
                right: Some(self.branch().await),
            },
        }
    }

    async fn branch(&mut self) -> Branch {
        match self.random.random_range(0..7) {
            0 => Branch::Flag(self.random.random()),
            1 => Branch::Text(self.text()),
            2 => {
                let words = self.random.random_range(0..5);
                let word =
                    |script: &mut Self| script.random.random_bool(0.5).then(|| script.text());
                Branch::Words((0..words).map(|_| word(self)).collect())
            }
            3 => Branch::Pair(self.random.random(), Ok(self.random.random())),
            4 => Branch::Pair(self.random.random(), Err(self.text())),
            5 => {
                let which = self.random.random_range(0..self.known.len());
                Branch::Actor(self.known[which].clone())
            }
            _ => self.port().await,
        }
    }

    /// A port of an ask of its own.
    async fn port(&mut self) -> Branch {
        let number = self.next_number();
        let (mint, known) = (self.mint.clone(), self.known.clone());
        self.begin(number, async move {
            let asked = mint.ask(|reply| reply).timeout(GRACE).await;
            outcome(asked, &known)
        })
        .await;
        let port = watched(self.minted.recv()).await.expect("the mint lives");
        Branch::Port { number, port }
    }

    fn text(&mut self) -> String {
        let chars = self.random.random_range(0..40);
        (0..chars)
            .map(|_| self.random.random_range('a'..='ž'))
            .collect()
    }

    fn next_number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }
}

/// What an ask came to, in words that are the same wherever its actor lives.
fn outcome<M>(asked: Result<Answer, AskError<M>>, known: &[ActorRef<Protocol>]) -> String {
    match asked {
        Ok(Answer {
            number,
            tree,
            actors,
        }) => {
            let place = |actor| known.iter().position(|other| other == actor);
            let actors: Vec<_> = actors.iter().map(place).collect();
            format!("{number}: {tree} {actors:?}")
        }
        Err(AskError::NotSent(SendError::ActorDown { reason, .. })) => format!("gone: {reason}"),
        Err(other) => format!("{other:?}"),
    }
}

fn shuffle<T>(items: &mut [T], random: &mut SmallRng) {
    for at in (1..items.len()).rev() {
        items.swap(at, random.random_range(0..=at));
    }
}

/// A generous time for what must come about.
async fn watched<F: Future>(future: F) -> F::Output {
    let come = time::timeout(GRACE * 2, future).await;
    come.expect("it has not come about")
}

/// Runs a future as a task, and comes back once it waits for something.
async fn begun<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let (begin, mut has_begun) = mpsc::channel(1);
    let running = task::spawn(async move {
        let mut future = pin!(future);
        poll_fn(|cx| {
            let poll = Pin::new(&mut future).poll(cx);
            // Full, or gone: the test has been told.
            let _ = begin.try_send(());
            poll
        })
        .await
    });
    has_begun.recv().await.expect("it is polled");
    running
}

async fn play(seed: u64, place: Place) -> BTreeMap<u64, String> {
    match place {
        Place::OneNode => {
            let node = Node::builder("only").start().await.expect("it starts");
            let script = Script::new(seed, node.clone(), node.clone()).await;
            let log = script.run().await;
            node.shutdown(GRACE).await.expect("all actors end");
            log
        }
        Place::TwoNodes(transport) => {
            let pair = Pair::over(transport).await;
            let script = Script::new(seed, pair.client.clone(), pair.server.clone()).await;
            let log = script.run().await;
            for link in pair.client.links().iter().chain(&pair.server.links()) {
                watched(async {
                    while (link.pending_asks(), link.bindings()) != (0, 0) {
                        task::yield_now().await;
                    }
                })
                .await;
            }
            pair.shutdown().await;
            log
        }
    }
}

async fn a_random_protocol_comes_to_the_same_outcomes_as_on_one_node(transport: Transport) {
    for seed in 0..SCRIPTS {
        let here = play(seed, Place::OneNode).await;
        let there = play(seed, Place::TwoNodes(transport)).await;
        assert!(here.len() > ROUNDS, "seed {seed}: {} asks", here.len());
        for (number, outcome) in &here {
            let other = there.get(number);
            assert_eq!(Some(outcome), other, "seed {seed}, ask {number}");
        }
        assert_eq!(here.len(), there.len(), "seed {seed}");
    }
}

over_every_transport!(a_random_protocol_comes_to_the_same_outcomes_as_on_one_node,);
