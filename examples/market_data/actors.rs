//! The actors of the book's process: the books, and the risk check beside them.

use mycelium::prelude::*;
use tokio::sync::oneshot;

use crate::{
    book::Books,
    clock::monotonic_ns,
    event::OrderEvent,
    messages::{BookMessage, RiskMessage, StrategyMessage},
    risk::{BookUpdate, RiskCheck, RiskLimits},
    stage::{FEED_TO_BOOK, HopTransport, Progress, RoleReport, Stage},
};

/// Where an actor leaves its report at its end.
pub(crate) type Outcome = oneshot::Sender<RoleReport>;

/// Keeps a limit order book per symbol, and tells risk check and followers of every change.
pub(crate) struct BookActor {
    books: Books,
    /// Not before the feed has started: what it reports is never guessed.
    stage: Option<Stage>,
    progress: Progress,
    risk: ActorRef<RiskMessage>,
    followers: Vec<ActorRef<StrategyMessage>>,
    outcome: Option<Outcome>,
}

impl BookActor {
    /// Makes the actor with empty books.
    pub(crate) fn new(progress: Progress, risk: ActorRef<RiskMessage>, outcome: Outcome) -> Self {
        Self {
            books: Books::default(),
            stage: None,
            progress,
            risk,
            followers: Vec::new(),
            outcome: Some(outcome),
        }
    }

    fn start(&mut self, over: HopTransport) {
        self.stage = Some(Stage::new(
            "book",
            FEED_TO_BOOK,
            over,
            self.progress.clone(),
        ));
    }

    async fn apply(&mut self, mut event: OrderEvent) -> ActorResult {
        let stage = self
            .stage
            .as_mut()
            .ok_or("an event came before the start")?;
        stage.record_arrival(&event, monotonic_ns());
        let top = self.books.apply(&event);
        event.sent_ns = monotonic_ns();
        self.risk
            .send(RiskMessage::Update(BookUpdate { event, top }))
            .await?;
        for follower in &self.followers {
            event.sent_ns = monotonic_ns();
            follower
                .send(StrategyMessage::Update(BookUpdate { event, top }))
                .await?;
        }
        Ok(())
    }

    async fn finish(&mut self, cx: &Context<Self>) -> ActorResult {
        let ended_ns = monotonic_ns();
        self.risk.send(RiskMessage::Done).await?;
        for follower in &self.followers {
            follower.send(StrategyMessage::Done { ended_ns }).await?;
        }
        cx.stop();
        Ok(())
    }
}

impl Actor for BookActor {
    type Message = BookMessage;

    async fn handle(&mut self, message: BookMessage, cx: &mut Context<Self>) -> ActorResult {
        match message {
            BookMessage::Start { over } => self.start(over),
            BookMessage::Order(event) => self.apply(event).await?,
            BookMessage::Follow { who, reply } => {
                self.followers.push(who);
                reply.send(());
            }
            BookMessage::Top { symbol, reply } => reply.send(self.books.top(symbol)),
            BookMessage::Done => self.finish(cx).await?,
        }
        Ok(())
    }

    async fn stopped(&mut self, _reason: &StopReason) {
        let Some(stage) = &self.stage else {
            return;
        };
        let mut report = RoleReport {
            book: Some(self.books.counts()),
            ..RoleReport::default()
        };
        stage.report_into(&mut report);
        hand_in(&mut self.outcome, report);
    }
}

/// Watches what every change of the books means for the firm.
pub(crate) struct RiskActor {
    check: RiskCheck,
    stage: Stage,
    outcome: Option<Outcome>,
}

impl RiskActor {
    /// Makes the actor with nothing at risk.
    pub(crate) fn new(stage: Stage, outcome: Outcome) -> Self {
        Self {
            check: RiskCheck::new(RiskLimits::default()),
            stage,
            outcome: Some(outcome),
        }
    }
}

impl Actor for RiskActor {
    type Message = RiskMessage;

    async fn handle(&mut self, message: RiskMessage, cx: &mut Context<Self>) -> ActorResult {
        match message {
            RiskMessage::Update(update) => {
                self.stage.record_arrival(&update.event, monotonic_ns());
                self.check.observe(&update);
            }
            RiskMessage::Done => cx.stop(),
        }
        Ok(())
    }

    async fn stopped(&mut self, _reason: &StopReason) {
        let mut report = RoleReport {
            risk: Some(self.check.counts()),
            ..RoleReport::default()
        };
        self.stage.report_into(&mut report);
        hand_in(&mut self.outcome, report);
    }
}

/// Leaves an actor's report where its process waits for it.
pub(crate) fn hand_in(outcome: &mut Option<Outcome>, report: RoleReport) {
    if let Some(outcome) = outcome.take() {
        // Nobody waits for it when the process is ending anyway.
        let _ = outcome.send(report);
    }
}
