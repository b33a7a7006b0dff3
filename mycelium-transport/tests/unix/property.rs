//! Whatever a sender does and whenever the link is lost: nothing twice, nothing out of order,
//! nothing handled that was not accepted, nothing lost without a loss of the link.

use std::collections::HashMap;

use mycelium_core::{Actor, ActorRef, ActorResult, Context, LocalRef, Node, SendError};
use mycelium_registry::Registry;
use mycelium_wire::ActorId;
use proptest::{prelude::*, test_runner::Config};
use tokio::{
    select,
    sync::{mpsc, oneshot, watch},
    task,
};

use crate::{
    reconnect::Proxied,
    support::{Tick, proxy::Pass, until, watched},
};

/// What the sender does next.
#[derive(Clone, Copy, Debug)]
enum Step {
    TrySend(u8),
    Send(u8),
    DropRef,
    Stop,
    Kill,
    Cut,
    /// The actor handles nothing until the next `Send`.
    Pause,
    GiveWay,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => any::<u8>().prop_map(Step::TrySend),
        4 => any::<u8>().prop_map(Step::Send),
        2 => Just(Step::DropRef),
        1 => Just(Step::Stop),
        1 => Just(Step::Kill),
        2 => Just(Step::Cut),
        2 => Just(Step::Pause),
        2 => Just(Step::GiveWay),
    ];
    prop::collection::vec(step, 1..40)
}

/// Tells which life of the actor handled what.
struct Recorder {
    life: u32,
    handled: mpsc::UnboundedSender<(u32, u64)>,
    paused: watch::Receiver<bool>,
}

impl Actor for Recorder {
    type Message = Tick;

    async fn handle(&mut self, tick: Tick, _cx: &mut Context<Self>) -> ActorResult {
        self.paused.wait_for(|is_paused| !is_paused).await?;
        self.handled.send((self.life, tick.sequence))?;
        Ok(())
    }
}

/// Keeps an actor under the name `ticks`, and says which life has which id.
async fn keep_alive(
    node: Node,
    handled: mpsc::UnboundedSender<(u32, u64)>,
    paused: watch::Receiver<bool>,
    lives: mpsc::UnboundedSender<(ActorId, u32)>,
) {
    for life in 0.. {
        let actor = node.spawn(Recorder {
            life,
            handled: handled.clone(),
            paused: paused.clone(),
        });
        lives.send((actor.id(), life)).expect("the test runs");
        // The name of the life before goes with it.
        until(|| node.register("ticks", &actor).is_ok() || actor.is_closed()).await;
        let ActorRef::Local(local) = actor else {
            unreachable!("it was spawned here")
        };
        ended(local).await;
    }
}

async fn ended(actor: LocalRef<Tick>) {
    let (tell, told) = oneshot::channel();
    // The task that waits may have been aborted.
    actor.on_end(move |_| tell.send(()).unwrap_or(()));
    told.await.expect("it is told");
}

struct Sender {
    nodes: Proxied,
    to: Option<ActorRef<Tick>>,
    next: u64,
    accepted: Vec<(ActorId, u64)>,
    paused: watch::Sender<bool>,
    has_lost: bool,
    is_cut: bool,
}

impl Sender {
    async fn step(&mut self, step: Step) {
        match step {
            Step::TrySend(count) => {
                for _ in 0..count {
                    self.try_send().await;
                }
            }
            Step::Send(count) => {
                self.restore();
                self.paused.send_replace(false);
                for _ in 0..count {
                    self.send().await;
                }
            }
            Step::DropRef => self.to = None,
            Step::Stop => self.found().await.stop(),
            Step::Kill => self.found().await.kill(),
            Step::Cut => {
                self.nodes.proxy.cut().await;
                (self.has_lost, self.is_cut) = (true, true);
            }
            Step::Pause => {
                self.paused.send_replace(true);
            }
            Step::GiveWay => task::yield_now().await,
        }
    }

    fn restore(&mut self) {
        if std::mem::take(&mut self.is_cut) {
            self.nodes.proxy.restore();
        }
    }

