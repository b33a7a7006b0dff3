//! Nodes whose TCP is under mutual TLS: who is linked to whom, and what certificates are good for.

mod support;

use std::{
    fs::{self, Permissions},
    net::UdpSocket,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    thread,
};

use mycelium_core::{ActorRef, LinkKind, Node, NodeBuilder, StartError};
use mycelium_registry::Registry;
use mycelium_testkit::certificates::{Authority, NodeCertificate};
use mycelium_transport::{
    BuildTransport, PeerAddr, TlsConfig, TlsConfigError, TransportError, TransportNode,
};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::support::{GRACE, Tick, private_dir, probe, unique};

/// A node with a certificate of this CA, in its own name.
fn of_ca(ca: &Authority, name: &str) -> NodeBuilder {
    let name = unique(name);
    let certificate = ca.node(&name);
    Node::builder(name).tls(certificate.config(ca))
}

async fn started(builder: NodeBuilder) -> Node {
    builder.start().await.expect("the node starts")
}

async fn listening(ca: &Authority) -> Node {
    started(of_ca(ca, "listens").tcp("127.0.0.1:0")).await
}

async fn dialling(ca: &Authority, node: &Node) -> Node {
    started(of_ca(ca, "dials").peer(node.addresses().remove(0))).await
}

async fn refused(builder: NodeBuilder) -> TransportError {
    match builder.start().await {
        Err(StartError::Plugin(error)) => *error.downcast().expect("the transport refused"),
        other => panic!("{other:?}"),
    }
}

async fn end(nodes: impl IntoIterator<Item = Node>) {
    for node in nodes {
        node.shutdown(GRACE).await.expect("all actors end");
    }
}

/// An actor of one node, as another one sees it, and what it handles.
async fn placed(on: &Node, from: &Node) -> (ActorRef<Tick>, UnboundedReceiver<Tick>) {
    let (actor, handled) = probe::<Tick>();
    let name = unique("ticks");
    on.register(&name, &on.spawn(actor)).expect("it is free");
    let found = from.resolve(&name).await.expect("the two are linked");
    (found, handled)
}

async fn carries(from: &Node, to: &Node) {
    let (ticks, mut handled) = placed(to, from).await;
    ticks.send(Tick::number(7)).await.expect("it is there");
    assert_eq!(handled.recv().await, Some(Tick::number(7)));
}

#[tokio::test]
async fn nodes_with_certificates_of_one_ca_are_linked_by_tcp() {
    let ca = Authority::new("ca");
    let server = listening(&ca).await;
    let client = dialling(&ca, &server).await;
    assert_eq!(client.links()[0].kind(), LinkKind::Tcp);
    assert_eq!(client.links()[0].peer(), server.id());
    carries(&client, &server).await;
    carries(&server, &client).await;
    end([client, server]).await;
}

#[tokio::test]
async fn nodes_of_different_cas_are_not_linked() {
    let server = listening(&Authority::new("ours")).await;
    let client = dialling(&Authority::new("theirs"), &server).await;
    assert!(client.links().is_empty());
    assert!(server.links().is_empty());
    end([client, server]).await;
}

#[tokio::test]
async fn a_plain_node_and_one_with_tls_are_not_linked_whoever_dials() {
    let ca = Authority::new("ca");
    let secret = listening(&ca).await;
    let plain = Node::builder(unique("plain")).tcp("127.0.0.1:0");
    let plain = started(plain.peer(secret.addresses().remove(0))).await;
    assert!(plain.links().is_empty());
    let dials = dialling(&ca, &plain).await;
    assert!(dials.links().is_empty());
    end([dials, plain, secret]).await;
}

#[tokio::test]
async fn a_node_does_not_start_with_the_certificate_of_another() {
    let ca = Authority::new("ca");
    let certificate = ca.node("someone-else").config(&ca);
    let error = refused(Node::builder(unique("me")).tls(certificate)).await;
    let TransportError::WrongCertificateName { certified, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(certified, "someone-else");
}

#[tokio::test]
async fn new_certificates_count_for_new_connections_and_links_stay() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let server = listening(&old).await;
    let early = dialling(&old, &server).await;
    let (ticks, mut handled) = placed(&server, &early).await;

    let name = server.id().name().to_string();
    let renewed = new.node(&name).config(&new);
    server.reload_tls(renewed).expect("it names the node");
    ticks.send(Tick::number(1)).await.expect("the link stays");
    assert_eq!(handled.recv().await, Some(Tick::number(1)));
    assert_eq!(early.links()[0].stats().unknown, 0);

    let late = dialling(&new, &server).await;
    carries(&late, &server).await;
    let outdated = dialling(&old, &server).await;
    assert!(outdated.links().is_empty());

    // It dials on, and its next try shows what it has by then.
    let name = outdated.id().name().to_string();
    let renewed = new.node(&name).config(&new);
    outdated.reload_tls(renewed).expect("it names the node");
    while outdated.links().is_empty() {
        tokio::task::yield_now().await;
    }
    carries(&outdated, &server).await;
    end([early, late, outdated, server]).await;
}

