//! [`Proxy`]: stands between two nodes, and cuts what lies between them.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard},
};

use mycelium_transport::PeerAddr;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    select,
    sync::watch,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Passes TCP connections on to another address.
pub(crate) struct Proxy {
    pub(crate) address: PeerAddr,
    shared: Arc<Shared>,
}

struct Shared {
    /// Connections that come before it is known are dropped.
    target: Mutex<Option<PeerAddr>>,
    relays: Mutex<Relays>,
    /// How many connections were passed on.
    passed_on: watch::Sender<u32>,
}

/// The connections since the last cut.
#[derive(Default)]
struct Relays {
    cut: CancellationToken,
    tasks: TaskTracker,
}

impl Proxy {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("loopback has a free port");
        let place = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared {
            target: Mutex::default(),
            relays: Mutex::default(),
            passed_on: watch::channel(0).0,
        });
        tokio::spawn(pass_on(listener, Arc::clone(&shared)));
        Self {
            address: format!("tcp:{place}").parse().expect("an address"),
            shared,
        }
    }

    /// Passes connections on to this address from now on.
    pub(crate) fn aim(&self, target: PeerAddr) {
        *self.shared.target.lock().expect("nobody panicked") = Some(target);
    }

    /// Drops both sockets of every connection; nothing that is sent from now on takes them.
    pub(crate) async fn cut(&self) {
        let relays = mem::take(&mut *self.shared.relays());
        relays.cut.cancel();
        relays.tasks.close();
        relays.tasks.wait().await;
    }

    /// Waits until so many connections were passed on.
    pub(crate) async fn passed_on(&self, count: u32) {
        let mut passed_on = self.shared.passed_on.subscribe();
        let reached = passed_on.wait_for(|passed_on| *passed_on >= count);
        reached.await.expect("the proxy lives");
    }
}

impl Shared {
    fn relays(&self) -> MutexGuard<'_, Relays> {
        self.relays.lock().expect("nobody panicked")
    }
}

async fn pass_on(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((near, _)) = listener.accept().await {
        let target = shared.target.lock().expect("nobody panicked").clone();
        let Some(target) = target else { continue };
        shared.passed_on.send_modify(|passed_on| *passed_on += 1);
        let relays = shared.relays();
        relays.tasks.spawn(relay(near, target, relays.cut.clone()));
    }
}

async fn relay(mut near: TcpStream, target: PeerAddr, cut: CancellationToken) {
    let target = target.to_string().replace("tcp:", "");
    let Ok(mut far) = TcpStream::connect(target).await else {
        return;
    };
    select! {
        _ended = copy_bidirectional(&mut near, &mut far) => {}
        () = cut.cancelled() => {}
    }
}
