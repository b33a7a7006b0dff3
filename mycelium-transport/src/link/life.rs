//! How a [`PeerLink`] shows that this side lives, and finds whether the peer does.

use std::{sync::atomic::Ordering, time::Duration};

use mycelium_wire::CloseReason;

use super::PeerLink;
use crate::{
    connection::Errand,
    liveness::{Finding, LivenessConfig},
};

impl PeerLink {
    /// Something came from the peer.
    pub(crate) fn hear(&self) {
        // Relaxed: the liveness thread may see it at its next look.
        self.was_heard.store(true, Ordering::Relaxed);
    }

    /// Something came from the peer over the bypass.
    pub(crate) fn hear_bypass(&self) {
        // Relaxed: as above.
        self.was_bypass_heard.store(true, Ordering::Relaxed);
    }

    /// So much time has passed: shows the peer that this side lives, and finds how the peer is.
    pub(crate) fn look(&self, elapsed: Duration, config: &LivenessConfig) -> (u32, Finding) {
        let mut outbound = self.lock();
        let Some(up) = outbound.up() else {
            return (0, Finding::Nothing);
        };
        let was_heard = self.was_heard.swap(false, Ordering::Relaxed) || up.socket().has_unread();
        let finding = up.life.pass(elapsed, was_heard, config);
        if up.life.take_heartbeat(config) {
            up.beat();
        }
        let generation = up.generation;
        let errand = up.appoint_helper();
        drop(outbound);
        self.write_directly(generation, errand);
        self.look_at_bypass(elapsed, config);
        (generation, finding)
    }

    /// As [`look`](Self::look), at the bypass: one over which nothing is heard ends, and the link
    /// lives on.
    fn look_at_bypass(&self, elapsed: Duration, config: &LivenessConfig) {
        let mut outbound = self.lock();
        let Some(up) = outbound.bypass.up() else {
            return;
        };
        let heard = self.was_bypass_heard.swap(false, Ordering::Relaxed);
        let was_heard = heard || up.socket().has_unread();
        if let Finding::Down(_) = up.life.pass(elapsed, was_heard, config) {
            up.break_off();
        }
        if up.life.take_heartbeat(config) {
            up.beat();
        }
        let generation = up.generation;
        let errand = up.appoint_helper();
        drop(outbound);
        self.write_directly(generation, errand);
    }

    /// Tells the peer why it is given up, as far as its socket takes it at once.
    pub(crate) fn bid_farewell(&self, generation: u32, reason: &CloseReason) {
        let mut outbound = self.lock();
        let Some(up) = outbound.connection(generation) else {
            return;
        };
        up.close(reason);
        let errand = up.appoint_helper();
        drop(outbound);
        self.write_directly(generation, errand);
    }

    /// As [`write_now`](Self::write_now), for a thread that does not rely on the runtime.
    fn write_directly(&self, generation: u32, errand: Option<Errand>) {
        if let Some(Errand { mut batch, socket }) = errand {
            let written_bytes = socket.write_directly(batch.rest()).unwrap_or(0);
            batch.advance(written_bytes);
            self.with_connection(generation, |up| up.written_by_caller(batch));
        }
    }
}
