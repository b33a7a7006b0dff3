//! How long 64-byte ticks take beside large objects: over one link, and over two raw sockets, one
//! for the ticks and one for the bytes, by tasks or by threads that block.
//!
//! Both ends are in this process, each on threads of its own. A tick leaves about every 200
//! microseconds, from a thread that does nothing else; its latency counts from right before it is
//! sent to when its receiver has it, by the one clock of the host. Objects follow one another until
//! enough ticks have left: so the slow and the fast are looked at for as long.

mod link;
mod tasks;
mod threads;

use std::{
    fmt, io,
    net::{TcpListener, TcpStream},
    os::unix::net::UnixStream,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::runtime::{Builder, Runtime};

pub use self::{link::over_a_link, tasks::over_tokio_sockets, threads::over_raw_sockets};

/// How long the ticker sleeps between two ticks.
const PAUSE: Duration = Duration::from_micros(200);

/// What the raw side writes and reads at a time.
const PIECE_BYTES: usize = 64 << 10;

/// What both sides go over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Unix sockets.
    Unix,
    /// TCP over loopback.
    Tcp,
}

/// Objects, one after another, until enough ticks have left; at least one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// The size of each object.
    pub object_bytes: u64,
    /// After how many ticks no other object begins.
    pub ticks: usize,
}

/// The latencies of ticks beside objects, and how long the objects took.
#[derive(Debug)]
pub struct Beside {
    /// In rising order.
    ticks_ns: Vec<u64>,
    bytes: u64,
    took: Duration,
}

impl Beside {
    fn new(mut ticks_ns: Vec<u64>, moved: &Moved) -> Self {
        ticks_ns.sort_unstable();
        Self {
            ticks_ns,
            bytes: moved.bytes,
            took: moved.took,
        }
    }

    /// The ticks and objects of several runs, as of one.
    #[must_use]
    pub fn pooled(runs: &[Self]) -> Self {
        let ticks_ns = runs.iter().flat_map(|run| run.ticks_ns.iter().copied());
        let moved = Moved {
            bytes: runs.iter().map(|run| run.bytes).sum(),
            took: runs.iter().map(|run| run.took).sum(),
        };
        Self::new(ticks_ns.collect(), &moved)
    }

    /// The latency that so many of a thousand ticks keep.
    fn permille_ns(&self, permille: usize) -> u64 {
        let last = self.ticks_ns.len() - 1;
        self.ticks_ns[last * permille / 1_000]
    }

    /// The latency that 99 of 100 ticks keep.
    ///
    /// # Panics
    ///
    /// When there were no ticks.
    pub fn p99(&self) -> Duration {
        Duration::from_nanos(self.permille_ns(990))
    }

    /// How many ticks there were.
    pub fn ticks(&self) -> usize {
        self.ticks_ns.len()
    }

    /// The objects' bytes per second.
    pub fn bytes_per_second(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "it is printed")]
        let bytes = self.bytes as f64;
        bytes / self.took.as_secs_f64()
    }
}

impl fmt::Display for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p99, p999, max] =
            [500, 990, 999, 1_000].map(|permille| Duration::from_nanos(self.permille_ns(permille)));
        write!(
            f,
            "{} ticks: p50 {p50:.1?}, p99 {p99:.1?}, p99.9 {p999:.1?}, max {max:.1?}; objects {:.2} GB/s",
            self.ticks(),
            self.bytes_per_second() / 1e9,
        )
    }
}

static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

fn now_ns() -> u64 {
    u64::try_from(EPOCH.elapsed().as_nanos()).expect("no process runs for 500 years")
}

/// How much was moved, and in what time.
struct Moved {
    bytes: u64,
    took: Duration,
}

/// How many ticks have left, and whether these are enough.
#[derive(Clone)]
struct Progress {
    left: Arc<AtomicUsize>,
    load: Load,
}

impl Progress {
    fn new(load: Load) -> Self {
        let left = Arc::default();
        Self { left, load }
    }

    fn is_enough(&self) -> bool {
        self.left.load(Ordering::Relaxed) >= self.load.ticks
    }
}

/// A thread that ticks until it is ended.
struct Ticking {
    is_over: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

fn tick_on(progress: &Progress, mut tick: impl FnMut(u64) + Send + 'static) -> Ticking {
    let is_over = Arc::new(AtomicBool::new(false));
    let ends = Arc::clone(&is_over);
    let left = Arc::clone(&progress.left);
    let thread = thread::spawn(move || {
        while !ends.load(Ordering::Relaxed) {
            tick(now_ns());
            left.fetch_add(1, Ordering::Relaxed);
            thread::sleep(PAUSE);
        }
    });
    Ticking { is_over, thread }
}

impl Ticking {
    fn end(self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().expect("no panic");
    }
}

fn runtime() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).enable_all();
    builder.build().expect("the system has threads left")
}

fn unix_pair() -> (UnixStream, UnixStream) {
    UnixStream::pair().expect("the system has sockets left")
}

fn tcp_pair() -> (TcpStream, TcpStream) {
    let connected = || -> io::Result<_> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let near = TcpStream::connect(listener.local_addr()?)?;
        let (far, _) = listener.accept()?;
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        Ok((near, far))
    };
    connected().expect("the system has sockets left")
}

/// The bytes of a tick on a raw socket.
fn tick_of(sent_ns: u64) -> [u8; 64] {
    let mut tick = [0; 64];
    tick[..8].copy_from_slice(&sent_ns.to_le_bytes());
    tick
}

/// How many of these bytes move next.
fn piece_of(left_bytes: u64) -> usize {
    usize::try_from(left_bytes).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES))
}
