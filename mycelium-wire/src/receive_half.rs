//! [`ReceiveHalf`]: what the peer sends, from bytes to [`Event`]s.

use std::fmt;

use bytes::BytesMut;

use crate::{
    Bind, BindingId, Check, CloseReason, Credit, Decline, EndReason, Event, Frame, FrameDecoder,
    FrameKind, Header, Hello, Limits, ReplyFailure, Resolved, Window,
    control::Reader,
    hello::{self, not_mycelium},
    reassembly::{LongFrame, Reassembly},
    transfer::read_bytes,
};

/// How far the peer's side of a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeState {
    /// Nothing came yet.
    AwaitHello,
    /// The peer introduced itself and has yet to show that it is there now.
    AwaitConfirm,
    /// The link is up.
    Open,
    /// The peer closed the link or broke the protocol.
    Closed,
}

impl fmt::Display for HandshakeState {
    /// Continues "while we ...".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AwaitHello => "wait for its Hello",
            Self::AwaitConfirm => "wait for its Confirm",
            Self::Open => "are linked",
            Self::Closed => "are closed",
        })
    }
}

/// The receiving half of a connection; belongs to whoever reads.
///
/// A driver reads into [`buffer`](Self::buffer), then takes events until there are none. The
/// first error or `Close` is the last event.
#[derive(Debug)]
pub struct ReceiveHalf {
    decoder: FrameDecoder,
    session: Session,
}

impl ReceiveHalf {
    /// Waits for the peer's `Hello`; `local_nonce` is the one that our own `Hello` carries.
    pub fn new(limits: Limits, local_nonce: u128, check: Check) -> Self {
        Self {
            decoder: FrameDecoder::new(limits, check),
            session: Session {
                limits,
                local_nonce,
                state: HandshakeState::AwaitHello,
                bindings: Vec::new(),
                reassembly: Reassembly::default(),
                carries: Carries::Everything,
            },
        }
    }

    /// From here on nothing but objects and heartbeats is let in: the connection is one beside another.
    pub fn admit_only_objects(&mut self) {
        self.session.carries = Carries::Objects;
    }

    /// The buffer to read into, with room; see [`FrameDecoder::buffer`].
    pub fn buffer(&mut self) -> &mut BytesMut {
        if self.session.state == HandshakeState::Closed {
            self.decoder.discard();
        }
        self.decoder.buffer()
    }

    /// How far the peer has come.
    pub fn state(&self) -> HandshakeState {
        self.session.state
    }

    /// The next event, or nothing where more bytes are needed or the half is closed.
    ///
    /// Allocates nothing for messages, replies and credits.
    ///
    /// # Errors
    ///
    /// How the peer broke the protocol; the link must be closed with that reason.
    pub fn poll_event(&mut self) -> Result<Option<Event<'_>>, CloseReason> {
        match self.session.state {
            HandshakeState::Closed => return Ok(None),
            HandshakeState::AwaitHello => self.check_first_bytes()?,
            HandshakeState::AwaitConfirm | HandshakeState::Open => {}
        }
        let event = match self.decoder.next_frame() {
            Ok(None) => return Ok(None),
            Ok(Some(frame)) => self.session.handle_frame(frame),
            Err(reason) => Err(reason),
        };
        if event.is_err() {
            self.session.state = HandshakeState::Closed;
        }
        event.map(Some)
    }

    /// Other protocols are told apart by the first bytes, before these are taken for a length.
    fn check_first_bytes(&mut self) -> Result<(), CloseReason> {
        let bytes = self.decoder.pending();
        if hello::may_begin_with(bytes) {
            return Ok(());
        }
        let reason = not_mycelium(bytes);
        self.session.state = HandshakeState::Closed;
        Err(reason)
    }
}

// What `Limits::bindings` says that a binding costs.
const _: () = assert!(size_of::<Option<u32>>() == 8);

