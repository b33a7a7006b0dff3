//! Ticks and bytes over two raw sockets, by tasks.

use std::{
    io::{self, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    time::Instant,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream as TokioTcpStream, UnixStream as TokioUnixStream},
    runtime::Runtime,
};

use super::{
    Beside, Load, Moved, PIECE_BYTES, Progress, Way, now_ns, piece_of, runtime, tcp_pair, tick_of,
    tick_on, unix_pair,
};

/// Ticks and bytes over two sockets, by tasks on runtimes like those of the nodes: what is left
/// between this and a link is the link's own.
///
/// # Panics
///
/// When the sockets fail.
pub fn over_tokio_sockets(way: Way, load: Load) -> Beside {
    match way {
        Way::Unix => {
            let wrap = |stream: UnixStream| {
                stream.set_nonblocking(true)?;
                TokioUnixStream::from_std(stream)
            };
            by_tasks(unix_pair(), unix_pair(), wrap, load)
        }
        Way::Tcp => {
            let wrap = |stream: TcpStream| {
                stream.set_nonblocking(true)?;
                TokioTcpStream::from_std(stream)
            };
            by_tasks(tcp_pair(), tcp_pair(), wrap, load)
        }
    }
}

fn by_tasks<S, T>(
    (mut near_ticks, far_ticks): (S, S),
    (near_object, far_object): (S, S),
    wrap: impl Fn(S) -> io::Result<T>,
    load: Load,
) -> Beside
where
    S: Write + Send + 'static,
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (here, there) = (runtime(), runtime());
    let wrapped = |socket, runtime: &Runtime| {
        let _entered = runtime.enter();
        wrap(socket).expect("the system has room")
    };
    let watching = there.spawn(watch(wrapped(far_ticks, &there)));
    let taking = there.spawn(take(wrapped(far_object, &there), load.object_bytes));
    let progress = Progress::new(load);
    let ticking = tick_on(&progress, move |sent_ns| {
        let written = near_ticks.write_all(&tick_of(sent_ns));
        written.expect("the receiver lives");
    });
    let sending = send(wrapped(near_object, &here), progress);
    let moved = here.block_on(here.spawn(sending)).expect("no panic");
    let moved = moved.expect("everything is taken");
    ticking.end();
    let taken = there.block_on(taking).expect("no panic");
    taken.expect("the sender lives");
    let ticks_ns = there.block_on(watching).expect("no panic");
    Beside::new(ticks_ns, &moved)
}

/// The latencies of all ticks, until there are no more.
async fn watch(mut ticks: impl AsyncRead + Unpin) -> Vec<u64> {
    let mut seen = Vec::new();
    let mut tick = [0; 64];
    while ticks.read_exact(&mut tick).await.is_ok() {
        let sent_ns = u64::from_le_bytes(*tick.first_chunk().expect("it is longer"));
        seen.push(now_ns() - sent_ns);
    }
    seen
}

/// Takes objects and says so of each, until there are no more.
async fn take(mut from: impl AsyncRead + AsyncWrite + Unpin, object_bytes: u64) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let mut left_bytes = object_bytes;
        while left_bytes > 0 {
            let most = piece_of(left_bytes);
            match from.read(&mut piece[..most]).await? {
                0 => return Ok(()),
                read => left_bytes -= read as u64,
            }
        }
        from.write_all(&[1]).await?;
    }
}

async fn send(
    mut to: impl AsyncRead + AsyncWrite + Unpin,
    progress: Progress,
) -> io::Result<Moved> {
    let start = Instant::now();
    let piece = vec![7; PIECE_BYTES];
    let mut bytes = 0;
    loop {
        let mut left_bytes = progress.load.object_bytes;
        while left_bytes > 0 {
            let length = piece_of(left_bytes);
            to.write_all(&piece[..length]).await?;
            left_bytes -= length as u64;
        }
        to.read_u8().await?;
        bytes += progress.load.object_bytes;
        if progress.is_enough() {
            let took = start.elapsed();
            return Ok(Moved { bytes, took });
        }
    }
}
