//! A peer that is silent, and one that is stopped: suspected, heard again, or declared down.

use std::{path::Path, sync::mpsc, thread, time::Duration};

use mycelium_core::{
    Actor, ActorRef, ActorResult, Context, LinkState, Node, SendError, StopReason, Terminated,
};
use mycelium_registry::Registry;
use mycelium_transport::{BuildTransport, LivenessConfig, PeerAddr};
use mycelium_wire::CloseReason;
use tempfile::TempDir;
use tokio::{
    runtime::Builder,
    sync::{
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        oneshot,
    },
    task,
};

use crate::support::{
    Tick, capacity,
    child::{self, Child},
    find, offer, private_dir, probe, refusal,
    scripted::{Heard, Scripted},
    shut_down, until, watched,
};

const ENTRY: &str = "liveness::a_child_serves";

/// Far beyond what a busy machine makes a healthy peer wait.
const NEVER: Duration = Duration::from_mins(10);

fn suspicious() -> LivenessConfig {
    LivenessConfig::default()
        .heartbeat(Duration::from_millis(10))
        .suspect_after(Duration::from_millis(100))
}

/// Watches an actor, and passes on what it is told of its end.
struct Watcher {
    watched: ActorRef<Tick>,
    told: UnboundedSender<StopReason>,
}

impl Actor for Watcher {
    type Message = Tick;

    async fn started(&mut self, cx: &mut Context<Self>) -> ActorResult {
        Ok(cx.watch(&self.watched)?)
    }

    async fn handle(&mut self, _: Tick, _: &mut Context<Self>) -> ActorResult {
        Ok(())
    }

    async fn terminated(&mut self, notice: Terminated, _: &mut Context<Self>) -> ActorResult {
        assert!(notice.concerns(&self.watched));
        Ok(self.told.send(notice.reason)?)
    }
}

/// What an actor of this node is told of the ends of another.
fn watching(node: &Node, watched: &ActorRef<Tick>) -> UnboundedReceiver<StopReason> {
    let (told, ends) = unbounded_channel();
    let watched = watched.clone();
    node.spawn(Watcher { watched, told });
    ends
}

/// Does nothing but in a child: a node `server` with an actor `ticks`.
#[test]
fn a_child_serves() {
    let Some((task, dir)) = child::task() else {
        return;
    };
    watched(async move {
        let server = Node::builder("server").unix(Path::new(&dir));
        let server = server.liveness(suspicious().down_after(NEVER));
        let server = server.start().await.expect("the node starts");
        let (actor, mut handled) = probe::<Tick>();
        let ticks = offer(&server, "ticks", capacity(1_024), actor);
        child::say("ready");
        task::spawn(async move { while handled.recv().await.is_some() {} });
        if task == "serve-and-send" {
            send_home(&server).await;
        }
        let dismissed = task::spawn_blocking(child::dismissed);
        dismissed.await.expect("no panic");
        let alive = !ticks.is_closed();
        shut_down(&server).await;
        child::say(&format!("alive: {alive}"));
    });
}

/// In a child: what becomes of a ref to the client's actor `home` when the client has given this
/// node up.
async fn send_home(server: &Node) {
    let find = || async {
        let home = server.wait_for::<Tick>("home", NEVER).await;
        home.expect("the client has it")
    };
    let old = find().await;
    let mut ends = watching(server, &old);
    child::say("linked");
    child::say(&format!("told: {:?}", ends.recv().await));
    let refused = refusal(&old, || Tick::number(0)).await;
    let is_dead = matches!(refused, SendError::NodeDown(_) | SendError::Stale(_));
    child::say(&format!("refused: {is_dead}"));
    let anew = find().await;
    let sent = anew.send(Tick::number(1)).await;
    child::say(&format!("anew: {}", sent.is_ok()));
    let refused = refusal(&old, || Tick::number(2)).await;
    let is_stale = matches!(refused, SendError::Stale(_));
    child::say(&format!("stale: {is_stale}"));
}

fn serving(dir: &TempDir) -> Child {
    running("serve", dir)
}