/// What the frames of a connection are checked against.
#[derive(Debug)]
struct Session {
    limits: Limits,
    local_nonce: u128,
    state: HandshakeState,
    /// The last sequence of every binding that the peer made.
    bindings: Vec<Option<u32>>,
    reassembly: Reassembly,
    carries: Carries,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carries {
    Everything,
    /// What is moved beside another connection.
    Objects,
}

impl Session {
    fn handle_frame<'a>(&mut self, frame: Frame<'a>) -> Result<Event<'a>, CloseReason> {
        match (self.state, frame.header().kind) {
            (_, FrameKind::Close) => self.handle_close(&frame),
            (HandshakeState::AwaitHello, FrameKind::Hello) => self.handle_hello(&frame),
            (HandshakeState::AwaitConfirm, FrameKind::Confirm) => self.handle_confirm(frame),
            (state @ HandshakeState::Open, kind)
                if self.carries == Carries::Objects
                    && !kind.names_ticket()
                    && kind != FrameKind::Heartbeat =>
            {
                Err(CloseReason::Unexpected { kind, state })
            }
            (HandshakeState::Open, FrameKind::Message) => self.handle_message(frame),
            (HandshakeState::Open, FrameKind::Reply) => Ok(Event::Reply {
                request: frame.header().request,
                frame,
            }),
            (HandshakeState::Open, FrameKind::Fragment) => self.handle_fragment(&frame),
            (HandshakeState::Open, FrameKind::Part) => part(frame),
            (HandshakeState::Open, _) => self.handle_control(frame),
            (state, kind) => Err(CloseReason::Unexpected { kind, state }),
        }
    }

    fn handle_close(&mut self, frame: &Frame<'_>) -> Result<Event<'static>, CloseReason> {
        let reason = CloseReason::read(frame.payload())?;
        self.state = HandshakeState::Closed;
        Ok(Event::Close(reason))
    }

    fn handle_hello(&mut self, frame: &Frame<'_>) -> Result<Event<'static>, CloseReason> {
        let hello = Hello::read(frame.payload())?;
        if hello.nonce == self.local_nonce {
            return Err(CloseReason::Replayed);
        }
        self.state = HandshakeState::AwaitConfirm;
        Ok(Event::Hello(Box::new(hello)))
    }

    fn handle_confirm<'a>(&mut self, frame: Frame<'a>) -> Result<Event<'a>, CloseReason> {
        let mut reader = Reader::new(FrameKind::Confirm, frame.payload());
        let nonce = reader.u128()?;
        let epoch = reader.u32()?;
        if epoch == u32::MAX {
            return Err(reader.fault("the epoch can rise no more"));
        }
        reader.finish()?;
        if nonce != self.local_nonce {
            return Err(CloseReason::Replayed);
        }
        frame.into_decoder().open();
        self.state = HandshakeState::Open;
        Ok(Event::Up { epoch })
    }

    fn handle_message<'a>(&mut self, frame: Frame<'a>) -> Result<Event<'a>, CloseReason> {
        let Header {
            binding, sequence, ..
        } = *frame.header();
        self.advance(binding, sequence)?;
        Ok(Event::Message { binding, frame })
    }

    fn handle_fragment(&mut self, frame: &Frame<'_>) -> Result<Event<'static>, CloseReason> {
        let lane = frame.header().sequence;
        let whole = self.reassembly.take(lane, frame.payload(), &self.limits)?;
        Ok(match whole {
            None => Event::Fragment,
            Some(LongFrame::Reply { request, archive }) => Event::LongReply { request, archive },
            Some(LongFrame::Message {
                binding,
                sequence,
                extensions,
                archive,
            }) => {
                self.advance(binding, sequence)?;
                Event::LongMessage {
                    binding,
                    sequence,
                    extensions,
                    archive,
                }
            }
        })
    }

    /// A message takes its place behind the last one of its binding.
    fn advance(&mut self, binding: BindingId, sequence: u32) -> Result<(), CloseReason> {
        let last = self.last_sequence(binding)?;
        let wanted = last.wrapping_add(1);
        in_order(binding, wanted, sequence)?;
        *last = wanted;
        Ok(())
    }

    fn handle_control<'a>(&mut self, frame: Frame<'a>) -> Result<Event<'a>, CloseReason> {
        let Header {
            kind,
            binding,
            sequence,
            request,
            ..
        } = *frame.header();
        let payload = frame.into_payload();
        match kind {
            FrameKind::Bind => self.handle_bind(binding, payload),
            FrameKind::Stop => {
                self.check_last(kind, binding, sequence, payload)?;
                Ok(Event::Stop { binding })
            }
            FrameKind::Kill => {
                Reader::new(kind, payload).finish()?;
                self.last_sequence(binding)?;
                Ok(Event::Kill { binding })
            }
            FrameKind::Cancel => self.handle_cancel(binding, sequence, payload),
            FrameKind::Heartbeat => {
                Reader::new(kind, payload).finish()?;
                Ok(Event::Heartbeat)
            }
            FrameKind::Unbind => {
                self.check_last(kind, binding, sequence, payload)?;
                self.bindings[binding.index()] = None;
                Ok(Event::Unbind { binding })
            }
            FrameKind::Bound => Ok(Event::Bound {
                binding,
                window: Window::read(payload)?,
            }),
            FrameKind::Credit => Ok(Event::Credit {
                binding,
                credit: Credit::read(payload)?,
            }),
            FrameKind::Ended => Ok(Event::Ended {
                binding,
                reason: EndReason::read(payload)?,
            }),
            FrameKind::Unbound => {
                Reader::new(kind, payload).finish()?;
                Ok(Event::Unbound { binding })
            }
            FrameKind::Resolve => Ok(Event::Resolve {
                request,
                name: Reader::new(kind, payload).limited_text()?,
            }),
            FrameKind::Resolved => Ok(Event::Resolved {
                request,
                resolved: Resolved::read(payload)?,
            }),
            FrameKind::ReplyFailed => Ok(Event::ReplyFailed {
                request,
                failure: ReplyFailure::read(payload)?,
            }),
            FrameKind::Widen => {
                Reader::new(kind, payload).finish()?;
                Ok(Event::Widen)
            }
            FrameKind::Offer => Ok(Event::Offer {
                ticket: request,
                length_bytes: read_bytes(kind, payload)?,
            }),
            FrameKind::Withdraw => {
                Reader::new(kind, payload).finish()?;
                Ok(Event::Withdrawn { ticket: request })
            }
            FrameKind::Taken => Ok(Event::Taken {
                ticket: request,
                taken_bytes: read_bytes(kind, payload)?,
            }),
            FrameKind::Decline => Ok(Event::Declined {
                ticket: request,
                why: Decline::read(payload)?,
            }),
            FrameKind::Hello
            | FrameKind::Confirm
            | FrameKind::Close
            | FrameKind::Message
            | FrameKind::Reply
            | FrameKind::Fragment
            | FrameKind::Part => Err(CloseReason::Unexpected {
                kind,
                state: self.state,
            }),
        }
    }

    fn handle_bind(
        &mut self,
        binding: BindingId,
        payload: &[u8],
    ) -> Result<Event<'static>, CloseReason> {
        let limit = self.limits.bindings;
        if binding.as_u32() >= limit {
            return Err(CloseReason::TooManyBindings { limit });
        }
        let bind = Bind::read(payload)?;
        if self.bindings.len() <= binding.index() {
            self.bindings.resize(binding.index() + 1, None);
        }
        match &mut self.bindings[binding.index()] {
            Some(_) => Err(CloseReason::BindingInUse(binding)),
            free => {
                *free = Some(0);
                Ok(Event::Bind { binding, bind })
            }
        }
    }

    /// A message that did not come yet cannot be cancelled.
    fn handle_cancel(
        &mut self,
        binding: BindingId,
        sequence: u32,
        payload: &[u8],
    ) -> Result<Event<'static>, CloseReason> {
        Reader::new(FrameKind::Cancel, payload).finish()?;
        let last = *self.last_sequence(binding)?;
        if last.wrapping_sub(sequence) > i32::MAX as u32 {
            return Err(CloseReason::Malformed {
                kind: FrameKind::Cancel,
                what: "the message did not come yet",
            });
        }
        Ok(Event::Cancel { binding, sequence })
    }

    /// Checks a frame that takes effect after the binding's last message and has no payload.
    fn check_last(
        &mut self,
        kind: FrameKind,
        binding: BindingId,
        sequence: u32,
        payload: &[u8],
    ) -> Result<(), CloseReason> {
        Reader::new(kind, payload).finish()?;
        let last = *self.last_sequence(binding)?;
        in_order(binding, last, sequence)
    }

    fn last_sequence(&mut self, binding: BindingId) -> Result<&mut u32, CloseReason> {
        self.bindings
            .get_mut(binding.index())
            .and_then(Option::as_mut)
            .ok_or(CloseReason::UnknownBinding(binding))
    }
}

