//! Peers that break the protocol lose their link, and nothing else breaks.

use std::{cell::Cell, time::Duration};

use mycelium_core::{Node, SendError};
use mycelium_transport::{BuildTransport, PeerAddr};
use mycelium_wire::{
    ActorId, BindingId, Check, CloseReason, Credit, EndReason, ExportKey, FrameKind, Header,
    Limits, Resolved, SendHalf, Window, Wire,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    task, time,
};

use crate::support::{
    Blob, Gate, Pair, Tick, capacity, fill, find, gated, offer, patience, patient, poll_once,
    private_dir, probe, refusal,
    scripted::{Heard, Scripted, bind_to, hello},
    shut_down, watched,
};

/// A node with an actor `stuck` of a small capacity, and its honest peer.
struct Victim {
    pair: Pair,
    gate: Gate<Tick>,
    /// How often it was attacked.
    attacks: Cell<u32>,
}

/// Above the window that every binding opens with.
const CAPACITY: u32 = 32;

impl Victim {
    async fn start() -> Self {
        let pair = Pair::start_patient().await;
        let (actor, gate) = gated::<Tick>();
        offer(&pair.server, "stuck", capacity(CAPACITY as usize), actor);
        let attacks = Cell::new(0);
        Self {
            pair,
            gate,
            attacks,
        }
    }

    /// Each by a node of another name: the link to the one before may still wait for its hanging up.
    async fn attacked(&self) -> Scripted {
        let number = self.attacks.get();
        self.attacks.set(number + 1);
        let socket = self.pair.dir.path().join("server.sock");
        Scripted::dial(&socket, &format!("mallory-{number}")).await
    }

    /// The actor lives and serves its other peer.
    async fn lives_on(mut self) {
        let stuck = find::<Tick>(&self.pair.client, "stuck").await;
        self.gate.open();
        stuck.send(Tick::number(1)).await.expect("the actor lives");
        while self.gate.next().await != Tick::number(1) {}
        self.pair.shutdown().await;
    }
}

fn by_peer(reason: &CloseReason) -> CloseReason {
    reason.seen_by_peer()
}

#[test]
fn another_protocol_is_told_apart() {
    watched(async {
        let victim = Victim::start().await;
        let path = victim.pair.dir.path().join("server.sock");
        let stream = UnixStream::connect(&path).await.expect("a node listens");
        let mut http = Scripted::silent(stream, 1);
        http.write(b"GET / HTTP/1.1\r\nHost: example\r\n\r\n").await;
        // The node's own hello and the reason, in frames that this side can read.
        let mut answer = http.into_stream();
        let mut text = Vec::new();
        answer
            .read_to_end(&mut text)
            .await
            .expect("the node hangs up");
        let text = String::from_utf8_lossy(&text);
        assert!(text.contains("does not speak Mycelium"), "{text}");
        assert!(text.contains("GET / HTTP"), "{text}");
        victim.lives_on().await;
    });
}

#[test]
fn a_peer_that_leaves_during_the_handshake_leaves_nothing() {
    watched(async {
        let victim = Victim::start().await;
        let path = victim.pair.dir.path().join("server.sock");
        let whole = Scripted::written_by(|send| {
            send.hello(&hello("mallory", 1)).expect("it fits");
        });
        for length in [0, 1, 8, 31, 32, 33, whole.len() - 1, whole.len()] {
            let mut stream = UnixStream::connect(&path).await.expect("a node listens");
            stream
                .write_all(&whole[..length])
                .await
                .expect("it is read");
            drop(stream);
        }
        victim.lives_on().await;
    });
}

#[test]
fn a_peer_that_says_nothing_is_hung_up_on() {
    watched(async {
        let victim = Victim::start().await;
        let path = victim.pair.dir.path().join("server.sock");
        let stream = UnixStream::connect(&path).await.expect("a node listens");
        let mut silent = Scripted::silent(stream, 1);
        let since = time::Instant::now();
        silent.send.hello(&hello("mallory", 1)).expect("it fits");
        silent.flush().await;
        // Its hello comes, and no word follows it.
        let mut bytes = Vec::new();
        let mut stream = silent.into_stream();
        stream.read_to_end(&mut bytes).await.expect("it hangs up");
        assert!(since.elapsed() >= Duration::from_secs(2));
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("did not finish the handshake"), "{text}");
        victim.lives_on().await;
    });
}

