//! Every fault of the proxy, seen from raw sockets on both of its sides.

use std::{io, path::Path, time::Duration};

use mycelium::PeerAddr;
use mycelium_testkit::{
    proxy::{Cut, Faults, Flow, Pass, Proxy, Stall},
    watched,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    time::Instant,
};

/// Why nothing here is expected to fail.
const WORKS: &str = "sockets of this host work";

/// A connection through a proxy over TCP, from both sides.
struct Wire {
    proxy: Proxy,
    near: TcpStream,
    far: TcpStream,
}

impl Wire {
    async fn new() -> Self {
        let target = TcpListener::bind("127.0.0.1:0").await.expect(WORKS);
        let proxy = Proxy::at_port(address(&target)).await.expect(WORKS);
        let (near, far) = tokio::join!(dial(&proxy), target.accept());
        let far = far.expect(WORKS).0;
        Self { proxy, near, far }
    }

    async fn with(faults: Faults) -> Self {
        let wire = Self::new().await;
        wire.proxy.impose(Flow::There, faults);
        wire
    }

    /// What comes out when these go in, and then the end.
    async fn passes(mut self, bytes: &[u8]) -> Vec<u8> {
        let mut passed = Vec::new();
        let sent = async {
            self.near.write_all(bytes).await.expect(WORKS);
            self.near.shutdown().await.expect(WORKS);
        };
        tokio::join!(sent, async {
            self.far.read_to_end(&mut passed).await.expect(WORKS);
        });
        passed
    }

    /// Passed on there and back: whatever was to happen to what went before has happened.
    async fn answers_back(&mut self) {
        self.far.write_all(b"b").await.expect(WORKS);
        assert_eq!(self.near.read_u8().await.expect(WORKS), b'b');
    }
}

fn address(listener: &TcpListener) -> PeerAddr {
    let place = listener.local_addr().expect(WORKS);
    format!("tcp:{place}").parse().expect(WORKS)
}

async fn dial(proxy: &Proxy) -> TcpStream {
    let PeerAddr::Tcp { host, port } = proxy.address() else {
        panic!("it listens at a port")
    };
    TcpStream::connect((host.as_str(), port))
        .await
        .expect(WORKS)
}

fn numbers(count: usize) -> Vec<u8> {
    (0..count).map(|number| number.to_le_bytes()[0]).collect()
}

#[test]
fn without_faults_bytes_pass_both_ways_and_so_do_both_ends() {
    watched(async {
        let mut wire = Wire::new().await;
        wire.answers_back().await;
        wire.far.shutdown().await.expect(WORKS);
        assert_eq!(wire.near.read(&mut [0]).await.expect(WORKS), 0);
        let bytes = numbers(1 << 20);
        assert_eq!(wire.passes(&bytes).await, bytes);
    });
}

#[test]
fn unix_and_tcp_meet_in_it() {
    watched(async {
        let dir = tempfile::tempdir().expect(WORKS);
        let place = |name: &str| dir.path().join(name);
        let unix = UnixListener::bind(place("target")).expect(WORKS);
        let proxy = Proxy::at_port(PeerAddr::Unix(place("target"))).await;
        let proxy = proxy.expect(WORKS);
        let (mut near, far) = tokio::join!(dial(&proxy), unix.accept());
        near.write_u8(7).await.expect(WORKS);
        assert_eq!(far.expect(WORKS).0.read_u8().await.expect(WORKS), 7);

        let tcp = TcpListener::bind("127.0.0.1:0").await.expect(WORKS);
        let _proxy = Proxy::at_socket(place("proxy"), address(&tcp)).expect(WORKS);
        let (near, far) = tokio::join!(UnixStream::connect(place("proxy")), tcp.accept());
        near.expect(WORKS).write_u8(8).await.expect(WORKS);
        assert_eq!(far.expect(WORKS).0.read_u8().await.expect(WORKS), 8);
    });
}

#[test]
fn latency_and_jitter_hold_bytes_back_and_reorder_none() {
    watched(async {
        let latency = Duration::from_millis(30);
        let faults = Faults::default().latency(latency);
        let faults = faults.jitter(Duration::from_millis(20), 7);
        let wire = Wire::with(faults).await;
        let (start, bytes) = (Instant::now(), numbers(200_000));
        assert_eq!(wire.passes(&bytes).await, bytes);
        assert!(start.elapsed() >= latency);
    });
}

#[test]
fn a_rate_is_kept() {
    watched(async {
        let wire = Wire::with(Faults::default().rate(100_000)).await;
        let (start, bytes) = (Instant::now(), numbers(30_000));
        assert_eq!(wire.passes(&bytes).await, bytes);
        assert!(start.elapsed() >= Duration::from_millis(200));
    });
}

#[test]
fn slices_come_one_write_at_a_time() {
    watched(async {
        let faults = Faults::default().pass(Pass::Sliced { bytes: 3 }).rate(30);
        let mut wire = Wire::with(faults).await;
        wire.near.write_all(b"abcdef").await.expect(WORKS);
        let mut bytes = [0; 6];
        // The rate leaves 100 ms between the slices, in which the reader is long awake.
        assert!(wire.far.read(&mut bytes).await.expect(WORKS) <= 3);
    });
}