fn running(task: &str, dir: &TempDir) -> Child {
    let dir = dir.path().to_str().expect("it is text");
    let mut child = Child::run(ENTRY, task, dir);
    child.expect("ready");
    child
}

async fn client(dir: &TempDir, config: LivenessConfig) -> Node {
    let client = Node::builder("client").unix(dir.path()).liveness(config);
    let client = client.peer(PeerAddr::unix(dir.path(), "server"));
    client.start().await.expect("the node starts")
}

fn state(node: &Node) -> Option<LinkState> {
    node.links().first().map(|link| link.state())
}

#[test]
fn a_peer_that_says_nothing_is_suspected_and_then_declared_down_with_a_word() {
    watched(async {
        let dir = private_dir();
        let config = suspicious().down_after(Duration::from_millis(300));
        let node = Node::builder("server").unix(dir.path()).liveness(config);
        let node = node.start().await.expect("the node starts");
        let socket = dir.path().join("server.sock");
        let mut silent = Scripted::dial(&socket, "silent").await;
        let link = node.links().pop().expect("it is linked");
        until(|| link.state() == LinkState::Suspected).await;
        let CloseReason::ByPeer { code, text } = silent.closed().await else {
            panic!("the node is the peer of the silent one")
        };
        assert_eq!(code, CloseReason::Silent { silent_ms: 0 }.code(), "{text}");
        until(|| link.state() == LinkState::Down).await;
        assert!(node.links().is_empty());
        shut_down(&node).await;
    });
}

// Was awaited for as long as a lost one, though the peer had ended the link for good: the two sides
// agreed that late.
#[test]
fn a_peer_that_says_it_has_given_this_node_up_is_down_without_being_awaited() {
    watched(async {
        let dir = private_dir();
        let config = LivenessConfig::default().suspect_after(NEVER);
        let node = Node::builder("server").unix(dir.path());
        let node = node.liveness(config.down_after(NEVER)).start().await;
        let node = node.expect("the node starts");
        let socket = dir.path().join("server.sock");
        let mut peer = Scripted::dial(&socket, "parting").await;
        let link = node.links().pop().expect("it is linked");
        peer.send.close(&CloseReason::Silent { silent_ms: 300 });
        peer.flush().await;
        until(|| link.state() == LinkState::Down).await;
        assert!(node.links().is_empty());
        shut_down(&node).await;
    });
}

#[test]
fn a_node_whose_runtime_is_blocked_beats_on_and_accuses_nobody() {
    watched(async {
        let dir = private_dir();
        let place = dir.path().to_owned();
        let (start, started) = oneshot::channel();
        let (unblock, is_blocked) = mpsc::channel::<()>();
        // Its one thread does nothing but wait, once the peer is linked.
        let blocked = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build();
            runtime.expect("the system has room").block_on(async {
                let config = suspicious().down_after(Duration::from_millis(300));
                let node = Node::builder("server").unix(place).liveness(config);
                let node = node.start().await.expect("the node starts");
                start.send(()).expect("the test waits");
                until(|| !node.links().is_empty()).await;
                let _ = is_blocked.recv();
                let state = node.links()[0].state();
                shut_down(&node).await;
                state
            })
        });
        started.await.expect("it starts");
        let mut peer = Scripted::dial(&dir.path().join("server.sock"), "peer").await;
        // Longer than it takes to declare a silent peer down.
        for _ in 0..100 {
            // What lies unread at the blocked node is a sign of life.
            peer.send.heartbeat();
            peer.flush().await;
            assert!(matches!(peer.hear().await, Some(Heard::Other)));
        }
        drop(unblock);
        let state = blocked.join().expect("no panic");
        assert_eq!(state, LinkState::Up);
    });
}

