//! How objects go over a [`PeerLink`]: each over one connection, beside its messages.

use std::{
    pin::pin,
    sync::{Arc, MutexGuard},
};

use mycelium_core::{LinkFuture, LinkRefusal, ObjectLink, OutgoingTransfer, TransferError};
use mycelium_wire::{CloseReason, Decline, FrameKind, HandshakeState, Part};
use tokio::time;

use super::PeerLink;
use crate::{
    connection::Connection,
    driver::{Joined, Role},
    handshake::{Established, HANDSHAKE_TIMEOUT, Origin, Side},
    outbound::Outbound,
};

impl ObjectLink for PeerLink {
    fn widen(&self) -> LinkFuture<'_, ()> {
        Box::pin(async move {
            let beside = self.origin();
            let widened = time::timeout(HANDSHAKE_TIMEOUT, self.widened()).await;
            if let (Err(_), Some(beside)) = (widened, beside) {
                self.stay_narrow(beside);
            }
        })
    }

    fn offer(
        &self,
        ticket: u64,
        length_bytes: u64,
        outgoing: &Arc<OutgoingTransfer>,
    ) -> Result<u32, TransferError> {
        let mut outbound = self.lock();
        if outbound.bypass.get(ticket).is_some() {
            // Two senders would take each other's bytes for their own.
            return Err(TransferError::NotExpected);
        }
        let up = match outbound.take_up_for_objects() {
            Ok(up) => up,
            Err(refusal) => {
                drop(outbound);
                return Err(self.as_of_now(refusal).into());
            }
        };
        let generation = up.generation;
        up.send.offer(ticket, length_bytes);
        let object = Arc::clone(outgoing);
        outbound.bypass.insert(ticket, generation, object);
        self.write_to(outbound, generation);
        Ok(generation)
    }

    fn part(&self, generation: u32, ticket: u64, bytes: &[u8]) -> Result<(), LinkRefusal> {
        let lost = || LinkRefusal::Reconnecting;
        let check = self.with_connection(generation, |up| up.socket().check());
        // Copied, and its check computed, while senders of messages may have the lock.
        let part = Part::new(ticket, bytes, check.ok_or_else(lost)?);
        let mut outbound = self.lock();
        let up = outbound.connection(generation).filter(|up| up.is_open());
        up.ok_or_else(lost)?.send.part(part);
        self.write_to(outbound, generation);
        Ok(())
    }

    fn withdraw(&self, generation: u32, ticket: u64) {
        let mut outbound = self.lock();
        outbound.bypass.remove(ticket);
        if let Some(up) = outbound.connection(generation) {
            up.send.withdraw(ticket);
            self.write_to(outbound, generation);
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
        let outgoing = self.lock().bypass.get(ticket);
        // One that was withdrawn meanwhile is of no interest.
        if let Some(outgoing) = outgoing
            && outgoing.taken(taken_bytes)?
        {
            self.lock().bypass.remove(ticket);
        }
        Ok(())
    }

    /// The peer does not want an object of ours.
    pub(crate) fn object_declined(&self, generation: u32, ticket: u64, why: Decline) {
        self.with_connection(generation, |up| up.send.handle_declined(ticket));
        let outgoing = self.lock().bypass.remove(ticket);
        if let Some(outgoing) = outgoing {
            outgoing.declined(why);
        }
    }

    /// The peer wants a bypass, which this side is to make: it has none, or has lost it.
    ///
    /// # Errors
    ///
    /// It is the peer that dialled.
    pub(crate) fn widen_for_peer(&self, generation: u32) -> Result<(), CloseReason> {
        let mut outbound = self.lock();
        let Some(up) = outbound.connection(generation) else {
            return Ok(());
        };
        if up.origin.side == Side::Accepting {
            return Err(CloseReason::Unexpected {
                kind: FrameKind::Widen,
                state: HandshakeState::Open,
            });
        }
        let lost = outbound.bypass.ask_again();
        self.ask_for_bypass(outbound);
        for object in lost {
            object.lose();
        }
        Ok(())
    }

    /// How the link's connection came to be, if it is up.
    pub(crate) fn origin(&self) -> Option<Origin> {
        Some(self.lock().up()?.origin)
    }

    /// The bypass is made, beside the connection that came to be like this; unless that is gone.
    pub(crate) fn open_bypass(
        self: &Arc<Self>,
        beside: Origin,
        established: Established,
    ) -> Option<Joined> {
        let Established {
            socket,
            send,
            mut receive,
            origin,
            epoch: _,
        } = established;
        receive.admit_only_objects();
        let socket = Arc::new(socket);
        let mut outbound = self.lock();
        if outbound.up().is_none_or(|up| up.origin != beside) {
            return None;
        }
        let generation = outbound.next_generation();
        let connection = Connection::new(generation, origin, send, Arc::clone(&socket));
        let lost = outbound.bypass.open(connection);
        drop(outbound);
        for object in lost {
            object.lose();
        }
        self.widening.notify_waiters();
        Some(Joined {
            link: Arc::clone(self),
            socket,
            receive,
            generation,
            role: Role::Bypass,
        })
    }

    /// The bypass is gone.
    pub(crate) fn close_bypass(&self, generation: u32) {
        let lost = self.lock().bypass.close(generation);
        for object in lost {
            object.lose();
        }
    }

    /// There is no bypass for now, beside the connection that came to be like this: objects do without.
    pub(crate) fn stay_narrow(&self, beside: Origin) {
        let mut outbound = self.lock();
        if outbound.up().is_some_and(|up| up.origin == beside) {
            outbound.bypass.give_up();
        }
        drop(outbound);
        self.widening.notify_waiters();
    }

    /// Waits until it is known whether there is a bypass, having asked for it.
    async fn widened(&self) {
        loop {
            let mut changed = pin!(self.widening.notified());
            changed.as_mut().enable();
            if !self.is_widening() {
                return;
            }
            changed.await;
        }
    }

    /// Whether a bypass is being made, from here on at the latest.
    fn is_widening(&self) -> bool {
        let mut outbound = self.lock();
        if outbound.take_up().is_err() {
            return false;
        }
        if outbound.bypass.ask() {
            self.ask_for_bypass(outbound);
            return true;
        }
        outbound.bypass.is_awaited()
    }

    fn ask_for_bypass(&self, mut outbound: MutexGuard<'_, Outbound>) {
        let Some(up) = outbound.up() else { return };
        match up.origin.side {
            Side::Dialling => up.widen.notify_one(),
            Side::Accepting => {
                up.send.widen();
                self.write(outbound);
            }
        }
    }
}