/// A hundred connections that said nothing kept everybody else waiting for two seconds.
#[test]
fn silent_peers_keep_nobody_out() {
    watched(async {
        let victim = Victim::start().await;
        let path = victim.pair.dir.path().join("server.sock");
        let mut silent = Vec::new();
        for _ in 0..250 {
            silent.push(UnixStream::connect(&path).await.expect("a node listens"));
        }
        let mut first = silent.swap_remove(0);
        let mut bytes = Vec::new();
        // The oldest made room, without the time of a handshake being up.
        first.read_to_end(&mut bytes).await.expect("it hangs up");
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("did not finish the handshake"), "{text}");
        let mut peer = victim.attacked().await;
        peer.resolve("stuck").await;
        victim.lives_on().await;
        drop(silent);
    });
}

#[test]
fn a_corrupt_message_closes_its_link_and_no_actor() {
    watched(async {
        let pair = Pair::start_patient().await;
        let (actor, mut handled) = probe::<Blob>();
        let blobs = pair.serve("blobs", actor).await;
        let mut mallory = Scripted::dial(&pair.dir.path().join("server.sock"), "mallory").await;
        let binding = mallory.bind(3, "blobs").await;
        mallory.message(binding, &Blob::of_size(1, 10));
        // A tick where a blob must be: its archive claims content that is not there.
        mallory.message(binding, &Tick::number(u64::MAX));
        mallory.message(binding, &Blob::of_size(2, 10));
        mallory.flush().await;
        let CloseReason::ByPeer { code, text } = mallory.closed().await else {
            panic!("the node closes")
        };
        assert_eq!(code, CloseReason::Corrupt("".into()).code(), "{text}");
        mallory.hung_up().await;
        assert_eq!(handled.recv().await, Some(Blob::of_size(1, 10)));
        blobs
            .send(Blob::of_size(7, 7))
            .await
            .expect("the actor lives");
        loop {
            match handled.recv().await.expect("the actor lives") {
                blob if blob == Blob::of_size(7, 7) => break,
                blob => assert_eq!(blob, Blob::of_size(2, 10)),
            }
        }
        pair.shutdown().await;
    });
}

#[test]
fn messages_beyond_the_window_close_the_link() {
    watched(async {
        let victim = Victim::start().await;
        let mut mallory = victim.attacked().await;
        let binding = mallory.bind(0, "stuck").await;
        for sequence in 0..u64::from(CAPACITY) {
            mallory.message(binding, &Tick::number(sequence));
        }
        mallory.flush().await;
        // All within the window: nothing happens.
        mallory.resolve("stuck").await;
        mallory.message(binding, &Tick::number(99));
        mallory.flush().await;
        let reason = CloseReason::CreditExceeded { binding };
        assert_eq!(mallory.closed().await, by_peer(&reason));
        victim.lives_on().await;
    });
}

/// Only messages were counted: a window of a thousand took a gigabyte.
#[test]
fn bytes_beyond_the_window_close_the_link() {
    watched(async {
        let pair = Pair::start_patient().await;
        let (actor, gate) = gated::<Blob>();
        offer(&pair.server, "blobs", capacity(1_024), actor);
        let mut mallory = Scripted::dial(&pair.dir.path().join("server.sock"), "mallory").await;
        let binding = mallory.bind(0, "blobs").await;
        for sequence in 0..3 {
            mallory.message(binding, &Blob::of_size(sequence, Blob::LIMIT_BYTES / 2));
        }
        mallory.flush().await;
        let reason = CloseReason::CreditExceeded { binding };
        assert_eq!(mallory.closed().await, by_peer(&reason));
        gate.open();
        pair.shutdown().await;
    });
}

/// A frame that takes effect after the messages before it let them pass uncounted.
#[test]
fn the_window_is_watched_however_the_messages_are_mixed_with_other_frames() {
    watched(async {
        let victim = Victim::start().await;
        let mut mallory = victim.attacked().await;
        let binding = mallory.bind(0, "stuck").await;
        let nobody = Resolved {
            actor: ActorId::from_u64(u64::MAX),
            ..mallory.resolve("stuck").await
        };
        for sequence in 0..10 * u64::from(CAPACITY) {
            mallory.message(binding, &Tick::number(sequence));
        }
        let other = mallory.bind_to(1, &nobody);
        mallory.send.unbind(other);
        mallory.flush().await;
        let reason = CloseReason::CreditExceeded { binding };
        assert_eq!(mallory.closed().await, by_peer(&reason));
        victim.lives_on().await;
    });
}

