//! How long 64-byte ticks take beside a large object: over one link, and over two raw sockets, one
//! for the ticks and one for the bytes, by tasks or by threads that block.
//!
//! Both ends are in this process, each on threads of its own. A tick leaves about every 200
//! microseconds, from a thread that does nothing else; its latency counts from right before it is
//! sent to when its receiver has it, by the one clock of the host.

use std::{
    fmt,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::net::UnixStream,
    sync::{
        Arc, LazyLock, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use mycelium::{Transport, prelude::*};
use tokio::{
    io::{self as tokio_io, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream as TokioTcpStream, UnixStream as TokioUnixStream},
    runtime::{Builder, Runtime},
};

use crate::bed::private_dir;

/// How long the ticker sleeps between two ticks.
const PAUSE: Duration = Duration::from_micros(200);

/// What the raw side writes and reads at a time.
const PIECE_BYTES: usize = 64 << 10;

/// Longer than any of this takes.
const PATIENCE: Duration = Duration::from_mins(5);

/// What both sides go over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Unix sockets.
    Unix,
    /// TCP over loopback.
    Tcp,
}

/// The latencies of ticks beside an object, and how long the object took.
#[derive(Debug)]
pub struct Beside {
    /// In rising order.
    ticks_ns: Vec<u64>,
    bytes: u64,
    took: Duration,
}

impl Beside {
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

    /// The object's bytes per second.
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
            "{} ticks: p50 {p50:.1?}, p99 {p99:.1?}, p99.9 {p999:.1?}, max {max:.1?}; object {:.2} GB/s",
            self.ticks(),
            self.bytes_per_second() / 1e9,
        )
    }
}

static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

fn now_ns() -> u64 {
    u64::try_from(EPOCH.elapsed().as_nanos()).expect("no process runs for 500 years")
}

/// A message of 64 bytes.
#[message]
struct Tick {
    sent_ns: u64,
    rest: [u64; 7],
}

#[message]
enum Watched {
    Tick(Tick),
    /// The latencies so far.
    Report(ReplyTo<Vec<u64>>),
}

#[derive(Default)]
struct Watcher(Vec<u64>);

impl Actor for Watcher {
    type Message = Watched;

    async fn handle(&mut self, message: Watched, _: &mut Context<Self>) -> ActorResult {
        match message {
            Watched::Tick(tick) => self.0.push(now_ns() - tick.sent_ns),
            Watched::Report(reply) => reply.send(std::mem::take(&mut self.0)),
        }
        Ok(())
    }
}

/// Ticks and an object over one link between two nodes.
///
/// # Panics
///
/// When the nodes cannot be linked.
pub fn over_a_link(way: Way, bytes: u64) -> Beside {
    let (here, there) = (runtime(), runtime());
    let dir = private_dir();
    let builder = |name| {
        let builder = Node::builder(name).unix(dir.path()).tcp("127.0.0.1:0");
        builder.transport(match way {
            Way::Unix => Transport::Unix,
            Way::Tcp => Transport::Tcp,
        })
    };
    let server = there.block_on(builder("server").start());
    let server = server.expect("the node starts");
    let watcher = server.spawn(Watcher::default());
    server.register("watcher", &watcher).expect("it is free");
    let client = builder("client").peer(server.addresses().remove(0));
    let client = here.block_on(client.start()).expect("the node starts");
    let watcher: ActorRef<Watched> = here
        .block_on(client.resolve("watcher"))
        .expect("it is registered");

    let (ticket, mut object) = server.expect_transfer(bytes);
    let taking = there.spawn(async move {
        while let Some(_part) = object.next().await? {}
        Ok::<_, mycelium::TransferError>(())
    });
    let ticks = watcher.clone();
    let ticking = tick_on(move |sent_ns| {
        let rest = [0; 7];
        let tick = Watched::Tick(Tick { sent_ns, rest });
        ticks.send_blocking(tick).expect("the watcher lives");
    });
    let start = Instant::now();
    let sending = client.clone();
    let sending = async move { sending.transfer(&ticket, bytes, tokio_io::repeat(7)).await };
    let sent = here.block_on(here.spawn(sending)).expect("no panic");
    sent.expect("the object arrives");
    let took = start.elapsed();
    ticking.end();
    let taken = there.block_on(taking).expect("no panic");
    taken.expect("the object arrives");
    let mut ticks_ns = watcher
        .ask_blocking(PATIENCE, Watched::Report)
        .expect("the watcher lives");
    ticks_ns.sort_unstable();
    for (runtime, node) in [(&here, client), (&there, server)] {
        // Whatever is left may be killed.
        let _ = runtime.block_on(node.shutdown(PATIENCE));
    }
    Beside {
        ticks_ns,
        bytes,
        took,
    }
}

/// Ticks and bytes over two sockets, by tasks on runtimes like those of the nodes: what is left
/// between this and a link is the link's own.
///
/// # Panics
///
/// When the sockets fail.
pub fn over_tokio_sockets(way: Way, bytes: u64) -> Beside {
    let (here, there) = (runtime(), runtime());
    match way {
        Way::Unix => {
            let pairs = (unix_pair(), unix_pair());
            let wrap = |stream: UnixStream, runtime: &Runtime| {
                let _entered = runtime.enter();
                stream.set_nonblocking(true)?;
                TokioUnixStream::from_std(stream)
            };
            by_tasks((here, there), pairs.0, pairs.1, wrap, bytes)
        }
        Way::Tcp => {
            let pairs = (tcp_pair(), tcp_pair());
            let wrap = |stream: TcpStream, runtime: &Runtime| {
                let _entered = runtime.enter();
                stream.set_nonblocking(true)?;
                TokioTcpStream::from_std(stream)
            };
            by_tasks((here, there), pairs.0, pairs.1, wrap, bytes)
        }
    }
}

