//! Two ends of one TCP connection, each with a certificate that is good or is not.

use std::{io::ErrorKind, net::Shutdown, sync::Arc};

use bytes::BytesMut;
use mycelium_testkit::certificates::{Authority, NodeCertificate};
use mycelium_wire::{CloseReason, Hello, Limits, NodeId};
use rustls::{ClientConfig, ClientConnection, RootCertStore, crypto::ring, version::TLS13};
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    join,
    net::{TcpListener, TcpStream},
};

use super::{Tls, TlsConfig, TlsRefusal, verifier::Chain};
use crate::{
    handshake::{Greeted, HandshakeError, greet},
    socket::Socket,
};

mod logs;

type Greeting = Result<Greeted, HandshakeError>;

fn config(shown: &NodeCertificate, trusted: &Authority) -> TlsConfig {
    let (certificate, key) = (shown.certificate.as_bytes(), shown.key.as_bytes());
    let config = TlsConfig::from_pem(trusted.pem.as_bytes(), certificate, key);
    config.expect("the three go together")
}

fn hello(node: &str) -> Hello {
    Hello {
        node: NodeId::new(node.parse().expect("a name"), 1),
        nonce: rand::random(),
        boot_id: 0,
        uid: 0,
        pid: 0,
        message_limit_bytes: 1_024,
        joins: 0,
        addresses: Vec::new(),
    }
}

async fn streams() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("loopback has a free port");
    let place = listener.local_addr().expect("it is bound");
    let (dialled, accepted) = join!(TcpStream::connect(place), listener.accept());
    (dialled.expect("it listens"), accepted.expect("it dials").0)
}

async fn greeted(dialling: Socket, accepting: Socket) -> (Greeting, Greeting) {
    let (dials, accepts) = (hello("dials"), hello("accepts"));
    join!(
        greet(dialling, &dials, Limits::default()),
        greet(accepting, &accepts, Limits::default())
    )
}

/// What comes of two nodes that call themselves `dials` and `accepts`.
async fn meet(dials: &TlsConfig, accepts: &TlsConfig) -> (Greeting, Greeting) {
    let (dialled, accepted) = streams().await;
    let dialled = Tls::dialled(dialled, dials).expect("the config is sound");
    let accepted = Tls::accepted(accepted, accepts).expect("the config is sound");
    greeted(tls(dialled), tls(accepted)).await
}

fn tls(end: Tls) -> Socket {
    Socket::Tls(Box::new(end))
}

/// Two ends that have shaken hands.
async fn secured() -> (Tls, Tls) {
    let ca = Authority::new("ca");
    let (dials, accepts) = (ca.node("dials"), ca.node("accepts"));
    let (dialled, accepted) = streams().await;
    let near = Tls::dialled(dialled, &config(&dials, &ca)).expect("the config is sound");
    let far = Tls::accepted(accepted, &config(&accepts, &ca)).expect("the config is sound");
    let (here, there) = join!(near.secure(), far.secure());
    here.and(there).expect("the certificates are good");
    (near, far)
}

fn refusal(greeting: Greeting) -> TlsRefusal {
    match greeting {
        Err(HandshakeError::Tls(refusal)) => refusal,
        Err(other) => panic!("{other:?}"),
        Ok(greeted) => panic!("linked to {}", greeted.hello.node),
    }
}

fn closed(greeting: Greeting) -> CloseReason {
    match greeting {
        Err(HandshakeError::Closed(reason)) => reason,
        Err(other) => panic!("{other:?}"),
        Ok(greeted) => panic!("linked to {}", greeted.hello.node),
    }
}

/// What the accepting side says of a dialler's certificate, and what the dialler hears of it.
async fn judged(ca: &Authority, shown: &NodeCertificate) -> (TlsRefusal, String) {
    let accepts = config(&ca.node("accepts"), ca);
    let (dials, accepts) = meet(&config(shown, ca), &accepts).await;
    (refusal(accepts), refusal(dials).to_string())
}

#[tokio::test]
async fn certificates_of_one_ca_with_the_right_names_let_both_in() {
    let ca = Authority::new("ca");
    let dials = config(&ca.node("dials"), &ca);
    let accepts = config(&ca.node("accepts"), &ca);
    let (dials, accepts) = meet(&dials, &accepts).await;
    let (dials, accepts) = (dials.expect("good"), accepts.expect("good"));
    assert_eq!(dials.hello.node.name().as_str(), "accepts");
    assert_eq!(accepts.hello.node.name().as_str(), "dials");
}

