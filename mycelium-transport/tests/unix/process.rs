//! The peer is another process, and dies.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use mycelium_core::{ActorRef, Node, SendError};
use mycelium_registry::{Registry, ResolveError};
use mycelium_transport::{BuildTransport, PeerAddr};
use tokio::{
    io::AsyncReadExt,
    net::{UnixListener, UnixStream},
    task,
};

use crate::support::{
    Tick, capacity,
    child::{self, Child},
    dialling, fill, find, gated, listening, offer, private_dir, probe, refusal, shut_down, until,
    watched,
};

const ENTRY: &str = "process::a_child_runs_its_task";

/// Does nothing but in a child.
#[test]
fn a_child_runs_its_task() {
    let Some((task, argument)) = child::task() else {
        return;
    };
    watched(async move {
        match &*task {
            "serve" => serve(Path::new(&argument)).await,
            "send" => send(Path::new(&argument)).await,
            "listen" => listen(Path::new(&argument)).await,
            "knock" => knock(Path::new(&argument)).await,
            "wait" => wait(Path::new(&argument)).await,
            other => panic!("no task {other}"),
        }
    });
}

/// A node `server` with an actor `stuck` that takes nothing, and one that counts.
async fn serve(dir: &Path) {
    let server = Node::builder("server").unix(dir).start().await;
    let server = server.expect("the node starts");
    let (actor, gate) = gated::<Tick>();
    offer(&server, "stuck", capacity(4), actor);
    let (actor, mut handled) = probe::<Tick>();
    offer(&server, "ticks", capacity(1_024), actor);
    child::say("ready");
    let counting = task::spawn(async move {
        let mut count = 0;
        while handled.recv().await.is_some() {
            count += 1;
            if count == 1 {
                child::say("handled one");
            }
        }
        count
    });
    let dismissed = task::spawn_blocking(child::dismissed);
    dismissed.await.expect("no panic");
    gate.open();
    shut_down(&server).await;
    child::say(&format!("handled {}", counting.await.expect("no panic")));
}

/// A node `client` that sends to `ticks` of `server` without an end.
async fn send(dir: &Path) {
    let client = Node::builder("client").unix(dir);
    let client = client.peer(PeerAddr::unix(dir, "server"));
    let client = client.start().await.expect("the node starts");
    let ticks = find::<Tick>(&client, "ticks").await;
    for sequence in 0.. {
        ticks
            .send(Tick::number(sequence))
            .await
            .expect("the actor lives");
    }
}

/// Only a node `server`.
async fn listen(dir: &Path) {
    let server = Node::builder("server").unix(dir).start().await;
    match server {
        Ok(server) => {
            child::say("ready");
            let dismissed = task::spawn_blocking(child::dismissed);
            dismissed.await.expect("no panic");
            shut_down(&server).await;
        }
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            child::say(&cause.unwrap_or_else(|| error.to_string()));
        }
    }
}

/// Connects, and tells what is said to it.
async fn knock(socket: &Path) {
    let mut stream = UnixStream::connect(socket).await.expect("it may enter");
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes).await;
    child::say(&format!("read {read:?}"));
}

/// Listens, and tells what whoever connects has to say.
async fn wait(socket: &Path) {
    let listener = UnixListener::bind(socket).expect("it may enter");
    child::say("ready");
    let (mut stream, _) = listener.accept().await.expect("the node dials");
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes).await;
    child::say(&format!("read {read:?}"));
}

fn path(dir: &tempfile::TempDir) -> &str {
    dir.path().to_str().expect("a plain path")
}

async fn until_noticed(to: &ActorRef<Tick>) -> SendError<Tick> {
    refusal(to, || Tick::number(7)).await
}

#[test]
fn a_killed_peer_fails_sends_and_releases_those_who_wait() {
    watched(async {
        let dir = private_dir();
        let mut server = Child::run(ENTRY, "serve", path(&dir));
        server.expect("ready");
        let client = dialling("client", &dir, "server").await;
        let stuck = find::<Tick>(&client, "stuck").await;
        fill(&stuck, 0, Tick::number);
        let mut waiting = task::JoinSet::new();
        for sequence in 100..110 {
            let stuck = stuck.clone();
            waiting.spawn(async move { (sequence, stuck.send(Tick::number(sequence)).await) });
        }
        let ticks = find::<Tick>(&client, "ticks").await;
        server.kill();

        for (sequence, sent) in waiting.join_all().await {
            let refused = sent.expect_err("nobody takes it");
            assert!(matches!(refused, SendError::NodeDown(_)), "{refused}");
            assert_eq!(refused.into_inner(), Tick::number(sequence));
        }
        let refused = until_noticed(&ticks).await;
        assert!(matches!(refused, SendError::NodeDown(_)), "{refused}");
        let resolved = client.resolve::<Tick>("ticks").await;
        assert!(
            matches!(
                resolved,
                Err(ResolveError::NotFound(_) | ResolveError::Unreachable { .. })
            ),
            "{resolved:?}"
        );
        shut_down(&client).await;
    });
}