#[tokio::test]
async fn a_reload_that_cannot_be_is_refused_and_changes_nothing() {
    let ca = Authority::new("ca");
    let server = listening(&ca).await;
    let wrong = server.reload_tls(ca.node("someone-else").config(&ca));
    assert!(
        matches!(wrong, Err(TransportError::WrongCertificateName { .. })),
        "{wrong:?}"
    );
    let client = dialling(&ca, &server).await;
    carries(&client, &server).await;

    let name = unique("plain");
    let plain = started(Node::builder(name.clone()).tcp("127.0.0.1:0")).await;
    let useless = plain.reload_tls(ca.node(&name).config(&ca));
    assert!(
        matches!(useless, Err(TransportError::WithoutTls { .. })),
        "{useless:?}"
    );
    end([client, server, plain]).await;
}

/// An address of this host that others reach, if it has one: that of the way out.
fn reachable_ip() -> Option<String> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent: the kernel only looks for the way.
    socket.connect("192.0.2.1:9").ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_loopback() && !ip.is_unspecified()).then(|| ip.to_string())
}

#[tokio::test]
async fn with_tls_nodes_meet_beyond_loopback() {
    let Some(ip) = reachable_ip() else {
        println!("skipped: this host has no address but loopback");
        return;
    };
    let ca = Authority::new("ca");
    let server = started(of_ca(&ca, "far").tcp(format!("{ip}:0"))).await;
    let client = dialling(&ca, &server).await;
    carries(&client, &server).await;
    end([client, server]).await;
}

#[tokio::test]
async fn plain_tcp_meets_beyond_loopback_only_where_both_say_that_it_is_insecure() {
    let Some(ip) = reachable_ip() else {
        println!("skipped: this host has no address but loopback");
        return;
    };
    let open = || Node::builder(unique("open")).insecure_plain_tcp();
    let server = started(open().tcp(format!("{ip}:0"))).await;
    let address = server.addresses().remove(0);
    let error = refused(Node::builder(unique("closed")).peer(address.clone())).await;
    assert!(
        matches!(error, TransportError::NotLoopback { .. }),
        "{error}"
    );
    let client = started(open().peer(address)).await;
    carries(&client, &server).await;
    end([client, server]).await;
}

#[tokio::test]
async fn nodes_that_meet_over_tls_and_have_unix_sockets_are_linked_by_those() {
    let ca = Authority::new("ca");
    let dir = private_dir();
    let able = |name| of_ca(&ca, name).unix(dir.path()).tcp("127.0.0.1:0");
    let server = started(able("listens")).await;
    let is_tcp = |address: &PeerAddr| matches!(address, PeerAddr::Tcp { .. });
    let address = server.addresses().into_iter().find(is_tcp);
    let client = started(able("dials").peer(address.expect("it has a port"))).await;
    assert_eq!(client.links()[0].kind(), LinkKind::Unix);
    end([client, server]).await;
}

// Each thread writes its own message, when the link is quiet: what one leaves behind nobody else
// would come for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_many_threads_all_arrive() {
    const THREADS: u64 = 4;
    const MESSAGES: u64 = 5_000;
    let ca = Authority::new("ca");
    let server = listening(&ca).await;
    let client = dialling(&ca, &server).await;
    let (ticks, mut handled) = placed(&server, &client).await;
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let ticks = ticks.clone();
            thread::spawn(move || {
                for number in 0..MESSAGES {
                    let tick = Tick::number(thread * MESSAGES + number);
                    ticks.send_blocking(tick).expect("the actor lives");
                }
            })
        })
        .collect();
    let mut next: Vec<_> = (0..THREADS).map(|thread| thread * MESSAGES).collect();
    for _ in 0..THREADS * MESSAGES {
        let tick = handled.recv().await.expect("it is sent");
        let thread = usize::try_from(tick.sequence / MESSAGES).expect("there are few");
        assert_eq!(tick.sequence, next[thread]);
        next[thread] += 1;
    }
    for thread in threads {
        thread.join().expect("it sends all of its own");
    }
    end([client, server]).await;
}

