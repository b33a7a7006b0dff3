//! Messages and asks between two nodes over Unix sockets and TCP, beside bytes of the same size
//! that two tasks send each other by hand, and over TCP under mutual TLS. Both nodes share one
//! runtime with two workers; closed loop.

use std::time::{Duration, Instant};

use benches::{Count, Linked, Workers, runtime, send_and_count};
use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use mycelium::Transport;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, BufWriter},
    net::{TcpListener, TcpStream, UnixStream},
    runtime::Runtime,
};

/// Header and archive of a message of 56 bytes, as they lie on the wire.
const FRAME_BYTES: usize = 96;

/// How much the hand-written side gathers before it writes.
const GATHERED_BYTES: usize = 64 * 1_024;

fn links(criterion: &mut Criterion) {
    let runtime = runtime(Workers::Two);
    for (name, transport) in [("unix", Transport::Unix), ("tcp", Transport::Tcp)] {
        let mut group = criterion.benchmark_group(format!("{name}_one_way"));
        group.throughput(Throughput::Elements(1));
        one_way(&mut group, &runtime, transport);
        group.finish();
        let mut group = criterion.benchmark_group(format!("{name}_round_trip"));
        round_trip(&mut group, &runtime, transport);
        group.finish();
    }
}

fn one_way(group: &mut BenchmarkGroup<'_, WallTime>, runtime: &Runtime, transport: Transport) {
    group.bench_function("mycelium", |bencher| {
        bencher
            .to_async(runtime)
            .iter_custom(async |ticks| count_ticks(Linked::start(transport).await, ticks).await);
    });
    if transport == Transport::Tcp {
        group.bench_function("mycelium_tls", |bencher| {
            bencher
                .to_async(runtime)
                .iter_custom(async |ticks| count_ticks(Linked::start_tls().await, ticks).await);
        });
    }
    group.bench_function("by_hand_coalesced", |bencher| {
        bencher.to_async(runtime).iter_custom(async |frames| {
            if transport == Transport::Tcp {
                let (near, far) = tcp_pair().await;
                return pour(near, far, frames).await;
            }
            let (near, far) = UnixStream::pair().expect("the system has sockets left");
            pour(near, far, frames).await
        });
    });
}

fn round_trip(group: &mut BenchmarkGroup<'_, WallTime>, runtime: &Runtime, transport: Transport) {
    group.bench_function("mycelium", |bencher| {
        bencher
            .to_async(runtime)
            .iter_custom(async |asks| ask_for_totals(Linked::start(transport).await, asks).await);
    });
    if transport == Transport::Tcp {
        group.bench_function("mycelium_tls", |bencher| {
            bencher
                .to_async(runtime)
                .iter_custom(async |asks| ask_for_totals(Linked::start_tls().await, asks).await);
        });
    }
    group.bench_function("by_hand", |bencher| {
        bencher.to_async(runtime).iter_custom(async |trips| {
            if transport == Transport::Tcp {
                let (near, far) = tcp_pair().await;
                return bounce(near, far, trips).await;
            }
            let (near, far) = UnixStream::pair().expect("the system has sockets left");
            bounce(near, far, trips).await
        });
    });
}

/// How long so many ticks take, from the first to the count of them all.
async fn count_ticks(linked: Linked, ticks: u64) -> Duration {
    let counter = linked.counter().await;
    let start = Instant::now();
    send_and_count(&counter, ticks).await;
    let taken = start.elapsed();
    linked.shutdown().await;
    taken
}

/// How long so many asks take, one after the other.
async fn ask_for_totals(linked: Linked, asks: u64) -> Duration {
    let counter = linked.counter().await;
    let start = Instant::now();
    for _ in 0..asks {
        let total = counter.ask(Count::Total).await;
        total.expect("the counter answers");
    }
    let taken = start.elapsed();
    linked.shutdown().await;
    taken
}

async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (near, far) = (near.expect("it listens"), far.expect("it dials").0);
    for stream in [&near, &far] {
        stream.set_nodelay(true).expect("the socket is open");
    }
    (near, far)
}

/// Writes frames at one end and reads them at the other, both through buffers.
async fn pour<S>(near: S, far: S, frames: u64) -> Duration
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let start = Instant::now();
    let reading = tokio::spawn(async move {
        let mut far = BufReader::with_capacity(GATHERED_BYTES, far);
        let mut frame = [0; FRAME_BYTES];
        for _ in 0..frames {
            far.read_exact(&mut frame)
                .await
                .expect("the other end writes");
        }
    });
    let mut near = BufWriter::with_capacity(GATHERED_BYTES, near);
    for _ in 0..frames {
        near.write_all(&[7; FRAME_BYTES])
            .await
            .expect("the other end reads");
    }
    near.flush().await.expect("the other end reads");
    reading.await.expect("the reader ends");
    start.elapsed()
}

/// Sends one frame back and forth.
async fn bounce<S>(mut near: S, mut far: S, trips: u64) -> Duration
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let answering = tokio::spawn(async move {
        let mut frame = [0; FRAME_BYTES];
        for _ in 0..trips {
            far.read_exact(&mut frame)
                .await
                .expect("the other end writes");
            far.write_all(&frame).await.expect("the other end reads");
        }
    });
    let start = Instant::now();
    let mut frame = [7; FRAME_BYTES];
    for _ in 0..trips {
        near.write_all(&frame).await.expect("the other end reads");
        near.read_exact(&mut frame)
            .await
            .expect("the other end writes");
    }
    let taken = start.elapsed();
    answering.await.expect("the other end ends");
    taken
}

criterion_group!(benches, links);
criterion_main!(benches);
