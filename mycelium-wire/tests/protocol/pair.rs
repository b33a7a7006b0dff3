//! Two honest nodes joined by pipes of bytes, doing everything in a random order.

use std::collections::{HashSet, VecDeque};

use mycelium_wire::{
    ActorId, Bind, BindingId, Check, Credit, EndReason, Event, ExportKey, Limits, ReceiveHalf,
    ReplyFailure, Resolved, SendHalf, SendRefused, Window, frame_bytes,
    rkyv::{ser::allocator::Arena, util::AlignedVec},
};

use crate::support::{binding, describe, hello, read_some};

pub(crate) const IDS: u32 = 6;
pub(crate) const OPERATIONS: usize = 13;
const STEPS: usize = 600;

#[test]
fn two_nodes_agree_on_every_message_in_any_order_of_operations() {
    for seed in 0..100 {
        let check = if seed % 2 == 0 {
            Check::None
        } else {
            Check::Crc32c
        };
        let mut pair = Pair::new(seed, check);
        pair.run();
        pair.settle();
    }
}

/// `SplitMix64`: small, and the same everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("below a usize")
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

/// The target's side of a binding: an actor that takes messages, and answers each, when it is told
/// to.
#[derive(Default)]
struct Actor {
    window: Option<Window>,
    queue: VecDeque<Queued>,
    queued_bytes: usize,
    credit: Credit,
    reported: Credit,
    has_ended: bool,
    is_unbinding: bool,
}

impl Actor {
    fn receive(&mut self, queued: Queued, seed: u64) {
        let window = self.window.unwrap_or(Window::initial(u32::MAX));
        assert!(
            self.queue.len() < window.messages as usize,
            "seed {seed}: too many messages"
        );
        assert!(
            self.queue.is_empty() || self.queued_bytes + queued.charge <= window.bytes as usize,
            "seed {seed}: too many bytes"
        );
        self.queued_bytes += queued.charge;
        self.queue.push_back(queued);
    }

    /// Takes a message, and gives back the request that is in it.
    fn take_one(&mut self) -> Option<u64> {
        let Queued { request, charge } = self.queue.pop_front()?;
        self.queued_bytes -= charge;
        self.credit.returned_bytes += charge as u64;
        if self.has_ended {
            self.credit.refused += 1;
        } else {
            self.credit.confirmed += 1;
        }
        Some(request)
    }
}

/// A message in an actor's queue.
struct Queued {
    request: u64,
    charge: usize,
}

/// Every message asks something: what it asks is named by the message.
fn request_of(binding: BindingId, sequence: u32) -> u64 {
    u64::from(binding.as_u32()) << 32 | u64::from(sequence)
}

/// One node: both of its halves, its actors, and what it sent that has not arrived.
pub(crate) struct Node {
    send: SendHalf,
    receive: ReceiveHalf,
    spare: AlignedVec<16>,
    pub(crate) pipe: VecDeque<u8>,
    /// What the peer must see, in order.
    expected: VecDeque<String>,
    actors: Vec<Option<Actor>>,
    sent: u64,
    unanswered: HashSet<u64>,
    pub(crate) is_up: bool,
}

impl Node {
    fn new(local_nonce: u128, check: Check) -> Self {
        let limits = Limits {
            message_bytes: 400_000,
            bindings: IDS,
            ..Limits::default()
        };
        let mut node = Self {
            send: SendHalf::new(limits, check),
            receive: ReceiveHalf::new(limits, local_nonce, check),
            spare: AlignedVec::new(),
            pipe: VecDeque::new(),
            expected: VecDeque::new(),
            actors: (0..IDS).map(|_| None).collect(),
            sent: 0,
            unanswered: HashSet::new(),
            is_up: false,
        };
        let hello = hello("node", local_nonce);
        node.send.hello(&hello).expect("fits");
        node.expect(&Event::Hello(Box::new(hello)));
        node
    }

    fn expect(&mut self, event: &Event<'_>) {
        self.expected.push_back(describe(event));
    }

    /// Puts what waits into the pipe.
    pub(crate) fn write(&mut self) {
        if self.send.poll_transmit(&mut self.spare) {
            self.pipe.extend(self.spare.iter());
        }
    }

    fn bind(&mut self, number: u32, capacity_messages: u32) {
        let id = binding(number);
        if self.send.credit_window(id).is_some() {
            return;
        }
        // The actor's number tells the target what capacity to grant.
        let bind = Bind {
            actor: ActorId::from_u64(capacity_messages.into()),
            key: ExportKey::from_u64(1),
            fingerprint: 2,
            type_name: "Vec".into(),
        };
        self.send.bind(id, &bind, capacity_messages);
        self.expect(&Event::Bind { binding: id, bind });
    }