#[test]
fn a_peer_that_was_stopped_for_a_moment_is_heard_again_and_loses_nothing() {
    watched(async {
        let dir = private_dir();
        let server = serving(&dir);
        let client = client(&dir, suspicious().down_after(NEVER)).await;
        let ticks = find::<Tick>(&client, "ticks").await;
        let link = client.links().pop().expect("it is linked");
        ticks.send(Tick::number(0)).await.expect("room");
        // From here on the whole window is open.
        until(|| link.stats().confirmed == 1).await;
        server.stop();
        until(|| state(&client) == Some(LinkState::Suspected)).await;
        for sequence in 1..100 {
            ticks.send(Tick::number(sequence)).await.expect("room");
        }
        server.go_on();
        until(|| state(&client) == Some(LinkState::Up)).await;
        // All of it is reported with the next heartbeat, also where it is less than half a window.
        until(|| link.stats().in_flight == 0).await;
        assert_eq!((link.stats().confirmed, link.stats().unknown), (100, 0));
        server.dismiss_after(|server| server.expect("alive: true"));
        shut_down(&client).await;
    });
}

#[test]
fn a_peer_that_was_declared_down_comes_back_in_a_new_epoch() {
    watched(async {
        let dir = private_dir();
        let server = serving(&dir);
        let config = suspicious().down_after(Duration::from_secs(1));
        let client = client(&dir, config).await;
        let ticks = find::<Tick>(&client, "ticks").await;
        let ended = task::spawn({
            let ticks = ticks.clone();
            async move { ticks.ended().await }
        });
        server.stop();
        let told = ended.await.expect("no panic");
        assert_eq!(told.expect("it was linked"), StopReason::NodeDown);
        let refused = refusal(&ticks, || Tick::number(0)).await;
        assert!(matches!(refused, SendError::NodeDown(_)), "{refused:?}");

        server.go_on();
        until(|| state(&client) == Some(LinkState::Up)).await;
        // The refs of the epoch before stay dead, on both sides; new ones live.
        let refused = refusal(&ticks, || Tick::number(0)).await;
        assert!(matches!(refused, SendError::Stale(_)), "{refused:?}");
        let anew = find::<Tick>(&client, "ticks").await;
        anew.send(Tick::number(0)).await.expect("it lives");
        server.dismiss_after(|server| server.expect("alive: true"));
        shut_down(&client).await;
    });
}

#[test]
fn a_peer_that_was_declared_down_learns_it_and_its_old_refs_are_as_dead() {
    watched(async {
        let dir = private_dir();
        let mut server = running("serve-and-send", &dir);
        let client = client(&dir, suspicious().down_after(Duration::from_secs(1))).await;
        let (home, mut came) = probe::<Tick>();
        offer(&client, "home", capacity(1_024), home);
        server = hearing(server, "linked").await;
        server.stop();
        until(|| client.links().is_empty()).await;
        server.go_on();
        for said in [
            "told: Some(NodeDown)",
            "refused: true",
            "anew: true",
            "stale: true",
        ] {
            server = hearing(server, said).await;
        }
        // What went through the old ref reached nobody.
        assert_eq!(came.recv().await, Some(Tick::number(1)));
        assert!(came.try_recv().is_err());
        server.dismiss_after(|server| server.expect("alive: true"));
        shut_down(&client).await;
    });
}

/// Hears what the child says next; this node's workers go on meanwhile.
async fn hearing(mut child: Child, wanted: &'static str) -> Child {
    let heard = task::spawn_blocking(move || {
        child.expect(wanted);
        child
    });
    heard.await.expect("it said so")
}

#[test]
fn an_actor_that_watches_one_of_a_node_that_dies_is_told_once() {
    watched(async {
        let dir = private_dir();
        let server = serving(&dir);
        let client = client(&dir, suspicious().down_after(NEVER)).await;
        let ticks = find::<Tick>(&client, "ticks").await;
        let mut ends = watching(&client, &ticks);
        // The watch is a binding.
        until(|| client.links()[0].bindings() == 1).await;
        server.kill();
        assert_eq!(ends.recv().await, Some(StopReason::NodeDown));

        // The next life of the node is another's, and its end as well.
        let server = serving(&dir);
        until(|| state(&client) == Some(LinkState::Up)).await;
        server.kill();
        until(|| client.links().is_empty()).await;
        shut_down(&client).await;
        assert_eq!(ends.recv().await, None);
    });
}
