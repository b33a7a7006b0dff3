//! [`Ledgers`]: what was taken of each binding, and what of it the peer has been told.

use mycelium_wire::{Credit, EndReason, Window};

use crate::{Bounds, link::InboundBinding};

/// Bytes that may stay unreported while an actor is idle; less than the slack of the byte window
/// over the message limit, so that the largest message always finds room at an idle actor.
const IDLE_UNREPORTED_BYTES: u64 = 16 * 1024;

/// Which binding a frame came through; a later binding of the same actor has a greater one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Epoch(u32);

/// What became of frames of one binding since its ledger was last brought up to date.
#[derive(Clone, Copy, Default)]
pub(crate) struct Taken {
    pub(super) epoch: Epoch,
    pub(super) confirmed: u64,
    pub(super) refused: u64,
    pub(super) bytes: u64,
}

impl Taken {
    /// Starts anew for the same binding, and gives what there was.
    pub(super) fn settle(&mut self) -> Self {
        let anew = Self {
            epoch: self.epoch,
            ..Self::default()
        };
        std::mem::replace(self, anew)
    }
}

/// When the peer is to be told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Report {
    /// Once half the window is taken: the least traffic that keeps a sender going.
    AtHalf,
    /// Also when many bytes are: the actor has nothing left to do.
    WhenIdle,
    /// All that is unreported: the peer showed that it is there.
    OnHeartbeat,
    /// At once where the actor is gone, else not before.
    OnceEnded,
}

/// What the peer is to be told.
pub(super) struct Due<L> {
    /// By which link.
    pub(super) link: L,
    pub(super) inbound: InboundBinding,
    pub(super) credit: Credit,
    /// The peer gave the binding up, and all of it has been taken.
    pub(super) is_last: bool,
}

/// The ledger of the current binding, and those of earlier ones that still have frames queued.
///
/// Each knows the link `L` of its binding: a peer that was given up and came back has a new one.
pub(super) struct Ledgers<L> {
    /// In the order of their epochs, which rise.
    open: Vec<Ledger<L>>,
    last: Epoch,
    ended: Option<EndReason>,
}

struct Ledger<L> {
    epoch: Epoch,
    link: L,
    inbound: InboundBinding,
    window: Window,
    credit: Credit,
    reported: Credit,
    /// How many messages the binding brought in all, once the peer gave it up.
    unbound_after: Option<u64>,
}

impl<L> Default for Ledgers<L> {
    fn default() -> Self {
        Self {
            open: Vec::new(),
            last: Epoch::default(),
            ended: None,
        }
    }
}

impl<L: Clone> Ledgers<L> {
    /// Opens the ledger of a new binding, unless the actor is gone.
    pub(super) fn bind(
        &mut self,
        link: L,
        inbound: InboundBinding,
        window: Window,
    ) -> Result<Epoch, EndReason> {
        if let Some(reason) = &self.ended {
            return Err(reason.clone());
        }
        self.last = Epoch(self.last.0 + 1);
        self.open.push(Ledger {
            epoch: self.last,
            link,
            inbound,
            window,
            credit: Credit::default(),
            reported: Credit::default(),
            unbound_after: None,
        });
        Ok(self.last)
    }

    /// The actor is gone: every open binding is to be told, and none is opened any more.
    pub(super) fn end(&mut self, reason: EndReason) -> impl Iterator<Item = (&L, InboundBinding)> {
        self.ended = Some(reason);
        self.open
            .iter()
            .map(|ledger| (&ledger.link, ledger.inbound))
    }

    /// The peer gave the binding up after so many messages. Tells what is due at once.
    pub(super) fn unbind(&mut self, epoch: Epoch, received_messages: u64) -> Option<Due<L>> {
        self.get(epoch)?.unbound_after = Some(received_messages);
        self.book(
            Taken {
                epoch,
                ..Taken::default()
            },
            Report::AtHalf,
        )
    }

