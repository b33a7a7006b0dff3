//! Questions and answers, which belong to no binding.

use std::any::Any;

use super::{SendHalf, request_header};
use crate::{
    Encoder, FRAGMENT_BYTES, FrameKind, ReplyFailure, Resolved, TEXT_LIMIT_BYTES, WireError,
    bulk::Sender, frame_bytes,
};

impl SendHalf {
    /// Asks for the actor with this name; the answer carries `request`.
    ///
    /// # Errors
    ///
    /// [`WireError::TooLarge`] when the name is longer than [`TEXT_LIMIT_BYTES`].
    pub fn resolve(&mut self, request: u64, name: &str) -> Result<(), WireError> {
        if name.len() > TEXT_LIMIT_BYTES {
            return Err(WireError::TooLarge {
                size_bytes: name.len(),
                limit_bytes: TEXT_LIMIT_BYTES,
            });
        }
        self.outbound
            .frame(request_header(FrameKind::Resolve, request), |out| {
                out.extend_from_slice(name.as_bytes());
            });
        Ok(())
    }

    /// Answers the peer's question with an actor, or with nothing where there is no such name.
    pub fn resolved(&mut self, request: u64, resolved: Option<&Resolved>) {
        self.outbound
            .frame(request_header(FrameKind::Resolved, request), |out| {
                if let Some(resolved) = resolved {
                    resolved.write(out);
                }
            });
    }

    /// Answers a reply port of the peer: encodes the reply into the outbound buffer.
    ///
    /// `encode` gets the encoder with `ports` behind it. Charged to no window: an asker limits the
    /// replies it may get by the requests it sends, and the answerer watches
    /// [`pending_bytes`](Self::pending_bytes). Writes the archive once, in place, and allocates
    /// nothing once the buffer has grown.
    ///
    /// # Errors
    ///
    /// What `encode` answers, [`WireError::TooLarge`] among it when the reply passes the message
    /// limit; the buffer is then as it was.
    pub fn reply(
        &mut self,
        request: u64,
        ports: &mut dyn Any,
        encode: &mut dyn FnMut(&mut Encoder<'_>) -> Result<(), WireError>,
    ) -> Result<(), WireError> {
        let limit_bytes = self.message_limit_bytes as usize;
        let buffer = self.outbound.begin();
        encode(&mut Encoder::new(
            buffer,
            &mut self.arena,
            ports,
            limit_bytes,
        ))?;
        if frame_bytes(self.outbound.body_bytes()) > FRAGMENT_BYTES {
            let header = request_header(FrameKind::Reply, request);
            self.commit(Sender::Answers, header);
        } else {
            // Answers need no order: a short one passes those that are long.
            self.outbound
                .commit(request_header(FrameKind::Reply, request));
        }
        Ok(())
    }

    /// Says that a reply port of the peer gets no reply.
    pub fn reply_failed(&mut self, request: u64, failure: &ReplyFailure) {
        self.outbound
            .frame(request_header(FrameKind::ReplyFailed, request), |out| {
                failure.write(out);
            });
    }
}