#[test]
fn an_id_that_is_not_bound_closes_the_link() {
    watched(async {
        let victim = Victim::start().await;
        let binding = BindingId::from_u32(9);
        for kind in [FrameKind::Message, FrameKind::Credit, FrameKind::Unbound] {
            let mut mallory = victim.attacked().await;
            let header = Header {
                binding,
                sequence: u32::from(kind == FrameKind::Message),
                ..Header::new(kind)
            };
            let payload_bytes = if kind == FrameKind::Credit { 24 } else { 0 };
            let header = header.with_payload(payload_bytes);
            let mut frame = header.encode().to_vec();
            frame.resize(header.frame_bytes(), 0);
            mallory.write(&frame).await;
            let reason = CloseReason::UnknownBinding(binding);
            assert_eq!(mallory.closed().await, by_peer(&reason));
            mallory.hung_up().await;
        }
        victim.lives_on().await;
    });
}

/// The answers to a flood that nobody reads gathered without an end.
#[test]
fn answers_that_are_not_read_close_the_link() {
    watched(async {
        let victim = Victim::start().await;
        let mut mallory = victim.attacked().await;
        let questions = bindings_to_nobody(&mallory.resolve("stuck").await);
        // The node takes all that is written, until it hangs up.
        while mallory.write(&questions).await {}
        victim.lives_on().await;
    });
}

/// Binds and unbinds, a thousand times over, an actor that does not exist; each time is answered.
fn bindings_to_nobody(somebody: &Resolved) -> Vec<u8> {
    let nobody = Resolved {
        actor: ActorId::from_u64(u64::MAX),
        ..somebody.clone()
    };
    let once = Scripted::written_by(|send| {
        bind_to(send, 0, &nobody);
        send.unbind(BindingId::from_u32(0));
    });
    once.repeat(1_000)
}

#[test]
fn wrong_keys_are_counted() {
    watched(async {
        let victim = Victim::start().await;
        let mut mallory = victim.attacked().await;
        let actor = mallory.resolve("stuck").await;
        for guess in 0..16 {
            let guessed = Resolved {
                key: ExportKey::from_u64(guess),
                ..actor.clone()
            };
            mallory.bind_to(u32::try_from(guess).expect("few"), &guessed);
        }
        mallory.flush().await;
        let mut refused = 0;
        let reason = loop {
            match mallory.hear().await.expect("a word before the end") {
                Heard::Ended(EndReason::NoSuchActor) => refused += 1,
                Heard::Close(reason) => break reason,
                heard => panic!("{heard:?}"),
            }
        };
        assert_eq!(reason, by_peer(&CloseReason::TooManyWrongKeys));
        assert!(refused >= 15, "{refused}");
        victim.lives_on().await;
    });
}

#[test]
fn an_id_may_not_be_bound_anew_before_it_was_given_back() {
    watched(async {
        let victim = Victim::start().await;
        let mut mallory = victim.attacked().await;
        let actor = mallory.resolve("stuck").await;
        let binding = mallory.bind_to(0, &actor);
        mallory.message(binding, &Tick::number(0));
        mallory.send.unbind(binding);
        mallory.flush().await;
        mallory.send = SendHalf::new(Limits::default(), Check::None);
        mallory.bind_to(0, &actor);
        mallory.flush().await;
        let reason = CloseReason::BindingInUse(binding);
        assert_eq!(mallory.closed().await, by_peer(&reason));
        victim.lives_on().await;
    });
}

/// A node that dials a scripted one.
struct Dialled {
    node: Node,
    peer: Scripted,
    listener: UnixListener,
    _dir: TempDir,
}

