//! [`Bulk`]: frames that are too long to let others wait for them, and what must not pass them.
//!
//! A frame above [`FRAGMENT_BYTES`] leaves in fragments, one with each batch of other frames. What
//! its binding sends later waits behind it, in its lane; all else passes. The parts of objects take
//! turns with these fragments, and hold nothing else back.

use std::collections::VecDeque;

use rkyv::util::AlignedVec;

use crate::{BindingId, FrameKind, Header, Part, header::HEADER_BYTES, outbound::OutboundBuffer};

/// The most bytes of a frame that travels in one piece, and of a fragment.
pub const FRAGMENT_BYTES: usize = 64 << 10;

/// The most frames of which fragments are under way at once, in each direction.
pub const LANES: usize = 16;

/// What one fragment carries.
const CHUNK_BYTES: usize = FRAGMENT_BYTES - HEADER_BYTES;

/// Whose frames keep their order among each other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sender {
    Binding(BindingId),
    /// Answers, to whichever requests.
    Answers,
    /// The object with this ticket.
    Object(u64),
}

/// The long frames of one direction; those of the first [`LANES`] senders are under way.
#[derive(Default)]
pub(crate) struct Bulk {
    lanes: VecDeque<Lane>,
    /// Which lane numbers are taken.
    taken: u16,
    bytes: usize,
    held: Vec<Held>,
    last_held: u64,
}

/// Frames about an actor of ours that has ended: they come after all that it may have sent.
struct Held {
    number: u64,
    /// The peer's binding to the actor.
    binding: BindingId,
    /// How many lanes still have to pass the mark.
    lanes: usize,
    frames: AlignedVec<16>,
}

const _: () = assert!(LANES == u16::BITS as usize);

struct Lane {
    of: Sender,
    waiting: VecDeque<Waiting>,
}

enum Waiting {
    /// A frame in fragments, with what has left of it and the number that it goes under.
    Long {
        frame: AlignedVec<16>,
        sent_bytes: usize,
        number: Option<u32>,
    },
    /// A frame that leaves whole, one with each batch of other frames.
    Part(AlignedVec<16>),
    /// Frames that came after a long one of their sender.
    Short(AlignedVec<16>),
    /// What is held under this number waits for all before it.
    Mark(u64),
}

impl Bulk {
    /// Bytes that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of one sender that wait.
    pub(crate) fn bytes_of(&self, of: Sender) -> usize {
        let lane = self.lanes.iter().find(|lane| lane.of == of);
        lane.map_or(0, Lane::bytes)
    }

    /// Whether the next frame of this sender has to wait here.
    pub(crate) fn holds(&self, of: Sender) -> bool {
        self.lanes.iter().any(|lane| lane.of == of)
    }

    /// Takes a frame that leaves in fragments.
    pub(crate) fn push_long(&mut self, of: Sender, frame: AlignedVec<16>) {
        self.push(
            of,
            frame.len(),
            Waiting::Long {
                frame,
                sent_bytes: 0,
                number: None,
            },
        );
    }

    /// Takes a part of an object.
    pub(crate) fn push_part(&mut self, part: Part) {
        let of = Sender::Object(part.ticket);
        self.push(of, part.frame.len(), Waiting::Part(part.frame));
    }

    /// Drops the parts of an object that wait.
    pub(crate) fn drop_parts(&mut self, ticket: u64) {
        let of = Sender::Object(ticket);
        if let Some(at) = self.lanes.iter().position(|lane| lane.of == of) {
            self.bytes -= self.lanes.remove(at).map_or(0, |lane| lane.bytes());
        }
    }

    /// Drops the parts of all objects.
    pub(crate) fn drop_objects(&mut self) {
        self.lanes.retain(|lane| !lane.is_object());
        let lanes = self.lanes.iter().map(Lane::bytes);
        let held = self.held.iter().map(|held| held.frames.len());
        self.bytes = lanes.chain(held).sum();
    }

    /// Whether messages or answers wait.
    pub(crate) fn has_messages(&self) -> bool {
        self.lanes.iter().any(|lane| !lane.is_object())
    }

    /// Takes frames that must not pass a long one of their sender.
    pub(crate) fn push_short(&mut self, of: Sender, frames: AlignedVec<16>) {
        self.push(of, frames.len(), Waiting::Short(frames));
    }

