//! Two honest nodes whose bytes take their time, on a clock that only the test moves.
//!
//! The protocol has no timeouts: it must do with any delay, be up after one round trip and quiet one
//! round trip after the last new thing. What arrives, its order and its credit are checked by
//! [`Node::read`].

use std::{cmp::max, collections::VecDeque};

use mycelium_wire::Check;

use crate::pair::{IDS, Node, OPERATIONS, Pair, Random};

/// How long the nodes begin new things.
const BUSY_US: u64 = 50_000;

/// How often a node does something and writes what it has.
const TICK_US: u64 = 150;

#[test]
fn all_is_quiet_one_round_trip_after_the_last_word() {
    for seed in 0..40 {
        let check = if seed % 2 == 0 {
            Check::None
        } else {
            Check::Crc32c
        };
        Timed::new(seed, check).run();
    }
}

/// What is on its way in one direction, in order.
struct Wire {
    /// Every write takes between a half of this and all of it.
    delay_us: u64,
    /// When each write arrives, and its size.
    writes: VecDeque<(u64, usize)>,
    sent_bytes: usize,
    latest_us: u64,
}

impl Wire {
    /// From the same host to the far side of the world.
    fn new(random: &mut Random) -> Self {
        Self {
            delay_us: 20 << random.below(13),
            writes: VecDeque::new(),
            sent_bytes: 0,
            latest_us: 0,
        }
    }

    /// Takes what the node just wrote: the pipe holds it behind what has not arrived.
    fn carry(&mut self, node: &Node, now_us: u64, random: &mut Random) {
        let written_bytes = node.pipe.len() - self.sent_bytes;
        if written_bytes == 0 {
            return;
        }
        let half = usize::try_from(self.delay_us / 2).expect("seconds at most");
        let arrives_us = now_us + self.delay_us - random.below(half) as u64;
        // A stream does not overtake itself.
        self.latest_us = max(self.latest_us, arrives_us);
        self.writes.push_back((self.latest_us, written_bytes));
        self.sent_bytes += written_bytes;
    }

    fn next_us(&self) -> u64 {
        self.writes.front().map_or(u64::MAX, |&(at, _)| at)
    }

    fn arrive(&mut self, now_us: u64) -> usize {
        let mut bytes = 0;
        while self.next_us() <= now_us {
            bytes += self.writes.pop_front().map_or(0, |(_, size)| size);
        }
        self.sent_bytes -= bytes;
        bytes
    }
}

struct Timed {
    pair: Pair,
    /// From each node to the other.
    wires: [Wire; 2],
    /// When each node has its turn.
    ticks_us: [u64; 2],
    now_us: u64,
}

impl Timed {
    fn new(seed: u64, check: Check) -> Self {
        let mut pair = Pair::new(seed, check);
        let wires = [(); 2].map(|()| Wire::new(&mut pair.random));
        Self {
            pair,
            wires,
            ticks_us: [0, TICK_US / 2],
            now_us: 0,
        }
    }

    /// Each side's answer waits for one tick of it at most.
    fn round_trip_us(&self) -> u64 {
        self.wires.iter().map(|wire| wire.delay_us + TICK_US).sum()
    }

    fn run(mut self) {
        let seed = self.pair.seed;
        // The link comes up first.
        let busy_until_us = self.round_trip_us() + BUSY_US;
        let quiet_from_us = busy_until_us + TICK_US + self.round_trip_us();
        while self.now_us <= quiet_from_us {
            self.step(busy_until_us);
            self.pair.check_counts();
            let is_up = self.pair.nodes.iter().all(|node| node.is_up);
            let is_late = self.now_us > self.round_trip_us();
            assert!(is_up || !is_late, "seed {seed}: no link after a round trip");
        }
        let is_quiet = self.pair.nodes.iter().all(Node::is_at_rest);
        assert!(is_quiet, "seed {seed}: not at rest after a round trip");
        self.pair.check_rest();
    }

    /// Goes on to the next arrival or tick.
    fn step(&mut self, busy_until_us: u64) {
        let arrivals = self.wires.iter().map(Wire::next_us);
        let next_us = arrivals.chain(self.ticks_us).min();
        self.now_us = next_us.expect("there are four");
        for number in [0, 1] {
            self.receive(number);
            if self.ticks_us[number] <= self.now_us {
                self.ticks_us[number] += TICK_US;
                self.tick(number, self.now_us < busy_until_us);
            }
        }
    }

    fn receive(&mut self, number: usize) {
        let mut bytes = self.wires[1 - number].arrive(self.now_us);
        let Pair {
            seed,
            random,
            nodes: [left, right],
        } = &mut self.pair;
        let (node, peer) = if number == 0 {
            (left, right)
        } else {
            (right, left)
        };
        while bytes > 0 {
            let before = peer.pipe.len();
            node.read(peer, bytes, random, *seed);
            bytes -= before - peer.pipe.len();
        }
    }

    fn tick(&mut self, number: usize, is_busy: bool) {
        let Pair {
            seed,
            random,
            nodes,
        } = &mut self.pair;
        let node = &mut nodes[number];
        for id in 0..IDS {
            if is_busy {
                let operation = random.below(OPERATIONS);
                node.operate(id, operation, random, *seed);
            } else {
                node.finish(id, random);
            }
        }
        node.write();
        self.wires[number].carry(node, self.now_us, random);
    }
}