impl Dialled {
    async fn start() -> Self {
        let dir = private_dir();
        let path = dir.path().join("mallory.sock");
        let listener = UnixListener::bind(&path).expect("the path is free");
        let starting = task::spawn(async move {
            let dir = path.parent().expect("it lies in a directory").to_owned();
            let node = Node::builder("victim")
                .unix(dir)
                .peer(PeerAddr::Unix(path))
                .liveness(patience());
            node.start().await.expect("the node starts")
        });
        let peer = Self::accept(&listener).await;
        Self {
            node: starting.await.expect("the node starts"),
            peer,
            listener,
            _dir: dir,
        }
    }

    async fn accept(listener: &UnixListener) -> Scripted {
        let (stream, _) = listener.accept().await.expect("the node dials");
        Scripted::introduced(stream, "mallory").await
    }

    /// The victim's ref to an actor that does not exist.
    async fn offered(&mut self) -> mycelium_core::ActorRef<Tick> {
        let finding = task::spawn({
            let node = self.node.clone();
            async move { find::<Tick>(&node, "ticks").await }
        });
        let Some(Heard::Resolve(question, name)) = self.peer.hear().await else {
            panic!("the node asks")
        };
        assert_eq!(name, "ticks");
        let actor = Resolved {
            actor: ActorId::from_u64(1),
            key: ExportKey::from_u64(2),
            fingerprint: Tick::FINGERPRINT,
            capacity_messages: u32::MAX,
            also_takes: Box::default(),
            type_name: Tick::NAME.into(),
        };
        self.peer.send.resolved(question, Some(&actor));
        self.peer.flush().await;
        finding.await.expect("it is answered")
    }
}

#[test]
fn forged_credit_closes_the_link() {
    watched(async {
        let mut dialled = Dialled::start().await;
        let ticks = dialled.offered().await;
        ticks.send(Tick::number(0)).await.expect("the link is up");
        let binding = match dialled.peer.hear().await {
            Some(Heard::Bind(binding)) => binding,
            heard => panic!("{heard:?}"),
        };
        let forged = Credit {
            confirmed: 5,
            refused: 0,
            returned_bytes: 5 * 64,
        };
        dialled.peer.send.credit(binding, forged);
        dialled.peer.flush().await;
        let reason = CloseReason::CreditForged { binding };
        assert_eq!(dialled.peer.closed().await, by_peer(&reason));
        shut_down(&dialled.node).await;
    });
}

/// A peer that grants everything and reads nothing could fill the sender's memory.
#[test]
fn a_window_is_never_larger_than_the_largest() {
    watched(async {
        let mut dialled = Dialled::start().await;
        let ticks = dialled.offered().await;
        ticks.send(Tick::number(0)).await.expect("the link is up");
        let Some(Heard::Bind(binding)) = dialled.peer.hear().await else {
            panic!("the node binds")
        };
        let endless = Window {
            messages: u32::MAX,
            bytes: u32::MAX,
        };
        dialled.peer.send.bound(binding, endless);
        dialled.peer.send.resolved(99, None);
        dialled.peer.flush().await;
        let mut accepted = 1;
        while accepted < 1_024 {
            let (more, refused) = fill(&ticks, accepted, Tick::number);
            assert!(matches!(refused, SendError::Full(_)), "{refused}");
            accepted += more;
            task::yield_now().await;
        }
        assert_eq!(accepted, 1_024);
        assert!(ticks.try_send(Tick::number(0)).is_err());
        shut_down(&dialled.node).await;
    });
}

#[test]
fn a_node_that_is_refused_tries_again_and_again_but_not_at_once() {
    watched(async {
        let dir = private_dir();
        let path = dir.path().join("mallory.sock");
        let listener = UnixListener::bind(&path).expect("the path is free");
        let starting = task::spawn({
            let path = path.clone();
            async move {
                let dir = path.parent().expect("it lies in a directory").to_owned();
                let node = Node::builder("victim")
                    .unix(dir)
                    .peer(PeerAddr::Unix(path))
                    .liveness(patience());
                node.start().await.expect("the node starts")
            }
        });
        let since = time::Instant::now();
        // Speaks no version that the node knows.
        for _ in 0..12 {
            let (mut stream, _) = listener.accept().await.expect("the node dials");
            let mut old = Scripted::written_by(|send| {
                send.hello(&hello("mallory", 7)).expect("it fits");
            });
            let versions = 32 + 8;
            old[versions..versions + 4].copy_from_slice(&[0xff; 4]);
            stream.write_all(&old).await.expect("it is read");
            let mut bytes = Vec::new();
            stream
                .read_to_end(&mut bytes)
                .await
                .expect("the node hangs up");
            let text = String::from_utf8_lossy(&bytes);
            assert!(text.contains("speaks protocol versions"), "{text}");
        }
        // Twelve tries are eleven pauses whose bounds double from 10 ms to 1 s: 6 s at most, and
        // no less than a tenth of their mean but once in a billion runs.
        assert!(since.elapsed() > Duration::from_millis(250));
        let node = starting.await.expect("the node starts");
        shut_down(&node).await;
    });
}