    /// Holds frames about an actor that has ended back until all that waits has left.
    pub(crate) fn hold(&mut self, binding: BindingId, frames: AlignedVec<16>) {
        self.last_held += 1;
        let number = self.last_held;
        let mut lanes = 0;
        for lane in self.lanes.iter_mut().filter(|lane| !lane.is_object()) {
            lane.waiting.push_back(Waiting::Mark(number));
            lanes += 1;
        }
        self.bytes += frames.len();
        self.held.push(Held {
            number,
            binding,
            lanes,
            frames,
        });
    }

    /// Whether what is said of this binding of the peer's has to wait for what is held of it.
    pub(crate) fn holds_back(&self, binding: BindingId) -> bool {
        self.held.iter().any(|held| held.binding == binding)
    }

    /// Puts frames behind what is held of this binding.
    pub(crate) fn hold_behind(&mut self, binding: BindingId, frames: &[u8]) {
        if let Some(held) = self.held.iter_mut().rfind(|held| held.binding == binding) {
            held.frames.extend_from_slice(frames);
            self.bytes += frames.len();
        }
    }

    fn push(&mut self, of: Sender, bytes: usize, waiting: Waiting) {
        self.bytes += bytes;
        if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.of == of) {
            lane.waiting.push_back(waiting);
            return;
        }
        self.lanes.push_back(Lane {
            of,
            waiting: VecDeque::from([waiting]),
        });
    }

    /// Appends the next fragment, and what may follow it; the lanes take turns.
    pub(crate) fn pop(&mut self, out: &mut OutboundBuffer) {
        let Some(mut lane) = self.lanes.pop_front() else {
            return;
        };
        let before = lane.bytes();
        let mut marks = Vec::new();
        lane.pop(&mut self.taken, out, &mut marks);
        self.bytes -= before - lane.bytes();
        if lane.is_under_way() {
            // Behind the others that are under way, before those that are not.
            let behind = self.lanes.len().min(LANES - 1);
            self.lanes.insert(behind, lane);
        } else if !lane.waiting.is_empty() {
            self.lanes.push_back(lane);
        }
        for mark in marks {
            self.pass(mark, out);
        }
    }

    /// A lane has passed a mark: the last one releases what is held under it.
    fn pass(&mut self, mark: u64, out: &mut OutboundBuffer) {
        let Some(at) = self.held.iter().position(|held| held.number == mark) else {
            return;
        };
        self.held[at].lanes -= 1;
        if self.held[at].lanes == 0 {
            let held = self.held.remove(at);
            self.bytes -= held.frames.len();
            out.append(&held.frames);
        }
    }
}

impl Lane {
    fn bytes(&self) -> usize {
        let left = |waiting: &Waiting| match waiting {
            Waiting::Long {
                frame, sent_bytes, ..
            } => frame.len() - sent_bytes,
            Waiting::Part(frames) | Waiting::Short(frames) => frames.len(),
            Waiting::Mark(_) => 0,
        };
        self.waiting.iter().map(left).sum()
    }

    fn is_object(&self) -> bool {
        matches!(self.of, Sender::Object(_))
    }

    fn is_under_way(&self) -> bool {
        matches!(
            self.waiting.front(),
            Some(Waiting::Long {
                number: Some(_),
                ..
            })
        )
    }

    fn pop(&mut self, taken: &mut u16, out: &mut OutboundBuffer, marks: &mut Vec<u64>) {
        if let Some(Waiting::Long {
            frame,
            sent_bytes,
            number,
        }) = self.waiting.front_mut()
        {
            let lane = *number.get_or_insert_with(|| take_free(taken));
            let end = frame.len().min(*sent_bytes + CHUNK_BYTES);
            let header = Header {
                sequence: lane,
                ..Header::new(FrameKind::Fragment)
            };
            out.frame(header, |out| {
                out.extend_from_slice(&frame[*sent_bytes..end]);
            });
            *sent_bytes = end;
            if end < frame.len() {
                return;
            }
            *taken &= !(1 << lane);
            self.waiting.pop_front();
        }
        loop {
            match self.waiting.front() {
                Some(Waiting::Part(frame)) => {
                    out.append(frame);
                    self.waiting.pop_front();
                    return;
                }
                Some(Waiting::Short(frames)) => out.append(frames),
                Some(Waiting::Mark(mark)) => marks.push(*mark),
                Some(Waiting::Long { .. }) | None => return,
            }
            self.waiting.pop_front();
        }
    }
}

fn take_free(taken: &mut u16) -> u32 {
    let free = taken.trailing_ones();
    *taken |= 1 << free;
    free
}
