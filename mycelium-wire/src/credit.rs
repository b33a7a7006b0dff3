//! [`CreditWindow`]: how much a binding may have under way, as the sender sees it.
//!
//! Counts are cumulative and never reset, so a lost or late credit frame heals with the next one,
//! and at any time `accepted = confirmed + refused + in flight`.

use crate::{
    BindingId, CloseReason,
    header::{FRAME_ALIGNMENT_BYTES, HEADER_BYTES},
};

/// What a message with a payload of this size, extensions included, is charged to its binding's byte
/// window, on both sides: the bytes its frame occupies.
pub const fn frame_bytes(payload_bytes: usize) -> usize {
    HEADER_BYTES + payload_bytes.next_multiple_of(FRAME_ALIGNMENT_BYTES)
}

/// How much a binding may have outstanding: sent, and neither confirmed nor refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Messages that may be outstanding.
    pub messages: u32,
    /// Bytes that may be outstanding, counted in [`frame_bytes`]. A larger message passes when
    /// nothing else of its binding is outstanding.
    pub bytes: u32,
}

impl Window {
    const INITIAL_MESSAGES: u32 = 16;
    const FULL_MESSAGES: u32 = 1024;
    const LEAST_BYTES: u32 = 256 << 10;
    /// What the window holds besides the largest message: a target may keep less than this
    /// unreported, and still no message waits for ever.
    const SLACK_BYTES: usize = 64 << 10;

    /// The window that opens with `Bind`, before the target has answered: the first sends need no
    /// round trip.
    pub fn initial(capacity_messages: u32) -> Self {
        Self {
            messages: capacity_messages.min(Self::INITIAL_MESSAGES),
            bytes: Self::LEAST_BYTES,
        }
    }

    /// The window that a target grants with `Bound`; never below [`initial`](Self::initial) of the
    /// same capacity.
    pub fn full(capacity_messages: u32, message_limit_bytes: u32) -> Self {
        let largest = frame_bytes(message_limit_bytes as usize).saturating_add(Self::SLACK_BYTES);
        Self {
            messages: capacity_messages.min(Self::FULL_MESSAGES),
            bytes: u32::try_from(largest)
                .unwrap_or(u32::MAX)
                .max(Self::LEAST_BYTES),
        }
    }
}

/// What became of a binding's messages so far: cumulative counts that only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Credit {
    /// Messages that the actor's handler took.
    pub confirmed: u64,
    /// Messages that were discarded: the actor was gone, or would not take them.
    pub refused: u64,
    /// The [`frame_bytes`] of all of these.
    pub returned_bytes: u64,
}

/// The sender's truth about one binding: what it sent, what came back, what may follow.
///
/// # Examples
///
/// ```
/// use mycelium_wire::{BindingId, CloseReason, Credit, CreditWindow, Window, frame_bytes};
///
/// let mut window = CreditWindow::new(BindingId::from_u32(0), Window::initial(1));
/// assert!(window.has_room(frame_bytes(56)));
/// window.charge(frame_bytes(56));
/// assert!(!window.has_room(frame_bytes(56)));
///
/// let taken = Credit { confirmed: 1, refused: 0, returned_bytes: 96 };
/// window.handle_credit(taken)?;
/// assert_eq!((window.in_flight(), window.confirmed()), (0, 1));
///
/// let forged = Credit { confirmed: 2, ..taken };
/// assert!(window.handle_credit(forged).is_err());
/// # Ok::<(), CloseReason>(())
/// ```
#[derive(Clone, Debug)]
pub struct CreditWindow {
    binding: BindingId,
    window: Window,
    sent: u64,
    sent_bytes: u64,
    credit: Credit,
}

impl CreditWindow {
    /// Opens a window through which nothing went yet.
    pub fn new(binding: BindingId, window: Window) -> Self {
        Self {
            binding,
            window,
            sent: 0,
            sent_bytes: 0,
            credit: Credit::default(),
        }
    }

    /// Whether a message whose frame occupies this much may be sent now.
    pub fn has_room(&self, frame_bytes: usize) -> bool {
        let outstanding = self.in_flight();
        outstanding < u64::from(self.window.messages)
            && (outstanding == 0
                || self.in_flight_bytes() + frame_bytes as u64 <= u64::from(self.window.bytes))
    }

