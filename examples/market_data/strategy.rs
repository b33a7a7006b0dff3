//! The actors of the strategy's process: the one that follows the book, and its child that asks it.

use std::num::NonZeroUsize;

use mycelium::prelude::*;

use crate::{
    actors::{Outcome, hand_in},
    clock::monotonic_ns,
    event::Symbol,
    latency::LatencyRecorder,
    messages::{BookMessage, StrategyMessage},
    risk::BookUpdate,
    stage::{HopReport, HopTransport, RoleReport, Stage, transport_to},
};

/// How many updates pass between two questions to the book.
const UPDATES_PER_QUESTION: u64 = 100;

/// Follows the books of another process.
pub(crate) struct StrategyActor {
    book: ActorRef<BookMessage>,
    stage: Stage,
    /// From the time an event should have left the feed to its handling here.
    end_to_end: LatencyRecorder,
    /// Asks the book, so that this actor never waits for an answer.
    asker: Option<ActorRef<Symbol>>,
    asker_outcome: Option<Outcome>,
    updates: u64,
    outcome: Option<Outcome>,
}

impl StrategyActor {
    /// Makes the actor; its child leaves a report of its own.
    pub(crate) fn new(
        book: ActorRef<BookMessage>,
        stage: Stage,
        outcome: Outcome,
        asker_outcome: Outcome,
    ) -> Self {
        Self {
            book,
            stage,
            end_to_end: LatencyRecorder::new(),
            asker: None,
            asker_outcome: Some(asker_outcome),
            updates: 0,
            outcome: Some(outcome),
        }
    }

    fn update(&mut self, update: &BookUpdate) {
        let now_ns = monotonic_ns();
        self.stage.record_arrival(&update.event, now_ns);
        self.end_to_end.record(update.event.intended_ns, now_ns);
        self.updates += 1;
        if self.updates.is_multiple_of(UPDATES_PER_QUESTION)
            && let Some(asker) = &self.asker
        {
            // Still busy with the last question: this one is left out.
            let _ = asker.try_send(update.event.symbol);
        }
    }
}

impl Actor for StrategyActor {
    type Message = StrategyMessage;

    async fn started(&mut self, cx: &mut Context<Self>) -> ActorResult {
        let asker = Asker {
            book: self.book.clone(),
            round_trips: LatencyRecorder::new(),
            transport: HopTransport::Local,
            outcome: self.asker_outcome.take(),
        };
        let one_at_a_time = SpawnOptions::default().capacity(NonZeroUsize::MIN);
        self.stage.came_over(transport_to(cx.node(), "book"));
        self.asker = Some(cx.spawn_with(one_at_a_time, asker));
        Ok(())
    }

    async fn handle(&mut self, message: StrategyMessage, cx: &mut Context<Self>) -> ActorResult {
        match message {
            StrategyMessage::Update(update) => self.update(&update),
            StrategyMessage::Done => cx.stop(),
        }
        Ok(())
    }

    async fn stopped(&mut self, _reason: &StopReason) {
        let mut report = RoleReport::default();
        self.stage.report_into(&mut report);
        report.hops.push(HopReport {
            name: "end to end".into(),
            transport: HopTransport::Mixed,
            latency: self.end_to_end.snapshot(),
        });
        hand_in(&mut self.outcome, report);
    }
}

/// Asks the book for the best prices, one question at a time.
struct Asker {
    book: ActorRef<BookMessage>,
    round_trips: LatencyRecorder,
    transport: HopTransport,
    outcome: Option<Outcome>,
}

impl Actor for Asker {
    type Message = Symbol;

    async fn started(&mut self, cx: &mut Context<Self>) -> ActorResult {
        self.transport = transport_to(cx.node(), "book");
        Ok(())
    }

    async fn handle(&mut self, symbol: Symbol, _cx: &mut Context<Self>) -> ActorResult {
        let asked_ns = monotonic_ns();
        // A book that has just ended answers no more; there is nothing to measure then.
        if self
            .book
            .ask(|reply| BookMessage::Top { symbol, reply })
            .await
            .is_ok()
        {
            self.round_trips.record(asked_ns, monotonic_ns());
        }
        Ok(())
    }

    async fn stopped(&mut self, _reason: &StopReason) {
        let asks = HopReport {
            name: "strategy->book ask".into(),
            transport: self.transport,
            latency: self.round_trips.snapshot(),
        };
        let report = RoleReport {
            hops: vec![asks],
            ..RoleReport::default()
        };
        hand_in(&mut self.outcome, report);
    }
}