#[test]
fn a_peer_that_comes_back_is_another_one() {
    watched(async {
        let dir = private_dir();
        let mut first = Child::run(ENTRY, "serve", path(&dir));
        first.expect("ready");
        let client = dialling("client", &dir, "server").await;
        let mut old = Vec::new();
        for life in 0..5 {
            let ticks = find::<Tick>(&client, "ticks").await;
            assert!(!old.contains(&ticks));
            ticks
                .send(Tick::number(life))
                .await
                .expect("the actor lives");
            first.expect("handled one");
            old.push(ticks);
            first.kill();
            // Its socket is left behind, and replaced.
            assert!(dir.path().join("server.sock").exists());
            first = Child::run(ENTRY, "serve", path(&dir));
            first.expect("ready");
            for ticks in &old {
                let refused = until_noticed(ticks).await;
                assert!(
                    matches!(refused, SendError::NodeDown(_) | SendError::Stale(_)),
                    "{refused}"
                );
            }
            until(|| !client.links().is_empty()).await;
        }
        for ticks in &old {
            assert!(ticks.try_send(Tick::number(9)).is_err());
        }
        // No old ref reached the last life.
        first.dismiss_after(|child| child.expect("handled 0"));
        shut_down(&client).await;
    });
}

#[test]
fn a_peer_may_come_later_than_those_who_dial_it() {
    watched(async {
        let dir = private_dir();
        let client = dialling("client", &dir, "server").await;
        assert!(client.links().is_empty());
        let mut server = Child::run(ENTRY, "serve", path(&dir));
        server.expect("ready");
        until(|| !client.links().is_empty()).await;
        let ticks = find::<Tick>(&client, "ticks").await;
        ticks.send(Tick::number(0)).await.expect("the actor lives");
        server.expect("handled one");
        shut_down(&client).await;
        server.dismiss();
    });
}

#[test]
fn a_sender_killed_at_any_byte_leaves_whole_messages_without_a_gap() {
    watched(async {
        for _ in 0..3 {
            let dir = private_dir();
            let server = listening("server", &dir).await;
            let (actor, mut handled) = probe::<Tick>();
            let ticks = offer(&server, "ticks", capacity(1_024), actor);
            let sender = Child::run(ENTRY, "send", path(&dir));
            for sequence in 0..1_000 {
                assert_eq!(handled.recv().await, Some(Tick::number(sequence)));
            }
            sender.kill();
            until(|| server.links().is_empty()).await;
            ticks.stop();
            let mut sequence = 1_000;
            while let Some(tick) = handled.recv().await {
                assert_eq!(tick, Tick::number(sequence));
                sequence += 1;
            }
            shut_down(&server).await;
        }
    });
}

#[test]
fn a_name_is_one_process_s() {
    watched(async {
        let dir = private_dir();
        let mut first = Child::run(ENTRY, "listen", path(&dir));
        first.expect("ready");
        let mut second = Child::run(ENTRY, "listen", path(&dir));
        assert_eq!(
            second.hear(),
            format!(
                "a node named server already runs in {}; stop it, or choose another name",
                path(&dir)
            )
        );
        second.dismiss();
        // The first one's socket is as it was.
        let client = dialling("client", &dir, "server").await;
        until(|| !client.links().is_empty()).await;
        shut_down(&client).await;
        first.dismiss();
        assert!(!dir.path().join("server.sock").exists());
        let mut third = Child::run(ENTRY, "listen", path(&dir));
        third.expect("ready");
        third.dismiss();
    });
}

/// `nobody`, on most systems; any user but ours will do.
const STRANGER: u32 = 65_534;

fn is_root() -> bool {
    let is_root = fs::metadata("/proc/self").is_ok_and(|process| {
        use std::os::unix::fs::MetadataExt;
        process.uid() == 0
    });
    if !is_root {
        eprintln!("skipped: only root can run a process of another user");
    }
    is_root
}

/// Lets strangers into the directory, as no node would.
fn open_wide(dir: &Path) {
    fs::set_permissions(dir, Permissions::from_mode(0o777)).expect("it is ours");
}

#[test]
fn a_process_of_another_user_is_turned_away() {
    watched(async {
        if !is_root() {
            return;
        }
        let dir = private_dir();
        let server = listening("server", &dir).await;
        let socket = dir.path().join("server.sock");
        let mode = |path: &Path| {
            let found = fs::metadata(path).expect("it is there");
            found.permissions().mode() & 0o777
        };
        assert_eq!((mode(dir.path()), mode(&socket)), (0o700, 0o600));
        open_wide(dir.path());
        fs::set_permissions(&socket, Permissions::from_mode(0o666)).expect("it is ours");
        let socket = socket.to_str().expect("a plain path");
        let mut stranger = Child::run_as(STRANGER, ENTRY, "knock", socket);
        stranger.expect("read Ok(0)");
        stranger.dismiss();
        shut_down(&server).await;
    });
}

#[test]
fn a_socket_of_another_user_is_not_spoken_to() {
    watched(async {
        if !is_root() {
            return;
        }
        let dir = private_dir();
        open_wide(dir.path());
        let socket = dir.path().join("server.sock");
        let mut stranger = Child::run_as(
            STRANGER,
            ENTRY,
            "wait",
            socket.to_str().expect("a plain path"),
        );
        stranger.expect("ready");
        let own = private_dir();
        let client = Node::builder("client").unix(own.path());
        let client = client.peer(PeerAddr::unix(dir.path(), "server"));
        let client = client.start().await.expect("the node starts");
        stranger.expect("read Ok(0)");
        assert!(client.links().is_empty());
        stranger.dismiss();
        shut_down(&client).await;
    });
}
