//! [`Connection`]: both halves of one connection, and the questions that are open on it.

use std::collections::HashSet;

use mycelium::wire::{
    ActorId, Check, CloseReason, ExportKey, Hello, Limits, NodeId, ReceiveHalf, Resolved, SendHalf,
    rkyv::util::AlignedVec,
};

use crate::simulated::{account::Account, arrival::corrupt};

/// Ids that each node binds with.
pub const BINDINGS: u32 = 6;

/// The longest archive that either node accepts.
pub(crate) const MESSAGE_LIMIT_BYTES: u32 = 100_000;

/// What a receive buffer of an open half may take: one frame, or 64 KiB.
const LARGEST_BUFFER: usize = MESSAGE_LIMIT_BYTES as usize + (64 << 10);

/// Tells questions for names from the requests in messages.
const QUESTION: u64 = 1 << 63;

/// Both halves of one connection, and the questions that are open on it.
pub(crate) struct Connection {
    pub(crate) send: SendHalf,
    pub(crate) receive: ReceiveHalf,
    pub(crate) spare: AlignedVec<16>,
    /// Whether we have confirmed the peer's `Hello`, after which our frames may follow.
    pub(crate) may_send: bool,
    pub(crate) is_closed: bool,
    pub(crate) unanswered: HashSet<u64>,
    /// Of the bindings that were let go.
    pub(crate) settled: Account,
    last_question: u64,
}

impl Connection {
    pub(crate) fn new(nonce: u128, check: Check) -> Self {
        let limits = Limits {
            message_bytes: MESSAGE_LIMIT_BYTES,
            bindings: BINDINGS,
            ..Limits::default()
        };
        let mut send = SendHalf::new(limits, check);
        send.hello(&hello(nonce)).expect("it fits");
        Self {
            send,
            receive: ReceiveHalf::new(limits, nonce, check),
            spare: AlignedVec::new(),
            may_send: false,
            is_closed: false,
            unanswered: HashSet::new(),
            settled: Account::default(),
            last_question: 0,
        }
    }

    pub(crate) fn ask_for_a_name(&mut self) {
        self.last_question += 1;
        let request = QUESTION | self.last_question;
        self.unanswered.insert(request);
        let name = format!("name/{request}");
        self.send.resolve(request, &name).expect("it is short");
    }

    /// Reads as a driver does: into the spare room only.
    pub(crate) fn take_in(&mut self, bytes: &[u8]) -> usize {
        let buffer = self.receive.buffer();
        let spare = buffer.capacity() - buffer.len();
        assert!(spare > 0, "there is always room to read");
        assert!(buffer.capacity() <= LARGEST_BUFFER, "{}", buffer.capacity());
        let count = bytes.len().min(spare);
        buffer.extend_from_slice(&bytes[..count]);
        count
    }

    pub(crate) fn greet(&mut self, hello: &Hello) {
        self.send.set_message_limit(hello.message_limit_bytes);
        self.send.confirm(hello.nonce, 0);
        self.may_send = true;
    }

    pub(crate) fn look_up(&mut self, request: u64, name: &str) -> Result<(), CloseReason> {
        if name != format!("name/{request}") {
            return Err(corrupt("a name is not its own"));
        }
        let resolved = request.is_multiple_of(2).then(|| described(request));
        self.send.resolved(request, resolved.as_ref());
        Ok(())
    }

    pub(crate) fn take_answer(
        &mut self,
        request: u64,
        resolved: Option<&Resolved>,
    ) -> Result<(), CloseReason> {
        let wanted = request.is_multiple_of(2).then(|| described(request));
        if resolved != wanted.as_ref() {
            return Err(corrupt("an answer is not to its question"));
        }
        self.take_reply(request)
    }

    pub(crate) fn take_reply(&mut self, request: u64) -> Result<(), CloseReason> {
        if self.unanswered.remove(&request) {
            Ok(())
        } else {
            Err(corrupt("an answer that nobody waits for"))
        }
    }
}

/// Every message asks something: the request is named by the message.
pub(crate) fn request_of(actor: usize, number: u64) -> u64 {
    (actor as u64) << 48 | number
}

fn described(request: u64) -> Resolved {
    Resolved {
        actor: ActorId::from_u64(request),
        key: ExportKey::from_u64(1),
        fingerprint: 2,
        capacity_messages: 3,
        also_takes: [4].into(),
        type_name: "Numbered".into(),
    }
}

fn hello(nonce: u128) -> Hello {
    Hello {
        node: NodeId::new("simulated".parse().expect("a valid name"), nonce),
        nonce,
        boot_id: 1,
        uid: 1_000,
        pid: 4_242,
        message_limit_bytes: MESSAGE_LIMIT_BYTES,
        joins: 0,
        addresses: vec!["tcp:127.0.0.1:7000".into()],
    }
}
