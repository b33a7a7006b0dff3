//! [`Proxy`]: a socket between two nodes whose connections can be cut, sliced and glued.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use mycelium_transport::PeerAddr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    select, task,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How bytes are passed on.
#[derive(Clone, Copy)]
pub(crate) enum Pass {
    /// As they come.
    Plain,
    /// This many at a time.
    Sliced(usize),
    /// All that comes while others have had many turns.
    Glued,
}

/// Forwards connections to a node's socket.
pub(crate) struct Proxy {
    path: PathBuf,
    shared: Arc<Shared>,
    accepting: task::JoinHandle<()>,
}

struct Shared {
    target: PathBuf,
    pass: Pass,
    /// Fires for the connections that are to be cut; `None` while new ones are turned away.
    cut: Mutex<Option<CancellationToken>>,
    connections: TaskTracker,
}

impl Proxy {
    /// Listens at `path` for connections to the socket at `target`.
    pub(crate) fn start(path: &Path, target: &Path, pass: Pass) -> Self {
        let listener = UnixListener::bind(path).expect("the path is free");
        let shared = Arc::new(Shared {
            target: target.to_owned(),
            pass,
            cut: Mutex::new(Some(CancellationToken::new())),
            connections: TaskTracker::new(),
        });
        let accepting = task::spawn(accept(listener, Arc::clone(&shared)));
        Self {
            path: path.to_owned(),
            shared,
            accepting,
        }
    }

    pub(crate) fn address(&self) -> PeerAddr {
        PeerAddr::Unix(self.path.clone())
    }

    /// Cuts all connections and turns new ones away. Both ends are closed when this returns; what
    /// was on its way is lost.
    pub(crate) async fn cut(&self) {
        let cut = self.shared.cut.lock().expect("no panics").take();
        if let Some(cut) = cut {
            cut.cancel();
        }
        self.shared.connections.close();
        self.shared.connections.wait().await;
    }

    /// Lets new connections in again.
    pub(crate) fn restore(&self) {
        self.shared.connections.reopen();
        *self.shared.cut.lock().expect("no panics") = Some(CancellationToken::new());
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        if let Some(cut) = self.shared.cut.lock().expect("no panics").take() {
            cut.cancel();
        }
    }
}

async fn accept(listener: UnixListener, shared: Arc<Shared>) {
    loop {
        let Ok((near, _)) = listener.accept().await else {
            return;
        };
        let Some(cut) = shared.cut.lock().expect("no panics").clone() else {
            continue;
        };
        let forward = forward(near, Arc::clone(&shared));
        shared.connections.spawn(async move {
            select! {
                () = forward => {}
                () = cut.cancelled() => {}
            }
        });
    }
}

async fn forward(near: UnixStream, shared: Arc<Shared>) {
    let Ok(far) = UnixStream::connect(&shared.target).await else {
        return;
    };
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    tokio::join!(
        pump(near_in, far_out, shared.pass),
        pump(far_in, near_out, shared.pass)
    );
}

async fn pump(mut from: impl AsyncReadExt + Unpin, mut to: impl AsyncWriteExt + Unpin, pass: Pass) {
    let mut bytes = Vec::with_capacity(1 << 16);
    loop {
        bytes.clear();
        match from.read_buf(&mut bytes).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        let slice = match pass {
            Pass::Plain => bytes.len(),
            Pass::Sliced(slice) => slice,
            Pass::Glued => {
                for _ in 0..1_000 {
                    task::yield_now().await;
                }
                bytes.len()
            }
        };
        for slice in bytes.chunks(slice) {
            if to.write_all(slice).await.is_err() {
                return;
            }
        }
    }
    // The other direction goes on until its own end.
    let _ = to.shutdown().await;
}
