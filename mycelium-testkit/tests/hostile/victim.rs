//! [`Victim`]: a node that is attacked, and an honest one that is linked to it all the while.

use std::{fs::Permissions, os::unix::fs::PermissionsExt, time::Duration};

use mycelium::{LivenessConfig, NodeBuilder, Transport, prelude::*};
use mycelium_testkit::{
    Reach,
    hostile::{Closed, Peer},
};
use tempfile::TempDir;

const DOCUMENT: &str = include_str!("../../../docs/wire-format.md");

/// Longer than any actor of these tests takes to end.
pub(crate) const GRACE: Duration = Duration::from_mins(2);

/// What the victim's actor is asked.
#[message]
pub(crate) enum Ping {
    Twice {
        number: u64,
        reply: ReplyTo<u64>,
    },
    Long {
        bytes: u32,
        reply: ReplyTo<Vec<u8>>,
    },
    /// How many long ones there were.
    Longs {
        reply: ReplyTo<u64>,
    },
}

#[derive(Default)]
struct Echo {
    longs: u64,
}

impl Actor for Echo {
    type Message = Ping;

    async fn handle(&mut self, ping: Ping, _cx: &mut Context<Self>) -> ActorResult {
        match ping {
            Ping::Twice { number, reply } => reply.send(2 * number),
            Ping::Long { bytes, reply } => {
                reply.send(vec![7; bytes as usize]);
                self.longs += 1;
            }
            Ping::Longs { reply } => reply.send(self.longs),
        }
        Ok(())
    }
}

/// Handles nothing, ever.
pub(crate) struct Stuck;

impl Actor for Stuck {
    type Message = Vec<u8>;

    async fn started(&mut self, cx: &mut Context<Self>) -> ActorResult {
        cx.cancelled().await;
        Ok(())
    }

    async fn handle(&mut self, _message: Vec<u8>, _cx: &mut Context<Self>) -> ActorResult {
        Ok(())
    }
}

/// A node under attack.
pub(crate) struct Victim {
    pub(crate) node: Node,
    pub(crate) address: PeerAddr,
    honest: Node,
    /// The honest node's ref to the victim's actor.
    echo: ActorRef<Ping>,
    _dir: TempDir,
}

impl Victim {
    pub(crate) async fn start(reach: Reach) -> Self {
        let dir = private_dir();
        let node = able(reach, "victim", &dir).start().await;
        let node = node.expect("the node starts");
        node.register("echo", &node.spawn(Echo::default()))
            .expect("the name is free");
        let address = node.addresses().remove(0);
        let honest = able(reach, "honest", &dir).peer(address.clone());
        let honest = honest.start().await.expect("the node starts");
        let echo = honest.resolve("echo").await.expect("it is registered");
        Self {
            node,
            address,
            honest,
            echo,
            _dir: dir,
        }
    }

    pub(crate) fn honest(&self) -> &Node {
        &self.honest
    }

    /// The node closes the peer's connection for this reason, and is well.
    pub(crate) async fn closes(&self, peer: &mut Peer, reason: &str, case: &str) {
        let closed = peer.hear_close().await;
        assert_closed(closed, reason, case);
        self.is_well().await;
    }

    /// The honest link and the node's actors are what they were.
    pub(crate) async fn is_well(&self) {
        let ask = self.echo.ask(|reply| Ping::Twice { number: 4, reply });
        let answer = ask.timeout(Duration::from_hours(1)).await;
        assert_eq!(answer.expect("the node is well"), 8);
    }

    /// Waits until the node's actor has answered so many long pings.
    pub(crate) async fn has_answered(&self, longs: u64) {
        let longs_so_far = || self.echo.ask(|reply| Ping::Longs { reply });
        while longs_so_far().await.expect("the node is well") < longs {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) async fn end(self) {
        self.is_well().await;
        for node in [self.honest, self.node] {
            node.shutdown(GRACE).await.expect("its actors end");
        }
    }
}

/// A node that can be linked by this transport only.
pub(crate) fn able(reach: Reach, name: &str, dir: &TempDir) -> NodeBuilder {
    let transport = match reach {
        Reach::Unix => Transport::Unix,
        Reach::Tcp => Transport::Tcp,
        _ => panic!("{reach:?} has no socket of its own"),
    };
    let builder = Node::builder(name).unix(dir.path()).tcp("127.0.0.1:0");
    builder.transport(transport).liveness(patient())
}

/// Hostile peers say nothing for as long as they like: that is another test's matter.
pub(crate) fn patient() -> LivenessConfig {
    LivenessConfig::default().down_after(Duration::from_hours(1))
}

pub(crate) fn private_dir() -> TempDir {
    let private = Permissions::from_mode(0o700);
    let dir = tempfile::Builder::new().permissions(private).tempdir();
    dir.expect("the system has room for a directory")
}

pub(crate) fn assert_closed(closed: Option<Closed>, reason: &str, case: &str) {
    let code = closed.as_ref().map(|closed| closed.code);
    assert_eq!(code, Some(code_of(reason)), "{case}: {closed:?}");
}

/// The code that the document gives a reason.
fn code_of(reason: &str) -> u8 {
    let code = |line: &str| {
        let mut columns = line.split('|').map(str::trim).skip(1);
        let code = columns.next()?.parse().ok()?;
        (columns.next()? == format!("`{reason}`")).then_some(code)
    };
    DOCUMENT.lines().find_map(code).expect("it is documented")
}

/// Makes a test of each of these facts for Unix and for TCP sockets.
macro_rules! over_sockets {
    ($($fact:ident,)+) => {
        over_sockets!(@over unix, Unix, $($fact)+);
        over_sockets!(@over tcp, Tcp, $($fact)+);
    };
    (@over $name:ident, $reach:ident, $($fact:ident)+) => {
        mod $name {
            $(
                #[test]
                fn $fact() {
                    mycelium_testkit::watched(super::$fact(mycelium_testkit::Reach::$reach));
                }
            )+
        }
    };
}
pub(crate) use over_sockets;