    /// The connection is gone: nobody is left to tell. Gives the binding's window.
    pub(super) fn forget(&mut self, epoch: Epoch) -> Option<Window> {
        let at = self.find(epoch)?;
        Some(self.open.remove(at).window)
    }

    /// Adds what was taken, unless the connection it came through is gone.
    pub(super) fn book(&mut self, taken: Taken, report: Report) -> Option<Due<L>> {
        let has_ended = self.ended.is_some();
        let ledger = self.get(taken.epoch)?;
        ledger.credit.confirmed += taken.confirmed;
        ledger.credit.refused += taken.refused;
        ledger.credit.returned_bytes += taken.bytes;
        let is_last = ledger.unbound_after == Some(messages(ledger.credit));
        if !is_last && !ledger.is_due(report, has_ended) {
            return None;
        }
        let due = ledger.report(is_last);
        if is_last {
            self.forget(taken.epoch);
        }
        Some(due)
    }

    /// The peer of a binding is there: what is due to it.
    pub(super) fn heartbeat(&mut self, epoch: Epoch) -> Option<Due<L>> {
        let nothing = Taken {
            epoch,
            ..Taken::default()
        };
        self.book(nothing, Report::OnHeartbeat)
    }

    /// All that has not been reported: the actor is gone.
    pub(super) fn settle(&mut self) -> impl Iterator<Item = Due<L>> {
        let unreported = |ledger: &&mut Ledger<L>| ledger.unreported_messages() > 0;
        let open = self.open.iter_mut().filter(unreported);
        open.map(|ledger| ledger.report(false))
    }

    /// Where the binding of an epoch lives, unless its connection is gone.
    pub(super) fn inbound(&self, epoch: Epoch) -> Option<(L, InboundBinding)> {
        let ledger = &self.open[self.find(epoch)?];
        Some((ledger.link.clone(), ledger.inbound))
    }

    /// How much the open bindings admit.
    pub(super) fn bounds(&self) -> Bounds {
        let of = |ledger: &Ledger<L>| Bounds {
            remote_messages: ledger.window.messages.into(),
            remote_bytes: ledger.window.bytes.into(),
            ..Bounds::default()
        };
        self.open.iter().map(of).sum()
    }

    /// Whether the peer may still be told something of a binding.
    pub(super) fn is_open(&self, epoch: Epoch) -> bool {
        self.find(epoch).is_some()
    }

    /// What the peer has been told of a binding.
    pub(super) fn reported(&self, epoch: Epoch) -> Credit {
        let found = self.find(epoch);
        found.map_or_else(Credit::default, |at| self.open[at].reported)
    }

    fn get(&mut self, epoch: Epoch) -> Option<&mut Ledger<L>> {
        let at = self.find(epoch)?;
        self.open.get_mut(at)
    }

    fn find(&self, epoch: Epoch) -> Option<usize> {
        let found = self
            .open
            .binary_search_by_key(&epoch, |ledger| ledger.epoch);
        found.ok()
    }
}

impl<L: Clone> Ledger<L> {
    fn is_due(&self, report: Report, has_ended: bool) -> bool {
        let unreported = self.unreported_messages();
        let bytes = self.credit.returned_bytes - self.reported.returned_bytes;
        let half_messages = u64::from(self.window.messages.div_ceil(2));
        let half_bytes = u64::from(self.window.bytes / 2);
        match report {
            _ if unreported == 0 => false,
            Report::AtHalf => unreported >= half_messages || bytes >= half_bytes,
            Report::WhenIdle => unreported >= half_messages || bytes >= IDLE_UNREPORTED_BYTES,
            Report::OnHeartbeat => true,
            Report::OnceEnded => has_ended,
        }
    }

    fn unreported_messages(&self) -> u64 {
        messages(self.credit) - messages(self.reported)
    }