    fn send_message(&mut self, number: u32, payload_bytes: usize, seed: u64) {
        let id = binding(number);
        let mut message = vec![0_u8; payload_bytes];
        let marked = payload_bytes.min(8);
        message[..marked].copy_from_slice(&self.sent.to_le_bytes()[..marked]);
        let archive = archive_of(&message);
        let charge = frame_bytes(archive.len());
        let window = self.send.credit_window(id).cloned();
        let has_room = self.send.is_bound(id)
            && window
                .as_ref()
                .is_some_and(|window| window.has_room(charge));
        let before = self.send.pending_bytes();
        let result = self
            .send
            .send(id, &mut (), &mut |encoder| encoder.encode(&message));
        match result {
            Ok(()) => {
                assert!(has_room, "seed {seed}: sent without credit");
                self.sent += 1;
                let accepted = window.map_or(0, |window| window.accepted());
                let sequence = u32::try_from(accepted + 1).expect("few");
                let is_new = self.unanswered.insert(request_of(id, sequence));
                assert!(is_new, "seed {seed}: an answer is missing");
                self.expected
                    .push_back(format!("Message {id} #{sequence} {archive:?}"));
            }
            Err(SendRefused::NoCredit) => {
                assert!(!has_room, "seed {seed}: refused in spite of credit");
                assert_eq!(self.send.pending_bytes(), before, "seed {seed}");
            }
            Err(other) => panic!("seed {seed}: {other}"),
        }
    }

    fn stop_kill_or_unbind(&mut self, number: u32, choice: usize) {
        let binding = binding(number);
        if !self.send.is_bound(binding) {
            return;
        }
        match choice {
            0 => {
                self.send.stop(binding);
                self.expect(&Event::Stop { binding });
            }
            1 => {
                self.send.kill(binding);
                self.expect(&Event::Kill { binding });
            }
            _ => {
                self.send.unbind(binding);
                self.expect(&Event::Unbind { binding });
            }
        }
    }

    fn resolve(&mut self, request: u64) {
        let name = format!("name/{request}");
        self.send.resolve(request, &name).expect("fits");
        self.expect(&Event::Resolve {
            request,
            name: &name,
        });
    }

    /// What nodes do on their own account, by a number below [`OPERATIONS`].
    pub(crate) fn operate(
        &mut self,
        number: u32,
        operation: usize,
        random: &mut Random,
        seed: u64,
    ) {
        match operation {
            _ if !self.is_up => {}
            0 => {
                let capacity = u32::try_from(1 + random.below(40)).expect("small");
                self.bind(number, capacity);
            }
            1..8 => {
                let largest = if random.one_in(20) { 60_000 } else { 900 };
                let payload_bytes = random.below(largest);
                self.send_message(number, payload_bytes, seed);
            }
            8 => {
                let choice = random.below(5);
                self.stop_kill_or_unbind(number, choice);
            }
            9 => self.resolve(random.next()),
            _ => self.act(number, random),
        }
    }

    /// The actor takes messages, answers, reports, ends or lets its binding go.
    fn act(&mut self, number: u32, random: &mut Random) {
        if self.actors[number as usize].is_none() {
            return;
        }
        if random.one_in(60) {
            self.end(number);
        }
        for _ in 0..random.below(4) {
            if let Some(request) = self.actor(number).take_one() {
                self.reply(request, random);
            }
        }
        if random.one_in(3) || self.lets_go(number) {
            self.report(number);
        }
    }

    /// The actor takes all that it has, answers it and says so.
    pub(crate) fn finish(&mut self, number: u32, random: &mut Random) {
        if self.actors[number as usize].is_none() {
            return;
        }
        while let Some(request) = self.actor(number).take_one() {
            self.reply(request, random);
        }
        self.report(number);
    }

    fn lets_go(&mut self, number: u32) -> bool {
        let actor = self.actor(number);
        actor.is_unbinding && actor.queue.is_empty()
    }

    fn end(&mut self, number: u32) {
        let actor = self.actor(number);
        if actor.has_ended {
            return;
        }
        actor.has_ended = true;
        let binding = binding(number);
        let reason = EndReason::Panicked("on purpose".into());
        self.send.ended(binding, &reason);
        self.expect(&Event::Ended { binding, reason });
    }