    /// The ref at hand, or a new one.
    async fn found(&mut self) -> ActorRef<Tick> {
        while self.to.is_none() {
            self.restore();
            self.to = self.nodes.client.resolve("ticks").await.ok();
            task::yield_now().await;
        }
        self.to.clone().expect("it was found")
    }

    async fn try_send(&mut self) {
        let to = self.found().await;
        match to.try_send(Tick::number(self.next)) {
            Ok(()) => self.was_accepted(&to),
            Err(SendError::Full(_) | SendError::LinkDown(_)) => {}
            Err(_gone) => self.to = None,
        }
    }

    /// Sends to whichever life takes it.
    async fn send(&mut self) {
        loop {
            let to = self.found().await;
            if to.send(Tick::number(self.next)).await.is_ok() {
                return self.was_accepted(&to);
            }
            self.to = None;
        }
    }

    fn was_accepted(&mut self, to: &ActorRef<Tick>) {
        self.accepted.push((to.id(), self.next));
        self.next += 1;
    }
}

async fn hold(steps: Vec<Step>) {
    let nodes = Proxied::start(Pass::Plain).await;
    let (handled, mut was_handled) = mpsc::unbounded_channel();
    let (paused, is_paused) = watch::channel(false);
    let (lives, mut has_lived) = mpsc::unbounded_channel();
    let keeping = keep_alive(nodes.server.clone(), handled, is_paused, lives);
    let keeping = task::spawn(keeping);
    let mut sender = Sender {
        nodes,
        to: None,
        next: 0,
        accepted: Vec::new(),
        paused,
        has_lost: false,
        is_cut: false,
    };
    for step in steps {
        sender.step(step).await;
    }

    // The link is whole from here on, and the actor is not asked to end any more.
    sender.restore();
    sender.paused.send_replace(false);
    let mut seen = Vec::new();
    let clean = loop {
        sender.to = None;
        sender.found().await;
        let first = sender.next;
        for _ in 0..100 {
            sender.send().await;
        }
        // An end that was asked for before may have come between.
        let last = sender.found().await;
        let handled = async {
            while seen
                .last()
                .is_none_or(|(_, sequence)| *sequence != sender.next - 1)
            {
                seen.push(was_handled.recv().await.expect("the actor lives"));
            }
        };
        let is_handled = select! {
            () = handled => true,
            () = until(|| last.is_closed()) => false,
        };
        let mut lives = sender.accepted.iter().rev().take(100).map(|(id, _)| *id);
        if is_handled && lives.all(|id| id == last.id()) {
            break first;
        }
    };
    keeping.abort();
    sender.to = None;
    sender.nodes.shutdown().await;
    while let Some(one) = was_handled.recv().await {
        seen.push(one);
    }
    let mut life_of = HashMap::new();
    while let Some((id, life)) = has_lived.recv().await {
        life_of.insert(id, life);
    }
    check(&sender.accepted, &seen, &life_of, sender.has_lost, clean);
}

fn check(
    accepted: &[(ActorId, u64)],
    handled: &[(u32, u64)],
    life_of: &HashMap<ActorId, u32>,
    has_lost: bool,
    clean: u64,
) {
    let accepted: Vec<(u32, u64)> = accepted
        .iter()
        .map(|(id, sequence)| (life_of[id], *sequence))
        .collect();
    let mut last = HashMap::new();
    for (life, sequence) in handled {
        let before = last.insert(*life, *sequence);
        assert!(before < Some(*sequence), "{sequence} after {before:?}");
        assert!(
            accepted.contains(&(*life, *sequence)),
            "{sequence} was not sent to life {life}"
        );
    }
    let last_life = accepted.last().expect("a hundred were sent").0;
    for (life, sequence) in &accepted {
        let is_safe = *sequence >= clean || (!has_lost && *life == last_life);
        assert!(
            !is_safe || handled.contains(&(*life, *sequence)),
            "{sequence} was lost"
        );
    }
}

proptest! {
    #![proptest_config(Config { cases: 24, failure_persistence: None, ..Config::default() })]

    #[test]
    fn nothing_comes_twice_or_out_of_order_or_from_nowhere(steps in steps()) {
        eprintln!("{steps:?}");
        watched(hold(steps));
    }
}
