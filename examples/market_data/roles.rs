//! What feed and book do with their messages. The only module that knows how events travel.
//!
//! Here they travel as fixed records over a hand-made Unix socket, and to the risk check over a
//! bounded channel: enough to run the whole job until actors take over.

use std::{
    io::{self, BufReader, BufWriter, ErrorKind, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use thiserror::Error;

use crate::{
    book::Books,
    child::Child,
    clock::monotonic_ns,
    event::{OrderEvent, Symbol},
    feed::Feed,
    lobster::LobsterError,
    notice::Blame,
    risk::{BookUpdate, RiskCheck, RiskLimits},
    stage::{HopTransport, Progress, RoleReport, Stage, StageReport},
};

const RECORD_BYTES: usize = 64;

/// Replays the events to the book.
///
/// # Errors
/// When the input is missing or malformed, or the book goes away.
pub(crate) async fn run_feed(child: &Child) -> Result<RoleReport, RoleError> {
    let feed = Feed::open(&child.options, child.stop_on_sigterm()?)?;
    let book = UnixStream::connect(book_socket(child)).map_err(RoleError::book_lost)?;
    child.announce(Vec::new())?;
    let progress = child.progress.clone();
    let counts = in_thread(move || replay(feed, book, &progress)).await?;
    Ok(RoleReport {
        stages: vec![StageReport {
            name: "feed".into(),
            counts,
        }],
        ..RoleReport::default()
    })
}

/// Keeps the books, with the risk check beside them, until the feed is done.
///
/// # Errors
/// When the socket cannot be made or the feed sends less than a whole record.
pub(crate) async fn run_book(child: &Child) -> Result<RoleReport, RoleError> {
    let socket = book_socket(child);
    let listener = UnixListener::bind(&socket)?;
    child.announce(vec![format!("unix:{}", socket.display())])?;
    let progress = child.progress.clone();
    in_thread(move || keep_books(listener.accept()?.0, progress)).await
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
        /// What the socket said.
        source: io::Error,
    },
    /// The launcher ended before this process had started.
    #[error("the launcher is gone")]
    LauncherGone,
    /// The system refused something.
    #[error("the system refused what the process needs")]
    System(#[from] io::Error),
}

impl RoleError {
    /// Who caused it.
    pub(crate) fn blame(&self) -> Blame {
        match self {
            Self::Input(_) => Blame::Input,
            Self::PeerLost { .. } | Self::LauncherGone => Blame::Peer,
            Self::System(_) => Blame::Process,
        }
    }

    fn book_lost(source: io::Error) -> Self {
        Self::PeerLost {
            peer: "book",
            source,
        }
    }
}

fn book_socket(child: &Child) -> PathBuf {
    child
        .options
        .role
        .socket_dir
        .clone()
        .unwrap_or_default()
        .join("book.sock")
}

async fn in_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RoleError> + Send + 'static,
) -> Result<T, RoleError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|panic| RoleError::System(io::Error::other(panic)))?
}

fn replay(
    mut feed: Feed,
    book: UnixStream,
    progress: &Progress,
) -> Result<crate::ledger::LedgerCounts, RoleError> {
    let mut book = BufWriter::new(book);
    while let Some(mut event) = feed.next_event()? {
        if monotonic_ns() < event.intended_ns {
            book.flush().map_err(RoleError::book_lost)?;
            feed.wait_until_due(&event);
        }
        event.sent_ns = monotonic_ns();
        book.write_all(&encode(&event))
            .map_err(RoleError::book_lost)?;
        feed.record_sent(&event);
        progress.set(feed.sent());
    }
    book.flush().map_err(RoleError::book_lost)?;
    Ok(feed.finish())
}

fn keep_books(feed: UnixStream, progress: Progress) -> Result<RoleReport, RoleError> {
    let (to_risk, updates) = sync_channel(1_024);
    let risk = thread::spawn(move || watch_risk(&updates));
    let mut stage = Stage::new("book", "feed->book", HopTransport::Unix, progress);
    let books = apply_all(feed, &mut stage, &to_risk)?;
    drop(to_risk);
    let mut report = RoleReport {
        book: Some(books.counts()),
        ..RoleReport::default()
    };
    stage.finish_into(&mut report);
    let (risk, risk_stage) = risk
        .join()
        .map_err(|_| io::Error::other("the risk check panicked"))?;
    report.risk = Some(risk.counts());
    risk_stage.finish_into(&mut report);
    Ok(report)
}

fn apply_all(
    feed: UnixStream,
    stage: &mut Stage,
    risk: &SyncSender<BookUpdate>,
) -> io::Result<Books> {
    let mut feed = BufReader::new(feed);
    let mut books = Books::default();
    let mut record = [0; RECORD_BYTES];
    while read_record(&mut feed, &mut record)? {
        let mut event = decode(&record);
        stage.record_arrival(&event, monotonic_ns());
        let top = books.apply(&event);
        event.sent_ns = monotonic_ns();
        risk.send(BookUpdate { event, top })
            .map_err(|_| io::Error::other("the risk check is gone"))?;
    }
    Ok(books)
}

fn watch_risk(updates: &Receiver<BookUpdate>) -> (RiskCheck, Stage) {
    let mut check = RiskCheck::new(RiskLimits::default());
    let mut stage = Stage::new(
        "risk",
        "book->risk",
        HopTransport::Local,
        Progress::default(),
    );
    for update in updates {
        stage.record_arrival(&update.event, monotonic_ns());
        check.observe(&update);
    }
    (check, stage)
}

/// False at a clean end.
fn read_record(input: &mut impl Read, record: &mut [u8; RECORD_BYTES]) -> io::Result<bool> {
    match input.read_exact(record) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn encode(event: &OrderEvent) -> [u8; RECORD_BYTES] {
    let mut record = [0; RECORD_BYTES];
    let words = [
        event.sequence,
        event.time_ns,
        event.order_id,
        event.price.cast_unsigned(),
        event.intended_ns,
        event.sent_ns,
    ];
    for (slot, word) in record.chunks_exact_mut(8).zip(words) {
        slot.copy_from_slice(&word.to_le_bytes());
    }
    record[48..56].copy_from_slice(&event.symbol.bytes());
    record[56..60].copy_from_slice(&event.size.to_le_bytes());
    record[60] = event.kind;
    record[61] = event.direction.cast_unsigned();
    record
}

fn decode(record: &[u8; RECORD_BYTES]) -> OrderEvent {
    let word =
        |index: usize| u64::from_le_bytes(std::array::from_fn(|byte| record[index * 8 + byte]));
    OrderEvent {
        sequence: word(0),
        time_ns: word(1),
        order_id: word(2),
        price: word(3).cast_signed(),
        intended_ns: word(4),
        sent_ns: word(5),
        symbol: Symbol::from_bytes(std::array::from_fn(|byte| record[48 + byte])),
        size: u32::from_le_bytes(std::array::from_fn(|byte| record[56 + byte])),
        kind: record[60],
        direction: record[61].cast_signed(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::Generator;

    #[test]
    fn a_record_decodes_to_the_event_it_was_made_of() {
        for event in Generator::new(2).take(100) {
            let event = OrderEvent {
                intended_ns: 3,
                sent_ns: 4,
                ..event
            };
            assert_eq!(decode(&encode(&event)), event);
        }
    }
}
