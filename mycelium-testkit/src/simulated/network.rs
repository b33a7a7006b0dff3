//! [`Network`]: two nodes, the wires between them and the clock, all decided by one seed.

use std::collections::VecDeque;

use fastrand::Rng;
use mycelium::wire::{Check, CloseReason, EndReason};

use crate::{
    Choices,
    simulated::{
        account::Account,
        connection::BINDINGS,
        endpoint::{ACTORS, Endpoint, Trust},
    },
};

/// How long the nodes begin new things.
const BUSY_US: u64 = 60_000;

/// How often a node does something and writes what it has.
const TICK_US: u64 = 100;

/// The time in which all that was begun must have come to its end.
const DRAIN_US: u64 = 2_000_000;

/// Two nodes whose connection delays bytes, cuts them into pieces, breaks, and is made again.
pub struct Network {
    random: Rng,
    nodes: [Endpoint; 2],
    /// From each node to the other.
    wires: [Wire; 2],
    check: Check,
    now_us: u64,
    /// When each node has its turn.
    ticks_us: [u64; 2],
    /// When the next connection is made, while there is none.
    connects_us: Option<u64>,
    outcome: Outcome,
}

/// What a run was made of.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    /// Connections that broke.
    pub cuts: u64,
    /// Bits that changed on their way.
    pub flips: u64,
    /// The messages of both nodes.
    pub account: Account,
}

/// What is on its way in one direction.
#[derive(Default)]
struct Wire {
    delay_us: u64,
    pieces: VecDeque<(u64, Piece)>,
    latest_us: u64,
    is_cut: bool,
}

enum Piece {
    Bytes(Vec<u8>),
    /// Whoever reads learns that the connection is lost.
    End,
}

impl Network {
    /// Makes the network of this seed. Odd ones have links with checks, and change bits too.
    pub fn new(seed: u64) -> Self {
        let check = if seed.is_multiple_of(2) {
            Check::None
        } else {
            Check::Crc32c
        };
        Self {
            random: Rng::with_seed(seed),
            nodes: [Trust::Honest; 2].map(Endpoint::new),
            wires: Default::default(),
            check,
            now_us: 0,
            ticks_us: [0, TICK_US / 2],
            connects_us: Some(0),
            outcome: Outcome::default(),
        }
    }

    /// Lets the nodes work, and then end what they began.
    ///
    /// # Panics
    ///
    /// Where a message is missing, comes twice, out of order or changed, where a count is not true,
    /// and where anything is left at the end.
    pub fn run(mut self) -> Outcome {
        while self.now_us < BUSY_US {
            self.step();
        }
        // A changed length makes a reader wait for bytes that do not come: only a cut ends that.
        if self.outcome.flips > 0 {
            self.cut();
        }
        while !self.is_at_rest() {
            assert!(self.now_us < BUSY_US + DRAIN_US, "something never ends");
            self.step();
        }
        let mut outcome = self.outcome;
        for account in self.accounts() {
            assert_eq!(account.in_flight, 0, "{account:?}");
            outcome.account += account;
        }
        outcome
    }

    /// Goes on to the next thing that happens.
    fn step(&mut self) {
        let arrivals = self.wires.iter().map(Wire::next_us);
        let times = arrivals.chain(self.ticks_us).chain(self.connects_us);
        self.now_us = times.min().expect("there are two ticks");
        self.connect_when_due();
        for number in [0, 1] {
            self.deliver(number);
            if self.ticks_us[number] <= self.now_us {
                self.ticks_us[number] += TICK_US;
                self.tick(number);
            }
        }
        if self.is_busy() && self.random.one_in(400) {
            self.cut();
        }
        self.check();
    }

    fn is_busy(&self) -> bool {
        self.now_us < BUSY_US
    }

    fn is_at_rest(&self) -> bool {
        let is_empty = |wire: &Wire| wire.pieces.is_empty();
        self.nodes.iter().all(Endpoint::is_at_rest) && self.wires.iter().all(is_empty)
    }

    fn connect_when_due(&mut self) {
        if self.connects_us.is_none_or(|due_us| due_us > self.now_us) {
            return;
        }
        self.connects_us = None;
        for number in [0, 1] {
            self.wires[number] = Wire::new(&mut self.random);
            let nonce = u128::from(self.random.u64(..)) << 1 | number as u128;
            self.nodes[number].connect(nonce, self.check);
        }
    }

    /// What a node does in its turn.
    fn tick(&mut self, number: usize) {
        let is_busy = self.is_busy();
        let node = &mut self.nodes[number];
        for actor in 0..ACTORS {
            if is_busy {
                operate(node, actor, &mut self.random);
            } else {
                finish(node, actor, &mut self.random);
            }
        }
        let mut bytes = Vec::new();
        if !self.random.one_in(4) && node.write(&mut bytes) {
            self.carry(number, bytes);
        }
    }

    /// Puts what a node wrote on its way, in pieces.
    fn carry(&mut self, from: usize, mut bytes: Vec<u8>) {
        if self.check == Check::Crc32c && self.is_busy() && self.random.one_in(100) {
            let at = self.random.below(bytes.len());
            bytes[at] ^= 1 << self.random.below(8);
            self.outcome.flips += 1;
        }
        self.wires[from].carry(bytes, self.now_us, &mut self.random);
    }