#[test]
fn a_connection_that_is_closed_at_once_is_not_dialled_in_a_hot_loop() {
    watched(async {
        let dialled = Dialled::start().await;
        let Dialled {
            node,
            peer,
            listener,
            _dir,
        } = dialled;
        drop(peer);
        let since = time::Instant::now();
        for _ in 0..12 {
            drop(Dialled::accept(&listener).await);
        }
        assert!(since.elapsed() > Duration::from_millis(250));
        drop(listener);
        shut_down(&node).await;
    });
}

/// The writer of a connection outlived it when the peer did not read, and kept the socket open.
#[test]
fn a_peer_that_does_not_read_is_hung_up_on() {
    watched(async {
        let Victim { pair, gate, .. } = Victim::start().await;
        let mut mallory = Scripted::dial(&pair.dir.path().join("server.sock"), "mallory").await;
        let questions = bindings_to_nobody(&mallory.resolve("stuck").await);
        // More answers than the kernel takes.
        for _ in 0..30 {
            assert!(mallory.write(&questions).await);
        }
        gate.open();
        pair.shutdown().await;
        // What the kernel holds is followed by the end.
        let mut bytes = Vec::new();
        let mut stream = mallory.into_stream();
        // A reset is an end too: the node left without reading everything.
        let _ = stream.read_to_end(&mut bytes).await;
    });
}

#[test]
fn an_actor_that_never_was_is_told_of() {
    watched(async {
        let mut dialled = Dialled::start().await;
        let ticks = dialled.offered().await;
        ticks.send(Tick::number(0)).await.expect("the link is up");
        let Some(Heard::Bind(binding)) = dialled.peer.hear().await else {
            panic!("the node binds")
        };
        let found = EndReason::WrongType {
            found: "Quote".into(),
        };
        dialled.peer.send.ended(binding, &found);
        dialled.peer.flush().await;
        let refused = refusal(&ticks, || Tick::number(1)).await;
        let SendError::WrongType {
            message,
            wanted,
            found,
        } = refused
        else {
            panic!("{refused}")
        };
        assert_eq!(
            (message, wanted, &*found),
            (Tick::number(1), "Tick", "Quote")
        );
        shut_down(&dialled.node).await;
    });
}

#[test]
fn a_name_is_spoken_for_by_one_node_at_a_time() {
    watched(async {
        let victim = Victim::start().await;
        let path = victim.pair.dir.path().join("server.sock");
        let mut first = Scripted::dial(&path, "mallory").await;
        first.resolve("stuck").await;
        let stream = UnixStream::connect(&path).await.expect("a node listens");
        let second = Scripted::try_introduce(stream, "mallory").await;
        let duplicate = CloseReason::DuplicateNode("mallory".parse().expect("a name"));
        assert_eq!(second.err(), Some(by_peer(&duplicate)));
        // The first one is as it was.
        first.resolve("stuck").await;
        victim.lives_on().await;
    });
}

#[test]
fn a_listener_closes_while_handshakes_hang() {
    watched(async {
        let dir = private_dir();
        let node = patient("server", &dir).await;
        let mut silent = UnixStream::connect(dir.path().join("server.sock"))
            .await
            .expect("a node listens");
        let mut first = [0; 32];
        silent.read_exact(&mut first).await.expect("its hello");
        let mut closing = Box::pin(shut_down(&node));
        while poll_once(&mut closing).await.is_none() {
            task::yield_now().await;
        }
        let mut rest = Vec::new();
        silent.read_to_end(&mut rest).await.expect("it hangs up");
        let text = String::from_utf8_lossy(&rest);
        assert!(!text.contains("did not finish the handshake"), "{text}");
    });
}