fn by_tasks<S, T>(
    (here, there): (Runtime, Runtime),
    (mut near_ticks, far_ticks): (S, S),
    (near_object, far_object): (S, S),
    wrap: impl Fn(S, &Runtime) -> io::Result<T>,
    bytes: u64,
) -> Beside
where
    S: Write + Send + 'static,
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let wrapped = |socket, runtime| wrap(socket, runtime).expect("the system has room");
    let mut far_ticks = wrapped(far_ticks, &there);
    let watching = there.spawn(async move {
        let mut seen = Vec::new();
        let mut tick = [0; 64];
        while far_ticks.read_exact(&mut tick).await.is_ok() {
            let sent_ns = u64::from_le_bytes(*tick.first_chunk().expect("it is longer"));
            seen.push(now_ns() - sent_ns);
        }
        seen
    });
    let mut far_object = wrapped(far_object, &there);
    let taking = there.spawn(async move {
        let mut piece = vec![0; PIECE_BYTES];
        let mut left_bytes = bytes;
        while left_bytes > 0 {
            left_bytes -= far_object.read(&mut piece).await? as u64;
        }
        far_object.write_all(&[1]).await
    });
    let ticking = tick_on(move |sent_ns| {
        let mut tick = [0; 64];
        tick[..8].copy_from_slice(&sent_ns.to_le_bytes());
        near_ticks.write_all(&tick).expect("the receiver lives");
    });
    let start = Instant::now();
    let mut near_object = wrapped(near_object, &here);
    let sent = here.block_on(here.spawn(async move {
        let piece = vec![7; PIECE_BYTES];
        let mut left_bytes = bytes;
        while left_bytes > 0 {
            let length =
                usize::try_from(left_bytes).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
            near_object.write_all(&piece[..length]).await?;
            left_bytes -= length as u64;
        }
        near_object.read_u8().await
    }));
    sent.expect("no panic").expect("everything was taken");
    let took = start.elapsed();
    ticking.end();
    let taken = there.block_on(taking).expect("no panic");
    taken.expect("the sender lives");
    let mut ticks_ns = there.block_on(watching).expect("no panic");
    ticks_ns.sort_unstable();
    Beside {
        ticks_ns,
        bytes,
        took,
    }
}

/// Ticks and bytes over two sockets, by four threads that block.
///
/// # Panics
///
/// When the sockets fail.
pub fn over_raw_sockets(way: Way, bytes: u64) -> Beside {
    match way {
        Way::Unix => raw(unix_pair(), unix_pair(), bytes),
        Way::Tcp => raw(tcp_pair(), tcp_pair(), bytes),
    }
}

fn raw<S>(ticks: (S, S), object: (S, S), bytes: u64) -> Beside
where
    S: Read + Write + Send + 'static,
{
    let (mut near_ticks, mut far_ticks) = ticks;
    let (mut near_object, mut far_object) = object;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    let watching = thread::spawn(move || {
        let mut tick = [0; 64];
        while far_ticks.read_exact(&mut tick).is_ok() {
            let sent_ns = u64::from_le_bytes(*tick.first_chunk().expect("it is longer"));
            let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
            noted.push(now_ns() - sent_ns);
        }
    });
    let taking = thread::spawn(move || {
        let mut piece = vec![0; PIECE_BYTES];
        let mut left_bytes = bytes;
        while left_bytes > 0 {
            let read = far_object.read(&mut piece).expect("the sender lives");
            left_bytes -= read as u64;
        }
        far_object.write_all(&[1]).expect("the sender lives");
    });
    let ticking = tick_on(move |sent_ns| {
        let mut tick = [0; 64];
        tick[..8].copy_from_slice(&sent_ns.to_le_bytes());
        near_ticks.write_all(&tick).expect("the receiver lives");
    });
    let start = Instant::now();
    let piece = vec![7; PIECE_BYTES];
    let mut left_bytes = bytes;
    while left_bytes > 0 {
        let length = usize::try_from(left_bytes).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
        let written = near_object.write_all(&piece[..length]);
        written.expect("the receiver lives");
        left_bytes -= length as u64;
    }
    near_object
        .read_exact(&mut [0])
        .expect("everything was taken");
    let took = start.elapsed();
    ticking.end();
    for thread in [watching, taking] {
        thread.join().expect("no panic");
    }
    let mut ticks_ns = Vec::new();
    ticks_ns.append(&mut seen.lock().unwrap_or_else(PoisonError::into_inner));
    ticks_ns.sort_unstable();
    Beside {
        ticks_ns,
        bytes,
        took,
    }
}

/// A thread that ticks until it is ended.
struct Ticking {
    is_over: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

fn tick_on(mut tick: impl FnMut(u64) + Send + 'static) -> Ticking {
    let is_over = Arc::new(AtomicBool::new(false));
    let ends = Arc::clone(&is_over);
    let thread = thread::spawn(move || {
        loop {
            tick(now_ns());
            thread::sleep(PAUSE);
            if ends.load(Ordering::Relaxed) {
                return;
            }
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