#[tokio::test]
async fn a_dialler_with_a_certificate_of_another_ca_is_refused_and_told() {
    let ca = Authority::new("ca");
    for other in [Authority::new("other"), Authority::new("ca")] {
        let (said, heard) = judged(&ca, &other.node("dials")).await;
        assert_eq!(said, TlsRefusal::UnknownCa);
        assert!(heard.contains("not of a CA that it trusts"), "{heard}");
    }
}

#[tokio::test]
async fn a_listener_with_a_certificate_of_another_ca_is_refused_and_told() {
    let ca = Authority::new("ca");
    let dials = config(&ca.node("dials"), &ca);
    for other in [Authority::new("other"), Authority::new("ca")] {
        let accepts = config(&other.node("accepts"), &ca);
        let (dials, accepts) = meet(&dials, &accepts).await;
        assert_eq!(refusal(dials), TlsRefusal::UnknownCa);
        let heard = refusal(accepts).to_string();
        assert!(heard.contains("not of a CA that it trusts"), "{heard}");
    }
}

#[tokio::test]
async fn a_certificate_that_has_expired_is_refused_on_either_side() {
    let ca = Authority::new("ca");
    let (said, heard) = judged(&ca, &ca.expired("dials")).await;
    assert_eq!(said, TlsRefusal::Expired);
    assert!(heard.contains("our certificate has expired"), "{heard}");

    let dials = config(&ca.node("dials"), &ca);
    let (dials, accepts) = meet(&dials, &config(&ca.expired("accepts"), &ca)).await;
    assert_eq!(refusal(dials), TlsRefusal::Expired);
    let heard = refusal(accepts).to_string();
    assert!(heard.contains("our certificate has expired"), "{heard}");
}

#[tokio::test]
async fn a_certificate_that_is_not_valid_yet_is_refused() {
    let ca = Authority::new("ca");
    let (said, heard) = judged(&ca, &ca.not_yet_valid("dials")).await;
    assert_eq!(said, TlsRefusal::NotYetValid);
    assert!(heard.contains("not valid yet"), "{heard}");
}

#[tokio::test]
async fn a_dialler_without_a_certificate_is_refused_and_told() {
    let ca = Authority::new("ca");
    let (dialled, accepted) = streams().await;
    let dials = anonymous(dialled, &ca);
    let accepts = Tls::accepted(accepted, &config(&ca.node("accepts"), &ca));
    let accepts = accepts.expect("the config is sound");

    let (dials, accepts) = greeted(tls(dials), tls(accepts)).await;
    assert_eq!(refusal(accepts), TlsRefusal::NoCertificate);
    let heard = refusal(dials).to_string();
    assert!(heard.contains("we showed no certificate"), "{heard}");
}

