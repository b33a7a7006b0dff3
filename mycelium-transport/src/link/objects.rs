//! How objects go over a [`PeerLink`]: each over one connection, beside its messages.

use std::sync::Arc;

use mycelium_core::{LinkRefusal, ObjectLink, Outgoing};
use mycelium_wire::{CloseReason, Decline, Part};

use super::PeerLink;

impl ObjectLink for PeerLink {
    fn offer(
        &self,
        ticket: u64,
        length_bytes: u64,
        outgoing: &Arc<Outgoing>,
    ) -> Result<u32, LinkRefusal> {
        let mut outbound = self.lock();
        let up = match outbound.take_up() {
            Ok(up) => up,
            Err(refusal) => {
                drop(outbound);
                return Err(self.as_of_now(refusal));
            }
        };
        let generation = up.generation;
        up.send.offer(ticket, length_bytes);
        outbound.objects.insert(ticket, Arc::clone(outgoing));
        self.write(outbound);
        Ok(generation)
    }

    fn part(&self, generation: u32, ticket: u64, bytes: &[u8]) -> Result<(), LinkRefusal> {
        let lost = || LinkRefusal::Reconnecting;
        let check = self.with_connection(generation, |up| up.socket().check());
        // Copied, and its check computed, while senders of messages have the lock.
        let part = Part::new(ticket, bytes, check.ok_or_else(lost)?);
        let mut outbound = self.lock();
        let up = outbound.connection(generation).filter(|up| up.is_open());
        up.ok_or_else(lost)?.send.part(part);
        self.write(outbound);
        Ok(())
    }

    fn withdraw(&self, generation: u32, ticket: u64) {
        let mut outbound = self.lock();
        if let Some(up) = outbound.connection(generation) {
            up.send.withdraw(ticket);
            outbound.objects.remove(&ticket);
            self.write(outbound);
        }
    }

    fn taken(&self, generation: u32, ticket: u64, taken_bytes: u64) {
        self.tell(generation, |send| send.taken(ticket, taken_bytes));
    }

    fn decline(&self, generation: u32, ticket: u64, why: Decline) {
        self.tell(generation, |send| send.decline(ticket, why));
    }
}

impl PeerLink {
    /// The peer has taken so much of an object of ours.
    ///
    /// # Errors
    ///
    /// That cannot be.
    pub(crate) fn object_taken(&self, ticket: u64, taken_bytes: u64) -> Result<(), CloseReason> {
        let outgoing = self.lock().objects.get(&ticket).cloned();
        // One that was withdrawn meanwhile is of no interest.
        if let Some(outgoing) = outgoing
            && outgoing.taken(taken_bytes)?
        {
            self.lock().objects.remove(&ticket);
        }
        Ok(())
    }

    /// The peer does not want an object of ours.
    pub(crate) fn object_declined(&self, generation: u32, ticket: u64, why: Decline) {
        self.with_connection(generation, |up| up.send.handle_declined(ticket));
        let outgoing = self.lock().objects.remove(&ticket);
        if let Some(outgoing) = outgoing {
            outgoing.declined(why);
        }
    }
}