fn part(frame: Frame<'_>) -> Result<Event<'_>, CloseReason> {
    if frame.payload().is_empty() {
        return Err(CloseReason::Malformed {
            kind: FrameKind::Part,
            what: "it is empty",
        });
    }
    let ticket = frame.header().request;
    Ok(Event::Part { ticket, frame })
}

fn in_order(binding: BindingId, wanted: u32, found: u32) -> Result<(), CloseReason> {
    if wanted == found {
        return Ok(());
    }
    Err(CloseReason::OutOfOrder {
        binding,
        wanted,
        found,
    })
}

#[cfg(test)]
mod tests {
    use super::{Carries, HandshakeState, Reassembly, ReceiveHalf, Session};
    use crate::{BindingId, Check, CloseReason, Event, FrameDecoder, FrameKind, Header, Limits};

    #[test]
    fn sequences_wrap() {
        let binding = BindingId::from_u32(0);
        let limits = Limits::default();
        let mut half = ReceiveHalf {
            decoder: FrameDecoder::new(limits, Check::None),
            session: Session {
                limits,
                local_nonce: 0,
                state: HandshakeState::Open,
                bindings: vec![Some(u32::MAX - 1)],
                reassembly: Reassembly::default(),
                carries: Carries::Everything,
            },
        };
        for sequence in [u32::MAX, 0, 1] {
            let header = Header {
                binding,
                sequence,
                ..Header::new(FrameKind::Message)
            };
            half.buffer().extend_from_slice(&header.encode());
            let event = half.poll_event();
            assert!(
                matches!(event, Ok(Some(Event::Message { .. }))),
                "{event:?}"
            );
        }
        let stop = Header {
            binding,
            sequence: 0,
            ..Header::new(FrameKind::Stop)
        };
        half.buffer().extend_from_slice(&stop.encode());
        let refused = half.poll_event().expect_err("the last was 1");
        let wanted = CloseReason::OutOfOrder {
            binding,
            wanted: 1,
            found: 0,
        };
        assert_eq!(refused, wanted);
    }
}
