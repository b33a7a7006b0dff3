//! The actor that asks the book, one question at a time, and counts what it was not told.

use mycelium::prelude::*;

use crate::{
    actors::{Outcome, hand_in},
    clock::monotonic_ns,
    event::Symbol,
    latency::LatencyRecorder,
    messages::BookMessage,
    stage::{HopReport, HopTransport, RoleReport, STRATEGY_ASKS_BOOK},
};

/// What the asker is to do.
pub(crate) enum Question {
    /// Ask the book for the best prices of this symbol.
    Top(Symbol),
    /// End: the book has ended as it should.
    NoMore {
        /// When it did.
        ended_ns: u64,
    },
}

/// Asks the book, so that whoever follows it never waits for an answer.
pub(crate) struct Asker {
    book: ActorRef<BookMessage>,
    transport: HopTransport,
    round_trips: LatencyRecorder,
    failed: u64,
    /// When the book seemed to be gone; only its end tells whether it was.
    seemed_gone_ns: Vec<u64>,
    outcome: Option<Outcome>,
}

impl Asker {
    /// Makes the actor; `transport` carries what it asks.
    pub(crate) fn new(
        book: ActorRef<BookMessage>,
        transport: HopTransport,
        outcome: Outcome,
    ) -> Self {
        Self {
            book,
            transport,
            round_trips: LatencyRecorder::new(),
            failed: 0,
            seemed_gone_ns: Vec::new(),
            outcome: Some(outcome),
        }
    }

    async fn ask(&mut self, symbol: Symbol) {
        let asked_ns = monotonic_ns();
        let ask = self.book.ask(|reply| BookMessage::Top { symbol, reply });
        match ask.await {
            Ok(_top) => self.round_trips.record(asked_ns, monotonic_ns()),
            Err(error) if is_of_an_end(&error) => self.seemed_gone_ns.push(monotonic_ns()),
            Err(_) => self.failed += 1,
        }
    }

    /// A book that has ended answers no more: what was asked of it then did not fail.
    fn close(&mut self, ended_ns: u64) {
        self.seemed_gone_ns.retain(|&at_ns| at_ns < ended_ns);
    }
}

impl Actor for Asker {
    type Message = Question;

    async fn handle(&mut self, question: Question, cx: &mut Context<Self>) -> ActorResult {
        match question {
            Question::Top(symbol) => self.ask(symbol).await,
            Question::NoMore { ended_ns } => {
                self.close(ended_ns);
                cx.stop();
            }
        }
        Ok(())
    }

    async fn stopped(&mut self, _reason: &StopReason) {
        let asks = HopReport {
            name: STRATEGY_ASKS_BOOK.into(),
            transport: self.transport,
            latency: self.round_trips.snapshot(),
        };
        let report = RoleReport {
            hops: vec![asks],
            failed_asks: Some(self.failed + self.seemed_gone_ns.len() as u64),
            ..RoleReport::default()
        };
        hand_in(&mut self.outcome, report);
    }
}

/// True for what an ask is answered when the actor has ended, or ends before the question's turn.
fn is_of_an_end(error: &AskError<BookMessage>) -> bool {
    matches!(
        error,
        AskError::NotSent(
            SendError::ActorDown { .. } | SendError::NodeDown(_) | SendError::LinkDown(_)
        ) | AskError::ActorDown(_)
            | AskError::NoReply
            | AskError::NodeDown
            | AskError::LinkDown
    )
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use tokio::sync::oneshot;

    use super::*;
    use crate::book::TopOfBook;

    /// An asker, and the book it asks in the hand of the test.
    struct Asked {
        asker: ActorRef<Question>,
        book: Inbox<BookMessage>,
        report: oneshot::Receiver<RoleReport>,
    }

    impl Asked {
        async fn start() -> Result<Self, Box<dyn Error>> {
            let node = Node::builder("asking").start().await?;
            let book = node.inbox();
            let (outcome, report) = oneshot::channel();
            let asker = Asker::new(book.actor_ref(), HopTransport::Local, outcome);
            let asker = node.spawn(asker);
            Ok(Self {
                asker,
                book,
                report,
            })
        }

        async fn next_reply(&mut self) -> Result<ReplyTo<Option<TopOfBook>>, Box<dyn Error>> {
            self.asker.send(Question::Top(Symbol::new("ANY"))).await?;
            match self.book.recv().await? {
                BookMessage::Top { reply, .. } => Ok(reply),
                _ => Err("not a question".into()),
            }
        }

        /// Answered and failed questions.
        async fn counts(self, ended_ns: u64) -> Result<(u64, Option<u64>), Box<dyn Error>> {
            self.asker.send(Question::NoMore { ended_ns }).await?;
            let report = self.report.await?;
            let mut round_trips = LatencyRecorder::new();
            round_trips.absorb(&report.hops[0].latency);
            Ok((round_trips.summary().count, report.failed_asks))
        }
    }

    #[tokio::test]
    async fn an_answer_is_timed_and_a_question_left_open_has_failed() -> Result<(), Box<dyn Error>>
    {
        let mut asked = Asked::start().await?;
        asked.next_reply().await?.send(None);
        drop(asked.next_reply().await?);
        assert_eq!(asked.counts(u64::MAX).await?, (1, Some(1)));
        Ok(())
    }

    #[tokio::test]
    async fn a_book_that_is_gone_has_failed_only_before_its_end() -> Result<(), Box<dyn Error>> {
        for (ended_ns, failed) in [(0, 0), (u64::MAX, 1)] {
            let mut asked = Asked::start().await?;
            asked.next_reply().await?.send(None);
            asked.book.actor_ref().stop();
            asked.asker.send(Question::Top(Symbol::new("ANY"))).await?;
            assert_eq!(asked.counts(ended_ns).await?, (1, Some(failed)));
        }
        Ok(())
    }
}
