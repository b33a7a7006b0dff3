//! Ticks and bytes over two raw sockets, by threads that block.

use std::{
    io::{self, Read, Write},
    thread,
    time::Instant,
};

use super::{
    Beside, Load, Moved, PIECE_BYTES, Progress, Way, now_ns, piece_of, tcp_pair, tick_of, tick_on,
    unix_pair,
};

/// Ticks and bytes over two sockets, by four threads that block.
///
/// # Panics
///
/// When the sockets fail.
pub fn over_raw_sockets(way: Way, load: Load) -> Beside {
    match way {
        Way::Unix => by_threads(unix_pair(), unix_pair(), load),
        Way::Tcp => by_threads(tcp_pair(), tcp_pair(), load),
    }
}

fn by_threads<S>(
    (mut near_ticks, far_ticks): (S, S),
    (near_object, far_object): (S, S),
    load: Load,
) -> Beside
where
    S: Read + Write + Send + 'static,
{
    let watching = thread::spawn(move || watch(far_ticks));
    let taking = thread::spawn(move || take(far_object, load.object_bytes));
    let progress = Progress::new(load);
    let ticking = tick_on(&progress, move |sent_ns| {
        let written = near_ticks.write_all(&tick_of(sent_ns));
        written.expect("the receiver lives");
    });
    let moved = send(near_object, &progress).expect("everything is taken");
    ticking.end();
    let taken = taking.join().expect("no panic");
    taken.expect("the sender lives");
    Beside::new(watching.join().expect("no panic"), &moved)
}

/// The latencies of all ticks, until there are no more.
fn watch(mut ticks: impl Read) -> Vec<u64> {
    let mut seen = Vec::new();
    let mut tick = [0; 64];
    while ticks.read_exact(&mut tick).is_ok() {
        let sent_ns = u64::from_le_bytes(*tick.first_chunk().expect("it is longer"));
        seen.push(now_ns() - sent_ns);
    }
    seen
}

/// Takes objects and says so of each, until there are no more.
fn take(mut from: impl Read + Write, object_bytes: u64) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let mut left_bytes = object_bytes;
        while left_bytes > 0 {
            let most = piece_of(left_bytes);
            match from.read(&mut piece[..most])? {
                0 => return Ok(()),
                read => left_bytes -= read as u64,
            }
        }
        from.write_all(&[1])?;
    }
}

fn send(mut to: impl Read + Write, progress: &Progress) -> io::Result<Moved> {
    let start = Instant::now();
    let piece = vec![7; PIECE_BYTES];
    let mut bytes = 0;
    loop {
        let mut left_bytes = progress.load.object_bytes;
        while left_bytes > 0 {
            let length = piece_of(left_bytes);
            to.write_all(&piece[..length])?;
            left_bytes -= length as u64;
        }
        to.read_exact(&mut [0])?;
        bytes += progress.load.object_bytes;
        if progress.is_enough() {
            let took = start.elapsed();
            return Ok(Moved { bytes, took });
        }
    }
}
