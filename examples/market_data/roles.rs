//! What feed, book and strategy do: the nodes they start, and how their actors come to know each other.

use std::{error::Error, io, num::NonZeroUsize, path::PathBuf, time::Duration};

use mycelium::{InvalidPeerAddr, NodeBuilder, RegisterError, ResolveError, StartError, prelude::*};
use thiserror::Error;
use tokio::{sync::oneshot, task::JoinError};

use crate::{
    actors::{BookActor, RiskActor},
    asker::Asker,
    child::Child,
    failure::complain,
    feed::Feed,
    ledger::LedgerCounts,
    lobster::LobsterError,
    messages::BookMessage,
    notice::Blame,
    options::{Role, Transport},
    pace::Waited,
    stage::{
        BOOK_TO_RISK, BOOK_TO_STRATEGY, HopTransport, Progress, RoleReport, Stage, StageReport,
    },
    strategy::StrategyActor,
};

/// The name of the book's actor.
const BOOK: &str = "book";

/// A port of this host that the kernel chooses.
const ANY_PORT: &str = "127.0.0.1:0";

/// How long a node may take to end what its actors still have to do.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// Replays the events to the book.
///
/// # Errors
/// When the input is missing or malformed, or the book goes away.
pub(crate) async fn run_feed(child: &Child) -> Result<RoleReport, RoleError> {
    let stop = child.stop_on_sigterm()?;
    let feed = Feed::open(&child.options, stop.clone())?;
    let node = node(child, Role::Feed)?.start().await?;
    let book = node.resolve::<BookMessage>(BOOK).await?;
    child.announce(Vec::new())?;
    let progress = child.progress.clone();
    // A trading loop is not async: it has a thread of its own.
    let replayed = tokio::task::spawn_blocking(move || replay(feed, &book, &progress)).await?;
    shut_down(&node).await;
    let stage = StageReport {
        name: "feed".into(),
        counts: replayed?,
    };
    Ok(RoleReport {
        stages: vec![stage],
        was_stopped: stop.is_raised(),
        ..RoleReport::default()
    })
}

/// Keeps the books, with the risk check beside them, until the feed is done.
///
/// # Errors
/// When the node cannot start, or an actor fails.
pub(crate) async fn run_book(child: &Child) -> Result<RoleReport, RoleError> {
    let node = node(child, Role::Book)?.start().await?;
    let (risk_outcome, risk_report) = oneshot::channel();
    // Only the book of this process is given a ref to it.
    let stage = Stage::new(
        "risk",
        BOOK_TO_RISK,
        HopTransport::Local,
        Progress::default(),
    );
    let risk = node.spawn(RiskActor::new(stage, risk_outcome));
    let (book_outcome, book_report) = oneshot::channel();
    let book = node.spawn(BookActor::new(child.progress.clone(), risk, book_outcome));
    node.register(BOOK, &book)?;
    child.announce(node.addresses().iter().map(ToString::to_string).collect())?;

    let report = collect(BOOK, book_report)
        .await?
        .join(collect("risk", risk_report).await?);
    shut_down(&node).await;
    Ok(report)
}

/// Follows the book until the feed is done.
///
/// # Errors
/// When the node cannot start, the book goes away, or an actor fails.
pub(crate) async fn run_strategy(child: &Child) -> Result<RoleReport, RoleError> {
    let node = node(child, Role::Strategy)?.start().await?;
    let book = node.resolve::<BookMessage>(BOOK).await?;
    // Its link carries both ways.
    let over = transport_to_book(&book)?;
    let (asker_outcome, asker_report) = oneshot::channel();
    let one_at_a_time = SpawnOptions::default().capacity(NonZeroUsize::MIN);
    let asker = node.spawn_with(one_at_a_time, Asker::new(book.clone(), over, asker_outcome));
    let (outcome, report) = oneshot::channel();
    let stage = Stage::new("strategy", BOOK_TO_STRATEGY, over, child.progress.clone());
    let who = node.spawn(StrategyActor::new(stage, asker, outcome));
    let follows = book.ask(|reply| BookMessage::Follow { who, reply }).await;
    follows.map_err(|error| RoleError::PeerLost {
        peer: BOOK,
        source: Box::new(error),
    })?;
    child.announce(Vec::new())?;

    let report = collect("strategy", report).await?;
    let asks = collect("asker", asker_report).await?;
    shut_down(&node).await;
    Ok(report.join(asks))
}

