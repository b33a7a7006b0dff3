//! [`Proxy`]: stands between two nodes, and does to their bytes what a bad network does.
//!
//! It listens at a TCP port or a Unix socket and passes every connection on to a target of either
//! kind. What each direction suffers is a [`Faults`], which may change while it runs; connections
//! are cut, reset and turned away by the handle. Buffers are bounded: a proxy that holds bytes back
//! holds their sender back.

mod faults;
mod pump;
mod socket;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use mycelium::PeerAddr;
use tokio::{select, sync::watch, task::JoinHandle, time};

pub use self::faults::{Faults, Pass, Stall};
use self::{
    pump::{Direction, pump},
    socket::{Listener, Socket},
};

/// Longer than anybody pauses who dials again and again.
const REDIAL: Duration = Duration::from_mins(1);

/// Passes connections on to a target; ends them when it is dropped.
pub struct Proxy {
    address: PeerAddr,
    way: watch::Sender<Way>,
    /// How many connections came in.
    accepted: watch::Receiver<u32>,
    there: Arc<Direction>,
    back: Arc<Direction>,
    accepting: JoinHandle<()>,
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// From whoever connected to the target.
    There,
    /// From the target to whoever connected.
    Back,
}

/// How connections end that are cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cut {
    /// Both sockets are closed.
    #[default]
    Close,
    /// TCP sockets are reset, Unix sockets closed with what was not read.
    Reset,
}

#[derive(Clone, Copy, Default)]
struct Way {
    /// How often it was cut.
    cuts: u32,
    /// How it was cut last.
    cut: Cut,
    /// Connections are taken and dropped.
    is_blocked: bool,
}

impl Proxy {
    /// Listens before `target`: at a socket in `dir` where that is a Unix socket, else at a port of
    /// loopback that the kernel chooses.
    ///
    /// # Errors
    ///
    /// Those of listening.
    pub async fn before(target: PeerAddr, dir: &Path) -> io::Result<Self> {
        match &target {
            PeerAddr::Unix(_) => Self::at_socket(dir.join("proxy.sock"), target),
            _ => Self::at_port(target).await,
        }
    }

    /// Listens at a port of loopback that the kernel chooses.
    ///
    /// # Errors
    ///
    /// Those of listening.
    pub async fn at_port(target: PeerAddr) -> io::Result<Self> {
        let (address, listener) = Listener::at_port().await?;
        Ok(Self::start(address, listener, target))
    }

    /// Listens at a Unix socket.
    ///
    /// # Errors
    ///
    /// Those of listening.
    pub fn at_socket(place: PathBuf, target: PeerAddr) -> io::Result<Self> {
        let (address, listener) = Listener::at_socket(place)?;
        Ok(Self::start(address, listener, target))
    }

    fn start(address: PeerAddr, listener: Listener, target: PeerAddr) -> Self {
        let (way, seen) = watch::channel(Way::default());
        let (count, accepted) = watch::channel(0);
        let (there, back) = (Arc::<Direction>::default(), Arc::<Direction>::default());
        let passage = Passage {
            target,
            way: seen,
            there: Arc::clone(&there),
            back: Arc::clone(&back),
        };
        Self {
            address,
            way,
            accepted,
            there,
            back,
            accepting: tokio::spawn(accept(listener, passage, count)),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> PeerAddr {
        self.address.clone()
    }

    /// What the bytes of one direction suffer from now on, on all connections.
    pub fn impose(&self, flow: Flow, faults: Faults) {
        self.direction(flow)
            .faults
            .send_modify(|imposed| *imposed = faults);
    }

    /// What the bytes of both directions suffer from now on.
    pub fn impose_both(&self, faults: &Faults) {
        for flow in [Flow::There, Flow::Back] {
            self.impose(flow, faults.clone());
        }
    }

    /// How many bytes went out in a direction, over all connections: where the positions of
    /// [`Faults::flip`] and [`Faults::cut_at`] are counted from.
    pub fn passed_bytes(&self, flow: Flow) -> u64 {
        self.direction(flow).passed_bytes()
    }

    /// How many connections came in.
    pub fn accepted(&self) -> u32 {
        *self.accepted.borrow()
    }

    /// Ends every connection; new ones come through.
    pub fn cut(&self, cut: Cut) {
        self.way.send_modify(|way| {
            way.cuts += 1;
            way.cut = cut;
        });
    }

    /// Drops both sockets of every connection, and waits until whoever dials knows it: another
    /// one comes in.
    ///
    /// # Panics
    ///
    /// Where nobody dials for a minute, or the proxy's task has ended.
    ///
    /// # Cancel safety
    ///
    /// The cut is made at the first poll; nothing else is lost.
    pub async fn cut_and_await_redial(&self) {
        let before = self.accepted();
        self.cut(Cut::Close);
        self.accepts_more_than(before).await;
    }

    /// Waits until more than so many connections have come in.
    ///
    /// # Panics
    ///
    /// Where nobody dials for a minute, or the proxy's task has ended.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn accepts_more_than(&self, connections: u32) {
        let mut accepted = self.accepted.clone();
        let more = accepted.wait_for(|accepted| *accepted > connections);
        let more = time::timeout(REDIAL, more).await;
        more.expect("somebody dials").expect("the proxy lives");
    }

    /// Cuts, and lets no connection through until it is opened.
    pub fn block(&self) {
        self.way.send_modify(|way| {
            way.cuts += 1;
            way.cut = Cut::Close;
            way.is_blocked = true;
        });
    }

    /// Lets connections through again.
    pub fn open(&self) {
        self.way.send_modify(|way| way.is_blocked = false);
    }

    fn direction(&self, flow: Flow) -> &Direction {
        match flow {
            Flow::There => &self.there,
            Flow::Back => &self.back,
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Its connections see the handle's end of the channel go.
        self.accepting.abort();
    }
}

/// What every connection needs to go through.
#[derive(Clone)]
struct Passage {
    target: PeerAddr,
    way: watch::Receiver<Way>,
    there: Arc<Direction>,
    back: Arc<Direction>,
}

async fn accept(listener: Listener, passage: Passage, accepted: watch::Sender<u32>) {
    loop {
        let Ok(near) = listener.accept().await else {
            return;
        };
        accepted.send_modify(|accepted| *accepted += 1);
        let mut passage = passage.clone();
        let way = *passage.way.borrow_and_update();
        if !way.is_blocked {
            tokio::spawn(async move { passage.pass_on(near, way.cuts).await });
        }
    }
}

impl Passage {
    async fn pass_on(mut self, mut near: Socket, cuts: u32) {
        let Ok(mut far) = Socket::connect(&self.target).await else {
            return;
        };
        let is_cut = {
            let (near_in, near_out) = tokio::io::split(&mut near);
            let (far_in, far_out) = tokio::io::split(&mut far);
            let both = async {
                tokio::try_join!(
                    pump(&self.there, near_in, far_out),
                    pump(&self.back, far_in, near_out)
                )
            };
            select! {
                _ended = both => None,
                // Also when the proxy is dropped.
                cut = self.way.wait_for(|way| way.cuts > cuts) => cut.ok().map(|way| way.cut),
            }
        };
        if is_cut == Some(Cut::Reset) {
            near.reset_on_drop();
            far.reset_on_drop();
        }
    }
}
