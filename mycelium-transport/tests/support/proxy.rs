//! [`Proxy`]: stands between two nodes, and cuts what lies between them.

use std::sync::Arc;

use mycelium_transport::PeerAddr;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    select,
    sync::watch,
};

/// Passes TCP connections on to another address.
pub(crate) struct Proxy {
    pub(crate) address: PeerAddr,
    /// How often it was cut.
    cuts: watch::Sender<u32>,
    /// How many connections came in.
    accepted: Arc<watch::Sender<u32>>,
}

impl Proxy {
    pub(crate) async fn before(target: &PeerAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("loopback has a free port");
        let place = listener.local_addr().expect("it is bound");
        let address = format!("tcp:{place}").parse().expect("an address");
        let target = target.to_string().replace("tcp:", "");
        let (cuts, cut) = watch::channel(0);
        let accepted = Arc::new(watch::channel(0).0);
        tokio::spawn(pass_on(listener, target, cut, Arc::clone(&accepted)));
        Self {
            address,
            cuts,
            accepted,
        }
    }

    /// Drops both sockets of every connection.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Waits until so many connections have come in.
    pub(crate) async fn accepted(&self, count: u32) {
        let mut accepted = self.accepted.subscribe();
        let reached = accepted.wait_for(|accepted| *accepted >= count);
        reached.await.expect("the proxy lives");
    }
}

async fn pass_on(
    listener: TcpListener,
    target: String,
    cut: watch::Receiver<u32>,
    accepted: Arc<watch::Sender<u32>>,
) {
    while let Ok((mut near, _)) = listener.accept().await {
        let mut cut = cut.clone();
        cut.mark_unchanged();
        accepted.send_modify(|accepted| *accepted += 1);
        let Ok(mut far) = TcpStream::connect(&target).await else {
            continue;
        };
        tokio::spawn(async move {
            select! {
                _ended = copy_bidirectional(&mut near, &mut far) => {}
                // Also when the proxy is dropped.
                _cut = cut.changed() => {}
            }
        });
    }
}