    /// Hands over what has arrived at a node by now.
    fn deliver(&mut self, number: usize) {
        while self.wires[1 - number].next_us() <= self.now_us {
            let piece = self.wires[1 - number].pieces.pop_front();
            match piece.expect("it was looked at").1 {
                Piece::Bytes(bytes) => {
                    let result = self.nodes[number].read(&bytes, &mut self.random);
                    result.unwrap_or_else(|reason| self.refuse(number, &reason));
                }
                Piece::End => self.lose(number),
            }
        }
    }

    /// A node found that bytes have changed.
    fn refuse(&mut self, number: usize, reason: &CloseReason) {
        assert!(self.outcome.flips > 0, "nothing changed, and yet: {reason}");
        self.cut();
        self.nodes[number].lose();
    }

    fn lose(&mut self, number: usize) {
        self.nodes[number].lose();
        if !self.nodes.iter().any(Endpoint::is_connected) {
            let pause_us = self.random.u64(..2_000);
            self.connects_us = Some(self.now_us + pause_us);
        }
    }

    /// Breaks the connection, at any byte of what is on its way.
    fn cut(&mut self) {
        if self.connects_us.is_some() || self.wires.iter().any(|wire| wire.is_cut) {
            return;
        }
        self.outcome.cuts += 1;
        for wire in &mut self.wires {
            wire.cut(self.now_us, &mut self.random);
        }
    }

    fn accounts(&self) -> impl Iterator<Item = Account> {
        let accounts = |node: &Endpoint| [0, 1, 2, 3].map(|actor| node.account(actor));
        self.nodes.each_ref().map(accounts).into_iter().flatten()
    }

    /// Compares what each sender knows with what became of its messages.
    fn check(&self) {
        for (sender, receiver) in [(0, 1), (1, 0)] {
            self.nodes[sender].check_counts();
            for actor in 0..ACTORS {
                let account = self.nodes[sender].account(actor);
                let (handled, discarded) = self.nodes[receiver].fate(actor);
                let open = account.unknown + account.in_flight;
                let handled_is_known =
                    (account.confirmed..=account.confirmed + open).contains(&handled);
                let discarded_is_known =
                    (account.refused..=account.refused + open).contains(&discarded);
                assert!(
                    handled_is_known && discarded_is_known,
                    "{handled} handled and {discarded} discarded of {account:?}"
                );
                assert!(handled + discarded <= account.accepted, "{account:?}");
            }
        }
    }
}

impl Wire {
    /// From the same host to the far side of the world.
    fn new(random: &mut Rng) -> Self {
        Self {
            delay_us: 20 << random.below(8),
            ..Self::default()
        }
    }

    fn next_us(&self) -> u64 {
        self.pieces.front().map_or(u64::MAX, |&(at_us, _)| at_us)
    }

    fn carry(&mut self, bytes: Vec<u8>, now_us: u64, random: &mut Rng) {
        if self.is_cut {
            return;
        }
        let most_bytes = 1 << random.below(17);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(rest.len().min(1 + random.below(most_bytes)));
            rest = behind;
            self.put(Piece::Bytes(piece.to_vec()), now_us, random);
        }
    }

    fn put(&mut self, piece: Piece, now_us: u64, random: &mut Rng) {
        let arrives_us = now_us + self.delay_us / 2 + random.u64(..=self.delay_us / 2);
        // A stream does not overtake itself.
        self.latest_us = self.latest_us.max(arrives_us);
        self.pieces.push_back((self.latest_us, piece));
    }

    /// Keeps the first of the bytes on their way, any number of them, and ends.
    fn cut(&mut self, now_us: u64, random: &mut Rng) {
        self.is_cut = true;
        self.pieces.truncate(random.below(self.pieces.len() + 1));
        if let Some((_, Piece::Bytes(last))) = self.pieces.back_mut() {
            last.truncate(random.below(last.len() + 1));
        }
        self.put(Piece::End, now_us, random);
    }
}

/// Something that a node does on its own account.
fn operate(node: &mut Endpoint, actor: usize, random: &mut Rng) {
    match random.below(14) {
        0 | 1 => {
            let capacity = u32::try_from(1 + random.below(40)).expect("it is small");
            node.bind(actor, random.u32(..BINDINGS), capacity);
        }
        2..7 => {
            let largest = if random.one_in(400) { 110_000 } else { 200 };
            let filling_bytes = random.below(largest);
            node.send(actor, filling_bytes);
        }
        7 => interfere(node, actor, random),
        8 => node.resolve(),
        9..12 => {
            let most_messages = random.below(8);
            node.act(actor, most_messages, random);
        }
        _ => node.report(actor),
    }
}

fn interfere(node: &mut Endpoint, actor: usize, random: &mut Rng) {
    match random.below(20) {
        0 => node.stop(actor),
        1 => node.kill(actor),
        2 => node.end(actor, &EndReason::Panicked("on purpose".into())),
        3..8 => node.unbind(actor),
        _ => {}
    }
}

/// Ends what was begun.
fn finish(node: &mut Endpoint, actor: usize, random: &mut Rng) {
    node.act(actor, usize::MAX, random);
    node.report(actor);
    node.unbind(actor);
}
