//! What core asks of a [`PeerLink`]: the sends, and what goes back for what the peer sent.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use mycelium_core::{
    Bounds, Encode, InboundBinding, Link, LinkFuture, LinkKind, LinkRefusal, LinkState, LinkStats,
    PeerClock, Purpose, Remote,
};
use mycelium_wire::{
    CloseReason, Credit, EndReason, FrameExtensions, NodeId, ReplyFailure, Resolved, SendRefused,
    Window,
};

use super::PeerLink;
use crate::outbound::Signal;

impl Link for PeerLink {
    fn peer(&self) -> &NodeId {
        &self.peer
    }

    fn kind(&self) -> LinkKind {
        // Relaxed: see `connect`.
        if self.is_tcp.load(Ordering::Relaxed) {
            LinkKind::Tcp
        } else {
            LinkKind::Unix
        }
    }

    fn peer_clock(&self) -> PeerClock {
        self.clock
    }

    fn ask_timeout(&self) -> Duration {
        self.node.ask_timeout()
    }

    fn attach(self: Arc<Self>, actor: Resolved) -> Result<Arc<Remote>, LinkRefusal> {
        let mut outbound = self.lock();
        if let Some(down) = outbound.down() {
            drop(outbound);
            return Err(self.as_of_now(down.into()));
        }
        if let Some(remote) = outbound.remotes.find(&actor) {
            return Ok(remote);
        }
        let left = outbound.remotes.binding_of(&actor);
        if let (Some(left), Some(up)) = (left, outbound.up()) {
            // Its last ref is on its way out.
            up.send.unbind(left);
        }
        let binding = left.or_else(|| outbound.remotes.reserve(self.limits.bindings));
        let binding = binding.ok_or(LinkRefusal::TooManyBindings)?;
        let link = Arc::clone(&self) as Arc<dyn Link>;
        let remote = Arc::new(Remote::new(link, actor, binding));
        outbound.remotes.insert(binding, &remote);
        self.write(outbound);
        Ok(remote)
    }

    fn try_send(
        &self,
        remote: &Remote,
        purpose: Purpose,
        extensions: FrameExtensions,
        encode: Encode<'_>,
    ) -> Result<(), LinkRefusal> {
        let mut outbound = self.lock();
        if remote.end_reason().is_some() {
            return Err(LinkRefusal::ActorDown);
        }
        let (up, ports) = match outbound.take_up_with_ports() {
            Ok(taken) => taken,
            Err(refusal) => {
                drop(outbound);
                return Err(self.as_of_now(refusal));
            }
        };
        up.bind(remote);
        ports.begin(Some(remote.binding()));
        let send = &mut up.send;
        let sent = send.send_with(remote.binding(), extensions, ports, encode);
        if purpose == Purpose::Ask
            && let (Ok(()), Some(window)) = (&sent, up.send.credit_window(remote.binding()))
        {
            ports.asked(window.last_sequence());
        }
        ports.conclude(&sent);
        // Also where the message was refused: it may have been the binding's first.
        self.write(outbound);
        match sent {
            Ok(()) => Ok(()),
            Err(SendRefused::Wire(error)) => Err(error.into()),
            Err(_) => Err(LinkRefusal::NoCredit),
        }
    }

    fn refusal(&self) -> Option<LinkRefusal> {
        let refusal = self.lock().take_up().err();
        refusal.map(|refusal| self.as_of_now(refusal))
    }

    fn stop(&self, remote: &Remote) {
        self.signal(remote, Signal::Stop);
    }

    fn kill(&self, remote: &Remote) {
        self.signal(remote, Signal::Kill);
    }

    fn watch(&self, remote: &Remote) {
        let mut outbound = self.lock();
        if let Ok(up) = outbound.take_up() {
            up.bind(remote);
            self.write(outbound);
        }
    }

    fn detach(&self, remote: &Remote) {
        let mut outbound = self.lock();
        if !outbound.remotes.leave(remote) {
            return;
        }
        let binding = remote.binding();
        match outbound.up() {
            Some(up) if !up.send.is_free(binding) => {
                up.send.unbind(binding);
                self.write(outbound);
            }
            _ => outbound.remotes.release(binding),
        }
    }

    fn bound(&self, inbound: InboundBinding, window: Window) {
        self.tell(inbound.generation, |send| {
            send.bound(inbound.binding, window);
        });
    }

    fn credit(&self, inbound: InboundBinding, credit: Credit) {
        self.tell(inbound.generation, |send| {
            send.credit(inbound.binding, credit);
        });
    }

    fn unbound(&self, inbound: InboundBinding) {
        self.tell(inbound.generation, |send| send.unbound(inbound.binding));
    }

    fn ended(&self, inbound: InboundBinding, reason: &EndReason) {
        self.tell(inbound.generation, |send| {
            send.ended(inbound.binding, reason);
        });
    }

    fn reply(&self, generation: u32, request: u64, encode: Encode<'_>) -> Result<(), LinkRefusal> {
        let mut outbound = self.lock();
        let (up, ports) = outbound.take_up_with_ports()?;
        if up.generation != generation {
            return Err(LinkRefusal::Reconnecting);
        }
        if up.has_unread_replies() {
            return Err(LinkRefusal::NoCredit);
        }
        ports.begin(None);
        let sent = up.reply_to_ask(|send| send.reply(request, ports, encode));
        ports.conclude(&sent);
        sent?;
        self.write(outbound);
        Ok(())
    }

    fn reply_failed(&self, generation: u32, request: u64, failure: &ReplyFailure) {
        let mut outbound = self.lock();
        if let Some(up) = outbound.connection(generation) {
            up.reply(|send| send.reply_failed(request, failure));
            self.write(outbound);
        }
    }

    fn forget(&self, request: u64) {
        if let Some(ask) = self.cancel(request) {
            ask.lose();
        }
    }

    fn pending_asks(&self) -> usize {
        let mut outbound = self.lock();
        let pending = outbound.ports.pending();
        pending.sweep();
        pending.len()
    }

    fn bindings(&self) -> usize {
        self.lock().remotes.len()
    }

    fn state(&self) -> LinkState {
        self.lock().state()
    }

    fn bounds(&self) -> Bounds {
        let limit_bytes = self.limits.message_bytes;
        let mut outbound = self.lock();
        let objects = outbound.bypass.bounds();
        let up = outbound.up();
        up.map_or_else(Bounds::default, |up| up.bounds(limit_bytes)) + objects
    }

    fn stats(&self) -> LinkStats {
        self.lock().stats()
    }

    fn fail(&self, generation: u32, reason: CloseReason) {
        self.with_connection(generation, |up| up.fail(reason));
    }

    fn resolve<'a>(
        &'a self,
        name: &'a str,
    ) -> LinkFuture<'a, Result<Option<Resolved>, LinkRefusal>> {
        Box::pin(async move {
            let answer = self.ask(name)?;
            // The sender is dropped when the connection is lost.
            answer.await.map_err(|_| LinkRefusal::Reconnecting)
        })
    }
}
