//! What moves objects.

use super::{SendHalf, request_header};
use crate::{Decline, FrameKind, Header, Part};

impl SendHalf {
    /// Asks the dialling side for a connection that carries objects beside this one.
    pub fn widen(&mut self) {
        self.outbound.frame(Header::new(FrameKind::Widen), |_| {});
    }

    /// Offers an object of this length to whoever gave the ticket out; its parts may follow at once,
    /// within [`TRANSFER_WINDOW_BYTES`](crate::TRANSFER_WINDOW_BYTES).
    pub fn offer(&mut self, ticket: u64, length_bytes: u64) {
        self.outbound
            .frame(request_header(FrameKind::Offer, ticket), |out| {
                out.extend_from_slice(&length_bytes.to_le_bytes());
            });
    }

    /// Takes the next part of an object that was offered. It takes turns with others, and with the
    /// fragments of long messages; all else passes.
    pub fn part(&mut self, part: Part) {
        self.bulk.push_part(part);
    }

    /// Says that no more of an object comes; parts that wait are dropped.
    pub fn withdraw(&mut self, ticket: u64) {
        self.bulk.drop_parts(ticket);
        self.outbound
            .frame(request_header(FrameKind::Withdraw, ticket), |_| {});
    }

    /// Says how many bytes of an object of the peer's were taken so far.
    pub fn taken(&mut self, ticket: u64, taken_bytes: u64) {
        self.outbound
            .frame(request_header(FrameKind::Taken, ticket), |out| {
                out.extend_from_slice(&taken_bytes.to_le_bytes());
            });
    }

    /// Says that an object of the peer's is not wanted, or not any more.
    pub fn decline(&mut self, ticket: u64, why: Decline) {
        self.outbound
            .frame(request_header(FrameKind::Decline, ticket), |out| {
                why.write(out);
            });
    }

    /// The peer wants no more of an object: parts that wait are dropped.
    pub fn handle_declined(&mut self, ticket: u64) {
        self.bulk.drop_parts(ticket);
    }
}
