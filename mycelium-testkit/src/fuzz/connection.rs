//! The target `connection`: two nodes that do anything, over bytes that may be forged.

use mycelium::wire::{BindingId, Check, EndReason, FrameKind, Header};

use crate::{
    Choices,
    fuzz::{script::Script, stream::seal},
    simulated::{ACTORS, BINDINGS, Endpoint, Trust},
};

/// Lets two nodes do what the bytes say, delivers what they write in pieces, and forges frames
/// between those where the first byte allows it.
///
/// # Panics
///
/// Where a count of messages is not true; and, as long as nothing is forged, where a message is
/// missing, comes twice or out of order, or where anything is left at the end.
pub fn connection(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let mut pair = Pair::new(script.byte());
    while !script.is_over() {
        pair.step(&mut script);
        pair.nodes.iter().for_each(Endpoint::check_counts);
    }
    if !pair.is_forged {
        pair.settle();
    }
}

struct Pair {
    nodes: [Endpoint; 2],
    /// What each node wrote and the other has not read.
    pipes: [Vec<u8>; 2],
    check: Check,
    may_forge: bool,
    is_forged: bool,
    connections: u128,
}

impl Pair {
    const CHECKED: u8 = 1;
    const HANDSHAKE_FIRST: u8 = 2;
    const HONEST: u8 = 4;

    fn new(options: u8) -> Self {
        let check = if options & Self::CHECKED == 0 {
            Check::None
        } else {
            Check::Crc32c
        };
        let mut pair = Self {
            nodes: [Trust::Honest; 2].map(Endpoint::new),
            pipes: Default::default(),
            check,
            may_forge: options & Self::HONEST == 0,
            is_forged: false,
            connections: 0,
        };
        pair.reconnect();
        if options & Self::HANDSHAKE_FIRST != 0 {
            for _ in 0..2 {
                pair.exchange(&mut Script::new(&[]));
            }
        }
        pair
    }

    fn reconnect(&mut self) {
        self.connections += 1;
        for (number, node) in (0..).zip(&mut self.nodes) {
            node.lose();
            node.connect(self.connections << 1 | number, self.check);
        }
        self.pipes.iter_mut().for_each(Vec::clear);
    }

    fn step(&mut self, script: &mut Script<'_>) {
        let number = script.below(2);
        let actor = script.below(ACTORS);
        let node = &mut self.nodes[number];
        match script.below(20) {
            0 | 1 => {
                let id = u32::from(script.byte()) % BINDINGS;
                node.bind(actor, id, u32::from(script.byte()));
            }
            2..6 => node.send(actor, usize::from(script.byte())),
            6 => node.send(actor, usize::from(u16::from_le_bytes(script.array())) * 2),
            7 => {
                let most_messages = usize::from(script.byte());
                node.act(actor, most_messages, script);
            }
            8 => node.report(actor),
            9 => node.stop(actor),
            10 => node.kill(actor),
            11 => node.end(actor, &EndReason::Failed("on purpose".into())),
            12 => node.unbind(actor),
            13 => node.resolve(),
            14 => drop(node.write(&mut self.pipes[number])),
            15 => self.deliver(1 - number, usize::from(script.byte()), script),
            16 => self.deliver(1 - number, usize::MAX, script),
            17 if self.may_forge => self.forge(number, script),
            18 if self.may_forge => self.flip(number, script),
            19 => self.reconnect(),
            _ => {}
        }
    }

    /// Lets a node read what the other wrote, up to so many bytes.
    fn deliver(&mut self, to: usize, most_bytes: usize, choices: &mut impl Choices) {
        let pipe = &mut self.pipes[1 - to];
        let bytes: Vec<_> = pipe.drain(..most_bytes.min(pipe.len())).collect();
        let node = &mut self.nodes[to];
        let result = node.read(&bytes, choices);
        assert!(result.is_ok() || self.is_forged, "{result:?}");
        node.check_counts();
        if result.is_err() || node.is_closed() {
            self.reconnect();
        }
    }

    /// Puts a frame behind those that a node wrote.
    fn forge(&mut self, from: usize, script: &mut Script<'_>) {
        let kind = FrameKind::ALL[script.below(FrameKind::ALL.len())];
        let options = script.byte();
        let binding = BindingId::from_u32(u32::from(script.byte()) % (BINDINGS + 2));
        let count = usize::from(script.byte());
        let payload = script.bytes(count);
        let mut header = Header {
            binding,
            ..Header::new(kind).with_payload(payload.len())
        };
        if options & 1 != 0 {
            header.sequence = u32::from(script.byte());
        }
        if options & 2 != 0 {
            header.request = u64::from_le_bytes(script.array());
        }
        if options & 4 != 0 {
            header.length = u32::from_le_bytes(script.array());
        }
        if options & 16 != 0 {
            header.flags = script.byte();
        }
        let mut frame = [&header.encode(), payload].concat();
        if options & 8 != 0 {
            let at = script.below(frame.len());
            frame[at] = script.byte();
        }
        frame.resize(frame.len().next_multiple_of(16), 0);
        if self.check == Check::Crc32c {
            seal(&mut frame);
        }
        self.distrust();
        self.pipes[from].extend(frame);
    }

    fn flip(&mut self, from: usize, script: &mut Script<'_>) {
        let at = script.below(self.pipes[from].len());
        let bits = script.byte();
        if let Some(byte) = self.pipes[from].get_mut(at) {
            *byte ^= bits;
            self.distrust();
        }
    }

    fn distrust(&mut self) {
        self.is_forged = true;
        self.nodes.iter_mut().for_each(Endpoint::distrust);
    }

    /// Lets both write all that they have and read all of it.
    fn exchange(&mut self, choices: &mut impl Choices) {
        for from in [0, 1] {
            self.nodes[from].write(&mut self.pipes[from]);
        }
        for to in [0, 1] {
            self.deliver(to, usize::MAX, choices);
        }
    }

    /// Nothing new is begun; all that was comes to its end.
    fn settle(&mut self) {
        const ROUNDS: usize = 20;
        let mut silence = Script::new(&[]);
        for _ in 0..ROUNDS {
            for node in &mut self.nodes {
                for actor in 0..ACTORS {
                    node.act(actor, usize::MAX, &mut silence);
                    node.report(actor);
                    node.unbind(actor);
                }
            }
            self.exchange(&mut silence);
            if self.nodes.iter().all(Endpoint::is_at_rest) {
                return self.check_fates();
            }
        }
        panic!("never at rest");
    }

    /// Compares what each sender knows with what became of its messages.
    fn check_fates(&self) {
        for (sender, receiver) in [(0, 1), (1, 0)] {
            for actor in 0..ACTORS {
                let account = self.nodes[sender].account(actor);
                let (handled, discarded) = self.nodes[receiver].fate(actor);
                assert_eq!(account.in_flight, 0);
                assert!(account.confirmed <= handled && account.refused <= discarded);
                assert!(handled + discarded <= account.accepted, "{account:?}");
            }
        }
    }
}
