//! [`Proxy`]: stands between two nodes, and cuts what lies between them.

use std::path::Path;

use mycelium::PeerAddr;
use tokio::{
    io::{AsyncRead, AsyncWrite, copy_bidirectional},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    select,
    sync::watch,
};

/// Passes connections on to a node at the address of another.
pub(crate) struct Proxy {
    pub(crate) address: PeerAddr,
    way: watch::Sender<Way>,
    /// How many connections came in.
    accepted: watch::Receiver<u32>,
}

#[derive(Clone, Copy, Default)]
struct Way {
    /// How often it was cut.
    cuts: u32,
    /// Connections are taken and dropped.
    is_blocked: bool,
}

/// Both ends of a connection that goes through.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl Proxy {
    /// Listens before `target`, at a socket in `dir` where that is a Unix socket.
    pub(crate) async fn before(target: PeerAddr, dir: &Path) -> Self {
        let (address, listener) = if let PeerAddr::Unix(_) = &target {
            let place = dir.join("proxy.sock");
            let listener = UnixListener::bind(&place).expect("the path is free");
            (PeerAddr::Unix(place), Listener::Unix(listener))
        } else {
            let listener = TcpListener::bind("127.0.0.1:0").await;
            let listener = listener.expect("loopback has a free port");
            let place = listener.local_addr().expect("it is bound");
            let address = format!("tcp:{place}").parse().expect("an address");
            (address, Listener::Tcp(listener))
        };
        let (way, seen) = watch::channel(Way::default());
        let (count, accepted) = watch::channel(0);
        tokio::spawn(pass_on(listener, target, seen, count));
        Self {
            address,
            way,
            accepted,
        }
    }

    /// Drops both sockets of every connection, and waits until whoever dials knows it: another
    /// one comes in.
    pub(crate) async fn cut_and_await_redial(&self) {
        let mut accepted = self.accepted.clone();
        let before = *accepted.borrow_and_update();
        self.way.send_modify(|way| way.cuts += 1);
        let redialled = accepted.wait_for(|accepted| *accepted > before).await;
        redialled.expect("the proxy lives");
    }

    /// Cuts, and lets no connection through until it is opened.
    pub(crate) fn block(&self) {
        self.way.send_modify(|way| {
            way.cuts += 1;
            way.is_blocked = true;
        });
    }

    /// Lets connections through again.
    pub(crate) fn open(&self) {
        self.way.send_modify(|way| way.is_blocked = false);
    }
}

impl Listener {
    async fn accept(&self) -> Box<dyn Stream> {
        match self {
            Self::Unix(listener) => Box::new(listener.accept().await.expect("it listens").0),
            Self::Tcp(listener) => Box::new(listener.accept().await.expect("it listens").0),
        }
    }
}

async fn connect(target: &PeerAddr) -> Option<Box<dyn Stream>> {
    match target {
        PeerAddr::Unix(path) => Some(Box::new(UnixStream::connect(path).await.ok()?)),
        PeerAddr::Tcp { host, port } => {
            let stream = TcpStream::connect((host.as_str(), *port)).await.ok()?;
            stream.set_nodelay(true).ok()?;
            Some(Box::new(stream))
        }
        _ => None,
    }
}

async fn pass_on(
    listener: Listener,
    target: PeerAddr,
    way: watch::Receiver<Way>,
    accepted: watch::Sender<u32>,
) {
    loop {
        let mut near = listener.accept().await;
        accepted.send_modify(|accepted| *accepted += 1);
        let mut way = way.clone();
        let Way { cuts, is_blocked } = *way.borrow_and_update();
        if is_blocked {
            continue;
        }
        let Some(mut far) = connect(&target).await else {
            continue;
        };
        tokio::spawn(async move {
            select! {
                _ended = copy_bidirectional(&mut near, &mut far) => {}
                // Also when the proxy is dropped.
                _cut = way.wait_for(|way| way.cuts > cuts) => {}
            }
        });
    }
}
