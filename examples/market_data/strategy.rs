//! The actors of the strategy's process: the one that follows the book, and the one beside it that
//! asks.

use mycelium::prelude::*;

use crate::{
    actors::{Outcome, hand_in},
    asker::Question,
    clock::monotonic_ns,
    latency::LatencyRecorder,
    messages::StrategyMessage,
    risk::BookUpdate,
    stage::{END_TO_END, HopReport, HopTransport, RoleReport, Stage},
};

/// How many updates pass between two questions to the book.
const UPDATES_PER_QUESTION: u64 = 100;

/// Follows the books of another process.
pub(crate) struct StrategyActor {
    stage: Stage,
    /// From the time an event should have left the feed to its handling here.
    end_to_end: LatencyRecorder,
    /// Asks the book, so that this actor never waits for an answer.
    asker: ActorRef<Question>,
    updates: u64,
    outcome: Option<Outcome>,
}

impl StrategyActor {
    /// Makes the actor; the asker leaves a report of its own.
    pub(crate) fn new(stage: Stage, asker: ActorRef<Question>, outcome: Outcome) -> Self {
        Self {
            stage,
            end_to_end: LatencyRecorder::new(),
            asker,
            updates: 0,
            outcome: Some(outcome),
        }
    }

    fn update(&mut self, update: &BookUpdate) {
        let now_ns = monotonic_ns();
        self.stage.record_arrival(&update.event, now_ns);
        self.end_to_end.record(update.event.intended_ns, now_ns);
        self.updates += 1;
        if self.updates.is_multiple_of(UPDATES_PER_QUESTION) {
            // Still busy with the last question: this one is left out.
            let _ = self.asker.try_send(Question::Top(update.event.symbol));
        }
    }
}

impl Actor for StrategyActor {
    type Message = StrategyMessage;

    async fn handle(&mut self, message: StrategyMessage, cx: &mut Context<Self>) -> ActorResult {
        match message {
            StrategyMessage::Update(update) => self.update(&update),
            StrategyMessage::Done { ended_ns } => {
                self.asker.send(Question::NoMore { ended_ns }).await?;
                cx.stop();
            }
        }
        Ok(())
    }

    async fn stopped(&mut self, _reason: &StopReason) {
        let mut report = RoleReport::default();
        self.stage.report_into(&mut report);
        report.hops.push(HopReport {
            name: END_TO_END.into(),
            transport: HopTransport::Mixed,
            latency: self.end_to_end.snapshot(),
        });
        hand_in(&mut self.outcome, report);
    }
}