/// The node of a process: what it listens at, and that it dials the book.
///
/// Left to themselves, feed and book share a directory of sockets and find each other there,
/// though the feed is given the book's port alone; the strategy knows ports only.
fn node(child: &Child, role: Role) -> Result<NodeBuilder, RoleError> {
    let builder = Node::builder(role.name());
    let builder = match (child.options.transport, role) {
        (Transport::Unix, _) => builder
            .transport(mycelium::Transport::Unix)
            .unix(socket_dir(child)),
        (Transport::Tcp, _) => builder.transport(mycelium::Transport::Tcp).tcp(ANY_PORT),
        (Transport::Auto, Role::Strategy) => builder.tcp(ANY_PORT),
        (Transport::Auto, _) => builder.unix(socket_dir(child)).tcp(ANY_PORT),
    };
    let is_port = |address: &&PeerAddr| matches!(address, PeerAddr::Tcp { .. });
    let peers: Result<Vec<PeerAddr>, _> = child
        .options
        .role
        .peers
        .iter()
        .map(|text| text.parse())
        .collect();
    let peers = peers?;
    let dialled = match child.options.transport {
        Transport::Unix => peers.iter().find(|address| !is_port(address)),
        Transport::Tcp | Transport::Auto => peers.iter().find(is_port),
    };
    Ok(match dialled {
        Some(address) => builder.peer(address.clone()),
        None => builder,
    })
}

async fn collect(
    actor: &'static str,
    report: oneshot::Receiver<RoleReport>,
) -> Result<RoleReport, RoleError> {
    report.await.map_err(|_| RoleError::ActorLost { actor })
}

/// Why a role could not be played to its end.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum RoleError {
    /// What the user gave cannot be replayed.
    #[error(transparent)]
    Input(#[from] LobsterError),
    /// Another process of the job went away.
    #[error("lost the connection to {peer}")]
    PeerLost {
        /// The process.
        peer: &'static str,
        /// What the send answered.
        source: Box<dyn Error + Send + Sync>,
    },
    /// An actor of this process failed; its node has logged why.
    #[error("the {actor} actor failed")]
    ActorLost {
        /// The actor.
        actor: &'static str,
    },
    /// The launcher ended before this process had started.
    #[error("the launcher is gone")]
    LauncherGone,
    /// The node did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The launcher gave an address that is none.
    #[error(transparent)]
    Address(#[from] InvalidPeerAddr),
    /// The book's name is taken.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// The book was not found.
    #[error("cannot find the book")]
    Resolve(#[from] ResolveError),
    /// The book was found, but over something that reports do not know.
    #[error("the book is reached over something that reports have no name for")]
    UnknownTransport,
    /// The sending thread panicked.
    #[error("the replay failed")]
    Replay(#[from] JoinError),
    /// The system refused something.
    #[error("the system refused what the process needs")]
    System(#[from] io::Error),
}

impl RoleError {
    /// Who caused it.
    pub(crate) fn blame(&self) -> Blame {
        match self {
            Self::Input(_) => Blame::Input,
            Self::PeerLost { .. } | Self::Resolve(_) | Self::LauncherGone => Blame::Peer,
            _ => Blame::Process,
        }
    }
}

fn replay(
    mut feed: Feed,
    book: &ActorRef<BookMessage>,
    progress: &Progress,
) -> Result<LedgerCounts, RoleError> {
    let lost = |error: SendError<BookMessage>| RoleError::PeerLost {
        peer: BOOK,
        source: Box::new(error),
    };
    let over = transport_to_book(book)?;
    book.send_blocking(BookMessage::Start { over })
        .map_err(lost)?;
    while let Some(mut event) = feed.next_event()? {
        if feed.wait_until_due(&mut event) == Waited::Stopped {
            break;
        }
        book.send_blocking(BookMessage::Order(event))
            .map_err(lost)?;
        feed.record_sent(&event);
        progress.set(feed.sent());
    }
    book.send_blocking(BookMessage::Done).map_err(lost)?;
    Ok(feed.counts())
}

fn transport_to_book(book: &ActorRef<BookMessage>) -> Result<HopTransport, RoleError> {
    HopTransport::to(book).ok_or(RoleError::UnknownTransport)
}

async fn shut_down(node: &Node) {
    if let Err(late) = node.shutdown(SHUTDOWN_TIMEOUT).await {
        complain(format_args!("{}: {late}", node.id()));
    }
}

fn socket_dir(child: &Child) -> PathBuf {
    child.options.role.socket_dir.clone().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{options::Options, pace::StopFlag};

    #[tokio::test]
    async fn what_is_not_yet_due_is_not_sent_when_the_replay_stops() -> Result<(), Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("hours_apart.csv");
        fs::write(&file, "34200.0,1,7,10,100,1\n57600.0,1,8,10,100,1\n")?;
        let file = file.to_str().ok_or("not a text")?;
        let options = Options::parse_from(&["--input", file, "--rate", "recorded"])?;
        let stop = StopFlag::default();
        let feed = Feed::open(&options, stop.clone())?;
        let mut book = Node::builder("book").start().await?.inbox();
        let to_book = book.actor_ref();
        let replayed =
            tokio::task::spawn_blocking(move || replay(feed, &to_book, &Progress::default()));

        assert!(matches!(book.recv().await?, BookMessage::Start { .. }));
        assert!(matches!(book.recv().await?, BookMessage::Order(_)));
        stop.raise();
        assert!(matches!(book.recv().await?, BookMessage::Done));
        assert_eq!(replayed.await??.handled, 1);
        Ok(())
    }
}