    /// Counts a message that was sent.
    pub fn charge(&mut self, frame_bytes: usize) {
        debug_assert!(self.has_room(frame_bytes), "room is asked for first");
        self.sent += 1;
        self.sent_bytes += frame_bytes as u64;
    }

    /// Takes the window that the target granted; what is outstanding stays so.
    pub fn resize(&mut self, window: Window) {
        self.window = window;
    }

    /// Takes what the target says became of the messages.
    ///
    /// # Errors
    ///
    /// [`CloseReason::CreditForged`] when a count goes backwards or returns more than was sent, or
    /// when the counts of messages and bytes cannot both be true.
    pub fn handle_credit(&mut self, credit: Credit) -> Result<(), CloseReason> {
        if self.is_possible(credit) {
            self.credit = credit;
            Ok(())
        } else {
            Err(CloseReason::CreditForged {
                binding: self.binding,
            })
        }
    }

    fn is_possible(&self, credit: Credit) -> bool {
        let grows = credit.confirmed >= self.credit.confirmed
            && credit.refused >= self.credit.refused
            && credit.returned_bytes >= self.credit.returned_bytes;
        let returned = credit.confirmed.saturating_add(credit.refused);
        let within = returned <= self.sent && credit.returned_bytes <= self.sent_bytes;
        grows
            && within
            && may_occupy(returned, credit.returned_bytes)
            && may_occupy(
                self.sent - returned,
                self.sent_bytes - credit.returned_bytes,
            )
    }

    /// The window in force.
    pub fn window(&self) -> Window {
        self.window
    }

    /// Messages that went through the window.
    pub fn accepted(&self) -> u64 {
        self.sent
    }

    /// Messages that the actor's handler took, as far as we were told.
    pub fn confirmed(&self) -> u64 {
        self.credit.confirmed
    }

    /// Messages that the target discarded, as far as we were told.
    pub fn refused(&self) -> u64 {
        self.credit.refused
    }

    /// Messages of which we were told nothing yet.
    pub fn in_flight(&self) -> u64 {
        self.sent - self.credit.confirmed - self.credit.refused
    }

    /// Bytes of the messages of which we were told nothing yet.
    pub fn in_flight_bytes(&self) -> u64 {
        self.sent_bytes - self.credit.returned_bytes
    }

    /// The sequence of the last message, 0 before the first.
    #[expect(clippy::cast_possible_truncation, reason = "sequences wrap")]
    pub fn last_sequence(&self) -> u32 {
        self.sent as u32
    }
}

/// Every message has a header at least, and without messages there are no bytes.
fn may_occupy(messages: u64, bytes: u64) -> bool {
    bytes >= messages * HEADER_BYTES as u64 && (messages > 0 || bytes == 0)
}

/// The sum over all bindings of one direction of a link, those that were unbound included.
///
/// `accepted = confirmed + refused + in_flight`, always; when the link is lost, `in_flight` is the
/// number of messages whose fate is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Messages that were sent.
    pub accepted: u64,
    /// Messages that handlers took.
    pub confirmed: u64,
    /// Messages that were discarded.
    pub refused: u64,
    /// Messages of which we were told nothing yet.
    pub in_flight: u64,
}

impl Totals {
    pub(crate) fn add(&mut self, window: &CreditWindow) {
        self.accepted += window.accepted();
        self.confirmed += window.confirmed();
        self.refused += window.refused();
        self.in_flight += window.in_flight();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Credit, CreditWindow, HEADER_BYTES, Window, frame_bytes};
    use crate::BindingId;

    /// The same rules with every message kept in a list.
    struct Naive {
        window: Window,
        outstanding: Vec<usize>,
        credit: Credit,
    }

    impl Naive {
        fn has_room(&self, frame_bytes: usize) -> bool {
            let bytes: usize = self.outstanding.iter().sum();
            self.outstanding.len() < self.window.messages as usize
                && (self.outstanding.is_empty()
                    || bytes + frame_bytes <= self.window.bytes as usize)
        }

        fn take_first(&mut self, confirmed: bool) -> Option<Credit> {
            if self.outstanding.is_empty() {
                return None;
            }
            self.credit.returned_bytes += self.outstanding.remove(0) as u64;
            if confirmed {
                self.credit.confirmed += 1;
            } else {
                self.credit.refused += 1;
            }
            Some(self.credit)
        }
    }

    fn window(messages: u32, bytes: u32) -> CreditWindow {
        CreditWindow::new(BindingId::from_u32(3), Window { messages, bytes })
    }