#[test]
fn glue_gathers_until_there_is_enough_or_a_pause() {
    watched(async {
        let bytes = 4_096;
        let faults = Faults::default().pass(Pass::Glued { bytes });
        let mut wire = Wire::with(faults).await;
        let mut read = Vec::with_capacity(1 << 16);
        wire.near.write_all(b"a pause").await.expect(WORKS);
        wire.far.read_buf(&mut read).await.expect(WORKS);
        assert_eq!(read, b"a pause");
        let bytes = numbers(100_000);
        assert_eq!(wire.passes(&bytes).await, bytes);
    });
}

#[test]
fn one_bit_is_flipped_and_no_other() {
    watched(async {
        let wire = Wire::with(Faults::default().flip(70_000, 3)).await;
        let mut bytes = numbers(100_000);
        let passed = wire.passes(&bytes).await;
        bytes[70_000] ^= 1 << 3;
        assert_eq!(passed, bytes);
    });
}

#[test]
fn a_cut_comes_after_the_byte_it_is_to_come_after() {
    watched(async {
        let mut wire = Wire::with(Faults::default().cut_at(1_000)).await;
        wire.near.write_all(&numbers(5_000)).await.expect(WORKS);
        let mut passed = Vec::new();
        wire.far.read_to_end(&mut passed).await.expect(WORKS);
        assert_eq!(passed, numbers(1_000));
        // What was not passed on may make it a reset.
        let end = wire.near.read(&mut [0]).await;
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    });
}

#[test]
fn what_a_stall_holds_comes_when_it_is_over() {
    watched(async {
        let mut wire = Wire::with(Faults::default().stall(Stall::Hold)).await;
        wire.near.write_all(b"held").await.expect(WORKS);
        wire.near.shutdown().await.expect(WORKS);
        wire.answers_back().await;
        assert_eq!(wire.proxy.passed_bytes(Flow::There), 0);
        wire.proxy.impose(Flow::There, Faults::default());
        let mut passed = Vec::new();
        wire.far.read_to_end(&mut passed).await.expect(WORKS);
        assert_eq!(passed, b"held");
    });
}

#[test]
fn what_a_stall_swallows_is_gone_and_its_sender_is_not_told() {
    watched(async {
        let mut wire = Wire::with(Faults::default().stall(Stall::Swallow)).await;
        // More than all buffers hold.
        wire.near.write_all(&numbers(8 << 20)).await.expect(WORKS);
        wire.near.shutdown().await.expect(WORKS);
        wire.answers_back().await;
        assert_eq!(wire.proxy.passed_bytes(Flow::There), 0);
        let read = tokio::time::timeout(Duration::from_millis(50), wire.far.read_u8());
        assert!(read.await.is_err(), "no byte, and no end");
    });
}

#[test]
fn a_reset_is_one_over_tcp_and_an_end_over_unix() {
    watched(async {
        let mut wire = Wire::new().await;
        wire.answers_back().await;
        wire.proxy.cut(Cut::Reset);
        for side in [&mut wire.near, &mut wire.far] {
            let reset = side.read_u8().await.unwrap_err();
            assert_eq!(reset.kind(), io::ErrorKind::ConnectionReset);
        }

        let dir = tempfile::tempdir().expect(WORKS);
        let (proxy, mut near, _far) = over_unix(dir.path()).await;
        proxy.cut(Cut::Reset);
        assert_eq!(near.read(&mut [0]).await.expect(WORKS), 0);
    });
}

async fn over_unix(dir: &Path) -> (Proxy, UnixStream, UnixStream) {
    let target = dir.join("target.sock");
    let listener = UnixListener::bind(&target).expect(WORKS);
    let proxy = Proxy::before(PeerAddr::Unix(target), dir)
        .await
        .expect(WORKS);
    let PeerAddr::Unix(place) = proxy.address() else {
        panic!("of the target's kind")
    };
    let (near, far) = tokio::join!(UnixStream::connect(place), listener.accept());
    (proxy, near.expect(WORKS), far.expect(WORKS).0)
}

#[test]
fn a_proxy_that_is_blocked_turns_away_until_it_is_opened() {
    watched(async {
        let target = TcpListener::bind("127.0.0.1:0").await.expect(WORKS);
        let proxy = Proxy::at_port(address(&target)).await.expect(WORKS);
        proxy.block();
        let mut turned_away = dial(&proxy).await;
        assert_eq!(turned_away.read(&mut [0]).await.expect(WORKS), 0);
        proxy.open();
        let (mut near, far) = tokio::join!(dial(&proxy), target.accept());
        near.write_u8(1).await.expect(WORKS);
        assert_eq!(far.expect(WORKS).0.read_u8().await.expect(WORKS), 1);
        assert_eq!(proxy.accepted(), 2);
    });
}

#[test]
fn its_connections_end_with_it() {
    watched(async {
        let Wire {
            proxy, mut near, ..
        } = Wire::new().await;
        drop(proxy);
        assert_eq!(near.read(&mut [0]).await.expect(WORKS), 0);
    });
}