    fn report(&mut self, number: u32) {
        let binding = binding(number);
        let lets_go = self.lets_go(number);
        let actor = self.actor(number);
        if actor.credit != actor.reported {
            let credit = actor.credit;
            actor.reported = credit;
            self.send.credit(binding, credit);
            self.expect(&Event::Credit { binding, credit });
        }
        if lets_go {
            self.actors[number as usize] = None;
            self.send.unbound(binding);
            self.expect(&Event::Unbound { binding });
        }
    }

    /// Answers a request, one way or the other.
    fn reply(&mut self, request: u64, random: &mut Random) {
        if random.one_in(4) {
            let failure = ReplyFailure::Refused("on purpose".into());
            self.send.reply_failed(request, &failure);
            self.expect(&Event::ReplyFailed { request, failure });
            return;
        }
        let largest = if random.one_in(50) { 60_000 } else { 200 };
        let reply = vec![7_u8; random.below(largest)];
        self.send
            .reply(request, &mut (), &mut |encoder| encoder.encode(&reply))
            .expect("below the limit");
        let archive = archive_of(&reply);
        self.expected
            .push_back(format!("Reply {request} {archive:?}"));
    }

    /// Reads some of the peer's pipe and handles all that is complete.
    pub(crate) fn read(&mut self, peer: &mut Node, bytes: usize, random: &mut Random, seed: u64) {
        let arrived = peer.pipe.make_contiguous();
        let count = read_some(&mut self.receive, &arrived[..bytes.min(arrived.len())]);
        peer.pipe.drain(..count);
        loop {
            let event = self.receive.poll_event();
            let Some(event) = event.unwrap_or_else(|reason| panic!("seed {seed}: {reason}")) else {
                return;
            };
            let wanted = peer.expected.pop_front();
            assert_eq!(Some(describe(&event)), wanted, "seed {seed}");
            let answer = Answer::to(event);
            self.handle(answer, random, seed);
        }
    }

    fn handle(&mut self, answer: Answer, random: &mut Random, seed: u64) {
        let result = match answer {
            Answer::Nothing => Ok(()),
            Answer::Up => {
                self.is_up = true;
                Ok(())
            }
            Answer::Confirm(nonce) => {
                self.send.confirm(nonce, 0);
                self.expected.push_back("Up { epoch: 0 }".into());
                Ok(())
            }
            Answer::Bind(number, capacity) => {
                self.accept(number, capacity, random);
                Ok(())
            }
            Answer::Queue(number, queued) => {
                self.actor(number).receive(queued, seed);
                Ok(())
            }
            Answer::Answered(request) => {
                let was_asked = self.unanswered.remove(&request);
                assert!(was_asked, "seed {seed}: {request} is answered unasked");
                Ok(())
            }
            Answer::Unbind(number) => {
                self.actor(number).is_unbinding = true;
                Ok(())
            }
            Answer::Resolve(request) => {
                self.answer(request);
                Ok(())
            }
            Answer::Bound(number, window) => self.send.handle_bound(binding(number), window),
            Answer::Credit(number, credit) => self.send.handle_credit(binding(number), credit),
            Answer::Ended(number) => self.send.handle_ended(binding(number)).map(drop),
            Answer::Unbound(number) => self.send.handle_unbound(binding(number)),
        };
        assert_eq!(result, Ok(()), "seed {seed}");
    }

    fn actor(&mut self, number: u32) -> &mut Actor {
        self.actors[number as usize]
            .as_mut()
            .expect("a known binding")
    }

    fn accept(&mut self, number: u32, capacity_messages: u32, random: &mut Random) {
        let mut actor = Actor::default();
        let binding = binding(number);
        if random.one_in(6) {
            actor.has_ended = true;
            let reason = EndReason::NoSuchActor;
            self.send.ended(binding, &reason);
            self.expect(&Event::Ended { binding, reason });
        } else {
            let window = Window::full(capacity_messages, 400_000);
            actor.window = Some(window);
            self.send.bound(binding, window);
            self.expect(&Event::Bound { binding, window });
        }
        self.actors[number as usize] = Some(actor);
    }

    fn answer(&mut self, request: u64) {
        let resolved = request.is_multiple_of(2).then(|| Resolved {
            actor: ActorId::from_u64(request),
            key: ExportKey::from_u64(1),
            fingerprint: 2,
            capacity_messages: 3,
            also_takes: [4, request].into(),
            type_name: "Vec".into(),
        });
        self.send.resolved(request, resolved.as_ref());
        self.expect(&Event::Resolved { request, resolved });
    }

    pub(crate) fn is_at_rest(&self) -> bool {
        let idle = |actor: &Actor| actor.queue.is_empty() && actor.credit == actor.reported;
        self.send.pending_bytes() == 0
            && self.pipe.is_empty()
            && self.actors.iter().flatten().all(idle)
    }
}