/// A folder with the three files of a node.
struct Files {
    _dir: tempfile::TempDir,
    ca: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn of(ca: &Authority, node: &NodeCertificate) -> Self {
        let dir = private_dir();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs::write(&path, text).expect("there is room");
            path
        };
        let files = Self {
            ca: file("ca.pem", &ca.pem),
            certificate: file("node.pem", &node.certificate),
            key: file("node.key", &node.key),
            _dir: dir,
        };
        files.set_mode(0o600);
        files
    }

    fn set_mode(&self, mode: u32) {
        let permissions = Permissions::from_mode(mode);
        fs::set_permissions(&self.key, permissions).expect("it is ours");
    }

    fn load(&self) -> Result<TlsConfig, TlsConfigError> {
        TlsConfig::from_files(&self.ca, &self.certificate, &self.key)
    }

    fn refused(&self) -> TlsConfigError {
        self.load().expect_err("something is wrong with the files")
    }
}

fn shows(error: &TlsConfigError, path: &Path) {
    let (text, path) = (error.to_string(), path.display().to_string());
    assert!(text.contains(&path), "{text}");
}

#[tokio::test]
async fn a_node_starts_with_certificates_from_files() {
    let ca = Authority::new("ca");
    let name = unique("filed");
    let files = Files::of(&ca, &ca.node(&name));
    let config = files.load().expect("all is well");
    let server = started(Node::builder(name).tls(config).tcp("127.0.0.1:0")).await;
    let client = dialling(&ca, &server).await;
    carries(&client, &server).await;
    end([client, server]).await;
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    let ca = Authority::new("ca");
    let files = Files::of(&ca, &ca.node("book"));
    for mode in [0o640, 0o604, 0o660, 0o644] {
        files.set_mode(mode);
        let error = files.refused();
        assert!(
            matches!(&error, TlsConfigError::KeyTooWide { mode: found, .. } if *found == mode),
            "{error}"
        );
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
    files.set_mode(0o400);
    files.load().expect("it is closed to others");
}

#[test]
fn a_key_of_another_user_is_refused() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: needs root");
        return;
    }
    let ca = Authority::new("ca");
    let files = Files::of(&ca, &ca.node("book"));
    std::os::unix::fs::chown(&files.key, Some(65_534), None).expect("we are root");
    let error = files.refused();
    assert!(
        matches!(error, TlsConfigError::ForeignKey { owner: 65_534, .. }),
        "{error}"
    );
}

#[test]
fn a_file_that_is_missing_is_named() {
    let ca = Authority::new("ca");
    let each: [fn(&Files) -> &PathBuf; 3] = [|f| &f.ca, |f| &f.certificate, |f| &f.key];
    for of in each {
        let files = Files::of(&ca, &ca.node("book"));
        let missing = of(&files);
        fs::remove_file(missing).expect("it is there");
        let error = files.refused();
        assert!(matches!(error, TlsConfigError::Read { .. }), "{error}");
        shows(&error, missing);
    }
}

#[test]
fn files_that_hold_something_else_are_named() {
    let ca = Authority::new("ca");
    let files = Files::of(&ca, &ca.node("book"));
    for path in [&files.ca, &files.certificate] {
        let before = fs::read(path).expect("it is there");
        fs::write(path, "nothing of use").expect("it is ours");
        let error = files.refused();
        assert!(
            matches!(error, TlsConfigError::NoCertificate { .. }),
            "{error}"
        );
        shows(&error, path);
        fs::write(
            path,
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        )
        .expect("it is ours");
        let error = files.refused();
        assert!(
            matches!(error, TlsConfigError::BadCertificate { .. }),
            "{error}"
        );
        shows(&error, path);
        fs::write(path, before).expect("it is ours");
    }
    fs::write(&files.key, "nothing of use").expect("it is ours");
    let error = files.refused();
    assert!(matches!(error, TlsConfigError::NoKey { .. }), "{error}");
    shows(&error, &files.key);
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let ca = Authority::new("ca");
    let mut node = ca.node("book");
    node.key = ca.node("book").key;
    let files = Files::of(&ca, &node);
    let error = files.refused();
    assert!(
        matches!(error, TlsConfigError::KeyMismatch { .. }),
        "{error}"
    );
    shows(&error, &files.key);
    shows(&error, &files.certificate);
}

#[test]
fn a_certificate_that_names_no_node_is_refused() {
    let ca = Authority::new("ca");
    let files = Files::of(&ca, &ca.node("book.example.com"));
    let error = files.refused();
    assert!(
        matches!(&error, TlsConfigError::NoNodeName { found, .. } if found == "book.example.com"),
        "{error}"
    );
}