/// A dialler without a certificate.
fn anonymous(stream: TcpStream, ca: &Authority) -> Tls {
    let provider = Arc::new(ring::default_provider());
    let trusting = Chain {
        roots: Arc::new(trusts(ca)),
        algorithms: provider.signature_verification_algorithms,
    };
    let anonymous = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .expect("ring has ciphers for TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(trusting))
        .with_no_client_auth();
    let nobody = "node".try_into().expect("a name");
    let anonymous = ClientConnection::new(Arc::new(anonymous), nobody).expect("it is sound");
    Tls::new(stream, anonymous.into())
}

fn trusts(ca: &Authority) -> RootCertStore {
    use rustls::pki_types::{CertificateDer, pem::PemObject};

    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(ca.pem.as_bytes()).expect("a certificate");
    roots.add(certificate).expect("it is a CA's");
    roots
}

#[tokio::test]
async fn a_valid_certificate_of_another_node_is_refused_on_either_side() {
    let ca = Authority::new("ca");
    let wrong = |claimed: &str| CloseReason::WrongCertificateName {
        certified: "someone-else".into(),
        claimed: claimed.parse().expect("a name"),
    };
    let good = config(&ca.node("accepts"), &ca);
    let bad = config(&ca.node("someone-else"), &ca);
    let (dials, accepts) = meet(&bad, &good).await;
    assert_eq!(closed(accepts), wrong("dials"));
    let told = dials.expect("the listener is who it says").proposed().await;
    assert_eq!(closed_by(told), wrong("dials").seen_by_peer());

    let good = config(&ca.node("dials"), &ca);
    let (dials, accepts) = meet(&good, &bad).await;
    assert_eq!(closed(dials), wrong("accepts"));
    let told = accepts
        .expect("the dialler is who it says")
        .proposed()
        .await;
    assert_eq!(closed_by(told), wrong("accepts").seen_by_peer());
}

fn closed_by(told: Result<u32, HandshakeError>) -> CloseReason {
    match told {
        Err(HandshakeError::Closed(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_plain_dialler_and_a_listener_with_tls_tell_each_other_apart() {
    let ca = Authority::new("ca");
    let (dialled, accepted) = streams().await;
    let accepted = Tls::accepted(accepted, &config(&ca.node("accepts"), &ca));
    let accepted = tls(accepted.expect("the config is sound"));
    let (dials, accepts) = greeted(Socket::Tcp(dialled), accepted).await;
    assert_eq!(refusal(accepts), TlsRefusal::NotTls);
    let found = closed(dials).to_string();
    assert!(found.contains("(TLS)"), "{found}");
}

#[tokio::test]
async fn a_dialler_with_tls_and_a_plain_listener_tell_each_other_apart() {
    let ca = Authority::new("ca");
    let (dialled, accepted) = streams().await;
    let dialled = Tls::dialled(dialled, &config(&ca.node("dials"), &ca));
    let dialled = tls(dialled.expect("the config is sound"));
    let (dials, accepts) = greeted(dialled, Socket::Tcp(accepted)).await;
    assert_eq!(refusal(dials), TlsRefusal::NotTls);
    let found = closed(accepts).to_string();
    assert!(found.contains("(TLS)"), "{found}");
}

#[tokio::test]
async fn a_stream_that_is_cut_is_told_from_one_that_ends() {
    let (near, far) = secured().await;
    near.end_writing();
    let far = tls(far);
    let mut buffer = BytesMut::with_capacity(16);
    assert_eq!(far.read(&mut buffer).await.expect("it was announced"), 0);

    let (near, far) = secured().await;
    let raw = SockRef::from(near.stream());
    raw.shutdown(Shutdown::Write).expect("it is connected");
    let cut = tls(far).read(&mut buffer).await.expect_err("it was not");
    assert_eq!(cut.kind(), ErrorKind::UnexpectedEof);
    assert_eq!(TlsRefusal::within(&cut), Some(&TlsRefusal::Truncated));
}

#[tokio::test]
async fn a_record_that_somebody_else_made_is_an_error() {
    let (near, far) = secured().await;
    let forged = [&[0x17, 3, 3, 0, 32][..], &[7; 32]].concat();
    let written = near.stream().try_write(&forged);
    assert_eq!(written.expect("the kernel has room"), forged.len());
    let mut buffer = BytesMut::with_capacity(16);
    let refused = tls(far)
        .read(&mut buffer)
        .await
        .expect_err("no key made it");
    assert_eq!(refused.kind(), ErrorKind::InvalidData);
    assert!(buffer.is_empty());
}

fn pattern(length: usize) -> Vec<u8> {
    let bytes = (0..length).map(|position| position.to_le_bytes()[position % 3]);
    bytes.collect()
}

async fn read_to_end(from: &Socket, mut room: impl FnMut(&mut BytesMut)) -> Vec<u8> {
    let (mut all, mut buffer) = (Vec::new(), BytesMut::new());
    loop {
        room(&mut buffer);
        if from.read(&mut buffer).await.expect("nothing is cut") == 0 {
            return all;
        }
        all.extend_from_slice(&buffer);
        buffer.clear();
    }
}

/// How much goes through at once: many times what the kernel holds.
const MUCH_BYTES: usize = 8 << 20;

#[tokio::test]
async fn much_arrives_whole_whatever_the_readers_buffer() {
    for capacity_bytes in [100, 16 * 1_024, 1 << 20] {
        let (near, far) = secured().await;
        let (near, far) = (tls(near), tls(far));
        let sent = pattern(MUCH_BYTES);
        let writing = async {
            near.write_all(&sent).await.expect("the other end reads");
            near.end_writing();
        };
        let reading = read_to_end(&far, |buffer| buffer.reserve(capacity_bytes));
        let ((), read) = join!(writing, reading);
        assert!(read == sent, "{capacity_bytes}");
    }
}

#[tokio::test]
async fn a_reader_with_room_for_one_byte_gets_them_all() {
    let (near, far) = secured().await;
    let (near, far) = (tls(near), tls(far));
    let sent = pattern(40_000);
    near.write_all(&sent).await.expect("the kernel has room");
    near.end_writing();
    let mut read = Vec::new();
    loop {
        let mut one = BytesMut::with_capacity(1);
        if far.read(&mut one).await.expect("nothing is cut") == 0 {
            break;
        }
        assert_eq!(one.len(), 1);
        read.extend_from_slice(&one);
    }
    assert!(read == sent);
}

// A sender's own thread writes what the kernel takes and goes on. If bytes that stayed behind in
// rustls counted as written, nobody would come back for them.
#[tokio::test]
async fn what_counts_as_written_reaches_the_peer_without_another_write() {
    let (near, far) = secured().await;
    let (near, far) = (tls(near), tls(far));
    let sent = pattern(MUCH_BYTES);
    let mut written_bytes = 0;
    loop {
        let rest = &sent[written_bytes..];
        match near.try_write(rest).expect("the connection is up") {
            0 => break,
            more_bytes => written_bytes += more_bytes,
        }
    }
    assert!(
        0 < written_bytes && written_bytes < MUCH_BYTES,
        "{written_bytes}"
    );
    let (mut read, mut buffer) = (Vec::new(), BytesMut::new());
    while read.len() < written_bytes {
        buffer.reserve(64 * 1_024);
        far.read(&mut buffer).await.expect("it was written");
        read.extend_from_slice(&buffer);
        buffer.clear();
    }
    // What was begun goes on where it stopped.
    let writing = async {
        let rest = &sent[written_bytes..];
        near.write_all(rest).await.expect("the other end reads");
        near.end_writing();
    };
    let reading = read_to_end(&far, |buffer| buffer.reserve(64 * 1_024));
    let ((), rest) = join!(writing, reading);
    read.extend_from_slice(&rest);
    assert!(read == sent);
}

/// Passes bytes on one at a time.
async fn slice(from: &mut (impl AsyncReadExt + Unpin), to: &mut (impl AsyncWriteExt + Unpin)) {
    let mut byte = [0];
    while matches!(from.read(&mut byte).await, Ok(1)) {
        if to.write_all(&byte).await.is_err() {
            return;
        }
    }
    // The other end may be gone.
    let _ = to.shutdown().await;
}

#[tokio::test]
async fn a_network_that_delivers_single_bytes_changes_nothing() {
    let ca = Authority::new("ca");
    let ((dialled, mut before), (mut behind, accepted)) = join!(streams(), streams());
    tokio::spawn(async move {
        let (mut from_near, mut to_near) = before.split();
        let (mut from_far, mut to_far) = behind.split();
        join!(
            slice(&mut from_near, &mut to_far),
            slice(&mut from_far, &mut to_near)
        );
    });
    let dialled = Tls::dialled(dialled, &config(&ca.node("dials"), &ca));
    let accepted = Tls::accepted(accepted, &config(&ca.node("accepts"), &ca));
    let (near, far) = (
        tls(dialled.expect("the config is sound")),
        tls(accepted.expect("the config is sound")),
    );
    let sent = pattern(50_000);
    let there = async {
        near.secure().await.expect("the certificates are good");
        near.write_all(&sent).await.expect("the other end reads");
        near.end_writing();
    };
    let back = async {
        far.secure().await.expect("the certificates are good");
        read_to_end(&far, |buffer| buffer.reserve(1_000)).await
    };
    let ((), read) = join!(there, back);
    assert!(read == sent);
}

// A peer that connects and says nothing holds a place among the handshakes.
#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_shake_hands_is_turned_away() {
    let ca = Authority::new("ca");
    let (_dialled, accepted) = streams().await;
    let accepted = Tls::accepted(accepted, &config(&ca.node("accepts"), &ca));
    let accepted = tls(accepted.expect("the config is sound"));
    let greeting = greet(accepted, &hello("accepts"), Limits::default()).await;
    assert_eq!(closed(greeting), CloseReason::HandshakeTimeout);
}

#[tokio::test]
async fn nagles_delay_is_off_under_tls() {
    let (near, far) = secured().await;
    for end in [tls(near), tls(far)] {
        end.prepare().expect("the socket is open");
        let Socket::Tls(end) = &end else {
            unreachable!("it was made of one")
        };
        assert!(end.stream().nodelay().expect("the socket is open"));
    }
}

#[test]
fn the_key_is_not_shown() {
    let ca = Authority::new("ca");
    let shown = format!("{:?}", config(&ca.node("book-1"), &ca));
    assert_eq!(shown, "TlsConfig { names: [book-1], .. }");
}