    proptest! {
        #[test]
        fn the_window_agrees_with_a_list_of_messages(
            messages in 0_u32..6,
            bytes in 0_u32..1_000,
            steps in prop::collection::vec((0_usize..500, 0_u8..4), 0..200),
        ) {
            let mut real = window(messages, bytes);
            let mut naive = Naive {
                window: real.window(),
                outstanding: Vec::new(),
                credit: Credit::default(),
            };
            for (payload_bytes, step) in steps {
                let charge = frame_bytes(payload_bytes);
                prop_assert_eq!(real.has_room(charge), naive.has_room(charge));
                if step < 2 && real.has_room(charge) {
                    real.charge(charge);
                    naive.outstanding.push(charge);
                } else if let Some(credit) = naive.take_first(step == 2) {
                    prop_assert_eq!(real.handle_credit(credit), Ok(()));
                }
                prop_assert_eq!(real.in_flight(), naive.outstanding.len() as u64);
                prop_assert_eq!(
                    real.accepted(),
                    real.confirmed() + real.refused() + real.in_flight()
                );
            }
        }

        #[test]
        fn forged_credit_changes_nothing(sent in 0_u64..5, confirmed: u64, refused: u64, bytes: u64) {
            let mut real = window(100, 100_000);
            for _ in 0..sent {
                real.charge(frame_bytes(8));
            }
            let credit = Credit { confirmed, refused, returned_bytes: bytes };
            prop_assume!(confirmed.checked_add(refused).is_none_or(|returned| returned > sent));
            prop_assert!(real.handle_credit(credit).is_err());
            prop_assert_eq!(real.in_flight(), sent);
        }
    }

    #[test]
    fn impossible_credit_is_refused() {
        let mut real = window(16, 4_096);
        let charge = frame_bytes(8);
        for _ in 0..4 {
            real.charge(charge);
        }
        let credit = |confirmed, refused, returned_bytes| Credit {
            confirmed,
            refused,
            returned_bytes,
        };
        let half = credit(1, 1, 2 * charge as u64);
        assert_eq!(real.handle_credit(half), Ok(()));
        let impossible = [
            ("confirmed goes back", credit(0, 2, 2 * charge as u64)),
            ("refused goes back", credit(2, 0, 2 * charge as u64)),
            ("bytes go back", credit(1, 1, charge as u64)),
            ("more messages than sent", credit(4, 1, 4 * charge as u64)),
            ("more bytes than sent", credit(1, 3, 4 * charge as u64 + 1)),
            ("the sum overflows", credit(u64::MAX, 2, 2 * charge as u64)),
            (
                "all messages, not all bytes",
                credit(2, 2, 3 * charge as u64),
            ),
            (
                "all bytes, not all messages",
                credit(2, 1, 4 * charge as u64),
            ),
            (
                "messages without bytes",
                credit(2, 1, 2 * HEADER_BYTES as u64),
            ),
        ];
        for (what, credit) in impossible {
            assert!(real.handle_credit(credit).is_err(), "{what}");
            assert_eq!(real.in_flight(), 2, "{what}");
        }
    }

    #[test]
    fn a_returned_message_has_a_header_at_least() {
        let mut real = window(16, 4_096);
        real.charge(frame_bytes(8));
        real.charge(frame_bytes(8));
        for returned_bytes in [0, HEADER_BYTES as u64 - 1] {
            let credit = Credit {
                confirmed: 1,
                refused: 0,
                returned_bytes,
            };
            assert!(real.handle_credit(credit).is_err(), "{returned_bytes}");
        }
    }

    #[test]
    fn a_message_larger_than_the_window_passes_alone() {
        let mut real = window(16, 1_000);
        assert!(real.has_room(frame_bytes(50_000)));
        real.charge(frame_bytes(50_000));
        assert!(!real.has_room(frame_bytes(0)));
    }

    #[test]
    fn a_full_window_is_never_below_the_initial_one() {
        for capacity in [0, 1, 15, 16, 17, 1_023, 1_024, 1_025, u32::MAX] {
            for limit in [0, 1 << 18, 1 << 20, u32::MAX] {
                let initial = Window::initial(capacity);
                let full = Window::full(capacity, limit);
                assert!(full.messages >= initial.messages && full.bytes >= initial.bytes);
                assert!(full.messages <= 1_024);
                assert!(u64::from(full.bytes) >= u64::from(limit));
            }
        }
    }
}