/// What an event asks of the node, without the borrow of the receive buffer.
enum Answer {
    Nothing,
    Up,
    Confirm(u128),
    Bind(u32, u32),
    Queue(u32, Queued),
    Answered(u64),
    Unbind(u32),
    Resolve(u64),
    Bound(u32, Window),
    Credit(u32, Credit),
    Ended(u32),
    Unbound(u32),
}

impl Answer {
    fn to(event: Event<'_>) -> Self {
        match event {
            Event::Up { .. } => Self::Up,
            Event::Hello(hello) => Self::Confirm(hello.nonce),
            Event::Bind { binding, bind } => {
                let capacity = u32::try_from(bind.actor.as_u64()).expect("a capacity");
                Self::Bind(binding.as_u32(), capacity)
            }
            Event::Message { binding, frame } => {
                let queued = Queued {
                    request: request_of(binding, frame.header().sequence),
                    charge: frame.header().frame_bytes(),
                };
                Self::Queue(binding.as_u32(), queued)
            }
            Event::Reply { request, .. } | Event::ReplyFailed { request, .. } => {
                Self::Answered(request)
            }
            Event::Unbind { binding } => Self::Unbind(binding.as_u32()),
            Event::Resolve { request, .. } => Self::Resolve(request),
            Event::Bound { binding, window } => Self::Bound(binding.as_u32(), window),
            Event::Credit { binding, credit } => Self::Credit(binding.as_u32(), credit),
            Event::Ended { binding, .. } => Self::Ended(binding.as_u32()),
            Event::Unbound { binding } => Self::Unbound(binding.as_u32()),
            _ => Self::Nothing,
        }
    }
}

pub(crate) struct Pair {
    pub(crate) seed: u64,
    pub(crate) random: Random,
    pub(crate) nodes: [Node; 2],
}

impl Pair {
    pub(crate) fn new(seed: u64, check: Check) -> Self {
        Self {
            seed,
            random: Random(seed),
            nodes: [Node::new(1, check), Node::new(2, check)],
        }
    }

    fn run(&mut self) {
        for _ in 0..STEPS {
            let [left, right] = &mut self.nodes;
            let (node, peer) = if self.random.one_in(2) {
                (left, right)
            } else {
                (right, left)
            };
            Self::step(node, peer, &mut self.random, self.seed);
            self.check_counts();
        }
    }

    fn step(node: &mut Node, peer: &mut Node, random: &mut Random, seed: u64) {
        let number = u32::try_from(random.below(IDS as usize)).expect("small");
        let operation = random.below(7 + OPERATIONS);
        match operation {
            0..5 => {
                let bytes = 1 << random.below(18);
                node.read(peer, bytes, random, seed);
            }
            5..7 => node.write(),
            _ => node.operate(number, operation - 7, random, seed),
        }
    }

    /// Nothing new is sent; everything under way arrives.
    fn settle(&mut self) {
        let seed = self.seed;
        for _ in 0..100_000 {
            let [left, right] = &mut self.nodes;
            Self::settle_one(left, right, &mut self.random, seed);
            Self::settle_one(right, left, &mut self.random, seed);
            if self.nodes.iter().all(Node::is_at_rest) {
                return self.check_rest();
            }
        }
        panic!("seed {seed}: never at rest");
    }

    fn settle_one(node: &mut Node, peer: &mut Node, random: &mut Random, seed: u64) {
        node.read(peer, usize::MAX, random, seed);
        for number in 0..IDS {
            node.act(number, random);
        }
        node.write();
    }

    pub(crate) fn check_counts(&self) {
        for node in &self.nodes {
            let totals = node.send.totals();
            assert_eq!(totals.accepted, node.sent, "seed {}", self.seed);
            let known = totals.confirmed + totals.refused + totals.in_flight;
            assert_eq!(totals.accepted, known, "seed {}", self.seed);
        }
    }

    pub(crate) fn check_rest(&self) {
        self.check_counts();
        for node in &self.nodes {
            assert_eq!(node.send.totals().in_flight, 0, "seed {}", self.seed);
            assert!(node.expected.is_empty(), "seed {}", self.seed);
            assert!(node.unanswered.is_empty(), "seed {}", self.seed);
            assert!(node.is_up, "seed {}", self.seed);
        }
    }
}

fn archive_of(message: &Vec<u8>) -> Vec<u8> {
    let mut buffer = AlignedVec::new();
    let mut arena = Arena::new();
    mycelium_wire::Encoder::new(&mut buffer, &mut arena, &mut (), usize::MAX)
        .encode(message)
        .expect("no limit");
    buffer.to_vec()
}
