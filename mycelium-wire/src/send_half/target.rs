//! What the target of a binding says to its binder.

use super::{SendHalf, binding_header};
use crate::{BindingId, Credit, EndReason, FrameKind, Window};

impl SendHalf {
    /// Accepts a binding of the peer with this window.
    pub fn bound(&mut self, binding: BindingId, window: Window) {
        self.outbound
            .frame(binding_header(FrameKind::Bound, binding), |out| {
                window.write(out);
            });
    }

    /// Says what became of the messages of a binding of the peer.
    pub fn credit(&mut self, binding: BindingId, credit: Credit) {
        let start = self.outbound.committed_bytes();
        self.outbound
            .frame(binding_header(FrameKind::Credit, binding), |out| {
                credit.write(out);
            });
        self.follow_the_end(binding, start);
    }

    /// Says that the actor of a binding of the peer is gone, or refuses the binding.
    ///
    /// What the actor sent, to whomever, comes before: it may be on its way in fragments.
    pub fn ended(&mut self, binding: BindingId, reason: &EndReason) {
        let start = self.outbound.committed_bytes();
        self.outbound
            .frame(binding_header(FrameKind::Ended, binding), |out| {
                reason.write(out);
            });
        if self.bulk.has_messages() {
            let frame = self.outbound.cut(start);
            self.bulk.hold(binding, frame);
        }
    }

    /// Puts what was just written behind the end of the binding's actor, where that waits.
    fn follow_the_end(&mut self, binding: BindingId, start: usize) {
        if self.bulk.bytes() > 0 && self.bulk.holds_back(binding) {
            let frame = self.outbound.cut(start);
            self.bulk.hold_behind(binding, &frame);
        }
    }

    /// Answers the peer's `Unbind`, after [`credit`](Self::credit) for all messages of the
    /// binding: the peer takes an `Unbound` with messages outstanding for a broken protocol.
    pub fn unbound(&mut self, binding: BindingId) {
        let start = self.outbound.committed_bytes();
        self.outbound
            .frame(binding_header(FrameKind::Unbound, binding), |_| {});
        self.follow_the_end(binding, start);
    }
}