    fn report(&mut self, is_last: bool) -> Due<L> {
        self.reported = self.credit;
        Due {
            link: self.link.clone(),
            inbound: self.inbound,
            credit: self.credit,
            is_last,
        }
    }
}

/// How many messages were taken, whatever became of them.
fn messages(credit: Credit) -> u64 {
    credit.confirmed + credit.refused
}

#[cfg(test)]
mod tests {
    use mycelium_wire::{BindingId, EndReason, Window};

    use super::{Ledgers, Report, Taken};
    use crate::link::InboundBinding;

    const WINDOW: Window = Window {
        messages: 8,
        bytes: 1 << 20,
    };

    fn inbound(number: u32) -> InboundBinding {
        InboundBinding {
            generation: 1,
            binding: BindingId::from_u32(number),
        }
    }

    #[test]
    fn credit_is_due_at_half_the_window() {
        let mut ledgers = Ledgers::default();
        let epoch = ledgers
            .bind((), inbound(0), WINDOW)
            .expect("the actor lives");
        let three = Taken {
            epoch,
            confirmed: 3,
            refused: 0,
            bytes: 300,
        };
        assert!(ledgers.book(three, Report::AtHalf).is_none());
        let one = Taken {
            epoch,
            confirmed: 0,
            refused: 1,
            bytes: 100,
        };
        let due = ledgers
            .book(one, Report::AtHalf)
            .expect("four of eight are taken");
        assert_eq!((due.credit.confirmed, due.credit.refused), (3, 1));
        assert_eq!(due.credit.returned_bytes, 400);
        assert_eq!(ledgers.reported(epoch), due.credit);
    }

    #[test]
    fn an_unbound_binding_is_closed_after_its_last_message() {
        let mut ledgers = Ledgers::default();
        let old = ledgers
            .bind((), inbound(0), WINDOW)
            .expect("the actor lives");
        assert!(ledgers.unbind(old, 2).is_none());
        let new = ledgers
            .bind((), inbound(1), WINDOW)
            .expect("the actor lives");
        let two = Taken {
            epoch: old,
            confirmed: 2,
            refused: 0,
            bytes: 64,
        };
        let due = ledgers
            .book(two, Report::AtHalf)
            .expect("all of it is taken");
        assert!(due.is_last);
        assert_eq!(due.inbound, inbound(0));
        assert!(ledgers.inbound(old).is_none());
        assert_eq!(ledgers.inbound(new), Some(((), inbound(1))));
    }

    #[test]
    fn what_is_refused_is_reported_once_the_actor_has_ended() {
        let mut ledgers = Ledgers::default();
        let epoch = ledgers
            .bind((), inbound(0), WINDOW)
            .expect("the actor lives");
        let refused = |count| Taken {
            epoch,
            confirmed: 0,
            refused: count,
            bytes: 48 * count,
        };
        assert!(ledgers.book(refused(7), Report::OnceEnded).is_none());
        assert_eq!(ledgers.end(EndReason::Killed).count(), 1);
        let due: Vec<_> = ledgers.settle().collect();
        assert_eq!(due.len(), 1);
        assert_eq!(due[0].credit.refused, 7);
        assert_eq!(ledgers.settle().count(), 0, "once is enough");
        let due = ledgers.book(refused(1), Report::OnceEnded);
        assert_eq!(due.expect("it has ended").credit.refused, 8);
    }

    #[test]
    fn frames_of_a_lost_connection_return_no_credit() {
        let mut ledgers = Ledgers::default();
        let lost = ledgers
            .bind((), inbound(0), WINDOW)
            .expect("the actor lives");
        ledgers.forget(lost);
        ledgers
            .bind((), inbound(0), WINDOW)
            .expect("the actor lives");
        let many = Taken {
            epoch: lost,
            confirmed: 8,
            refused: 0,
            bytes: 800,
        };
        assert!(ledgers.book(many, Report::AtHalf).is_none());
    }
}
