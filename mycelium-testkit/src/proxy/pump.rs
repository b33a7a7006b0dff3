//! [`pump`]: one direction of one connection.
//!
//! Two halves with a bounded line between them, so that latency delays bytes without slowing them:
//! [`take_in`] reads and says when each portion is due, [`GiveOut`] writes it then, with the rest of
//! the faults.

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{Faults, Pass, Stall};

/// The most bytes of one read.
const PORTION_BYTES: usize = 16 << 10;

/// The most reads that wait to be passed on.
const WAITING_PORTIONS: usize = 64;

/// A sender that says nothing for so long pauses.
const PAUSE: Duration = Duration::from_millis(2);

/// What all connections of a proxy share in one direction.
pub(super) struct Direction {
    pub(super) faults: watch::Sender<Faults>,
    passed_bytes: AtomicU64,
}

/// Bytes that were read, and when they may come out.
struct Portion {
    due: Instant,
    bytes: Vec<u8>,
}

/// Passes bytes on until their sender has ended, and then the end.
///
/// # Errors
///
/// The connection is to be closed: a socket failed, or the direction is cut here.
pub(super) async fn pump(
    direction: &Direction,
    from: impl AsyncRead + Unpin,
    to: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    let (sender, receiver) = mpsc::channel(WAITING_PORTIONS);
    let give_out = GiveOut {
        direction,
        faults: direction.faults.subscribe(),
        waiting: receiver,
        to,
    };
    tokio::try_join!(
        take_in(direction.faults.subscribe(), from, sender),
        give_out.run()
    )?;
    Ok(())
}

async fn take_in(
    faults: watch::Receiver<Faults>,
    mut from: impl AsyncRead + Unpin,
    waiting: mpsc::Sender<Portion>,
) -> io::Result<()> {
    let mut dice = StdRng::seed_from_u64(faults.borrow().seed);
    let mut last_due = Instant::now();
    loop {
        let mut bytes = Vec::with_capacity(PORTION_BYTES);
        if from.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
        let (latency, jitter) = {
            let faults = faults.borrow();
            (faults.latency, faults.jitter)
        };
        // Jitter reorders nothing.
        let due = Instant::now() + latency + jitter.mul_f64(dice.random());
        let due = due.max(last_due);
        last_due = due;
        if waiting.send(Portion { due, bytes }).await.is_err() {
            return Ok(());
        }
    }
}

struct GiveOut<'a, W> {
    direction: &'a Direction,
    faults: watch::Receiver<Faults>,
    waiting: mpsc::Receiver<Portion>,
    to: W,
}

impl<W: AsyncWrite + Unpin> GiveOut<'_, W> {
    async fn run(mut self) -> io::Result<()> {
        while let Some(portion) = self.waiting.recv().await {
            sleep_until(portion.due).await;
            let bytes = self.glue(portion.bytes).await;
            self.write(bytes).await?;
        }
        // A direction that stands still shows no end either.
        self.wait_while(|stall| stall.is_some()).await;
        // The other direction goes on until its own end.
        self.to.shutdown().await
    }

    /// Adds what comes next, where portions are to be glued.
    async fn glue(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        let Pass::Glued { bytes: enough } = self.faults.borrow().pass else {
            return bytes;
        };
        while bytes.len() < enough {
            match timeout(PAUSE, self.waiting.recv()).await {
                Ok(Some(next)) => bytes.extend_from_slice(&next.bytes),
                Ok(None) | Err(_) => break,
            }
        }
        bytes
    }

    async fn write(&mut self, mut bytes: Vec<u8>) -> io::Result<()> {
        let mut rest = &mut bytes[..];
        while !rest.is_empty() {
            self.wait_while(|stall| stall == Some(Stall::Hold)).await;
            let faults = self.faults.borrow().clone();
            if faults.stall == Some(Stall::Swallow) {
                return Ok(());
            }
            let (slice, others) = rest.split_at_mut(slice_bytes(&faults).min(rest.len()));
            rest = others;
            self.write_slice(slice, &faults).await?;
            if let Some(rate) = faults.rate_bytes_per_second {
                sleep(time_of(slice.len(), rate)).await;
            }
        }
        Ok(())
    }

    async fn write_slice(&mut self, slice: &mut [u8], faults: &Faults) -> io::Result<()> {
        let passed = &self.direction.passed_bytes;
        // Relaxed: connections that share a direction only need positions of their own.
        let start = passed.fetch_add(slice.len() as u64, Ordering::Relaxed);
        let position = |at: u64| {
            let offset = usize::try_from(at.checked_sub(start)?).ok()?;
            (offset < slice.len()).then_some(offset)
        };
        let (flipped, cut) = (
            faults.flip.and_then(|(at, bit)| Some((position(at)?, bit))),
            faults.cut_at.and_then(position),
        );
        if let Some((offset, bit)) = flipped {
            slice[offset] ^= 1 << bit;
        }
        if let Some(offset) = cut {
            self.to.write_all(&slice[..offset]).await?;
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        self.to.write_all(slice).await
    }

    /// Waits while the direction's stall is such, and the proxy lives.
    async fn wait_while(&mut self, is_such: impl Fn(Option<Stall>) -> bool) {
        let faults = &mut self.faults;
        // The handle's direction lives as long as this one does.
        let _ = faults.wait_for(|faults| !is_such(faults.stall)).await;
    }
}

impl Direction {
    pub(super) fn passed_bytes(&self) -> u64 {
        self.passed_bytes.load(Ordering::Relaxed)
    }
}

impl Default for Direction {
    fn default() -> Self {
        Self {
            faults: watch::Sender::new(Faults::default()),
            passed_bytes: AtomicU64::new(0),
        }
    }
}

/// The most bytes of one write.
fn slice_bytes(faults: &Faults) -> usize {
    let slice = match faults.pass {
        Pass::Sliced { bytes } => bytes.max(1),
        Pass::Plain | Pass::Glued { .. } => usize::MAX,
    };
    // So that a limited rate is no sequence of bursts.
    let tenth = |rate: u64| usize::try_from(rate.div_ceil(10)).unwrap_or(usize::MAX);
    slice.min(faults.rate_bytes_per_second.map_or(usize::MAX, tenth))
}

/// How long so many bytes take at this rate.
fn time_of(bytes: usize, bytes_per_second: u64) -> Duration {
    Duration::from_nanos((bytes as u64).saturating_mul(1_000_000_000) / bytes_per_second)
}
