//! What a node logs of a peer that it does not let in: which of the causes it was.

use std::{
    fmt::{self, Write as _},
    sync::{Arc, Mutex, PoisonError},
};

use mycelium_core::Node;
use mycelium_testkit::certificates::Authority;
use mycelium_wire::Limits;
use tokio::net::{TcpListener, TcpStream};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::DefaultGuard,
};

use super::{Tls, TlsConfig, anonymous, config, hello, tls};
use crate::{BuildTransport, PeerAddr, TransportNode, handshake::greet};

/// The warnings of this thread, each with all of its fields.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl Warnings {
    fn noted() -> (Self, DefaultGuard) {
        let warnings = Self::default();
        let guard = tracing::subscriber::set_default(warnings.clone());
        (warnings, guard)
    }

    /// Waits for a warning that says this, and gives all of it.
    async fn saying(&self, words: &str) -> String {
        loop {
            if let Some(line) = self.noted_of(words) {
                return line;
            }
            tokio::task::yield_now().await;
        }
    }

    fn noted_of(&self, words: &str) -> Option<String> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().find(|line| line.contains(words)).cloned()
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(line.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // A text takes all that is written.
        let _ = write!(self.0, "{field}={value:?} ");
    }
}

/// What a node logs when `dial` has made an end of TLS of a connection to it.
async fn listener_logs(ca: &Authority, dial: impl FnOnce(TcpStream) -> Tls) -> String {
    let (warnings, _noting) = Warnings::noted();
    let node = Node::builder("accepts").tls(config(&ca.node("accepts"), ca));
    let node = node.tcp("127.0.0.1:0").start().await;
    let node = node.expect("its certificate is good");
    let Some(PeerAddr::Tcp { host, port }) = node.addresses().pop() else {
        panic!("it listens over TCP");
    };
    let stream = TcpStream::connect((host.as_str(), port)).await;
    let dialled = tls(dial(stream.expect("it listens")));
    let hello = hello("dials");
    let ((), logged) = tokio::join!(
        async {
            // It is let down sooner or later.
            if let Ok(mut greeted) = greet(dialled, &hello, Limits::default()).await {
                assert!(greeted.proposed().await.is_err());
            }
        },
        warnings.saying("a connection was turned away")
    );
    assert!(node.links().is_empty());
    logged
}

/// What a node logs that dials a listener with this config.
async fn dialler_logs(ca: &Authority, shown: &TlsConfig) -> String {
    let (warnings, _noting) = Warnings::noted();
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("loopback has a free port");
    let place = listener.local_addr().expect("it is bound");
    let address = format!("tcp:{place}").parse().expect("an address");
    let shown = shown.clone();
    let accepting = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let accepted = Tls::accepted(stream, &shown).expect("the config is sound");
            // It is refused, again and again.
            let _ = greet(tls(accepted), &hello("accepts"), Limits::default()).await;
        }
    });
    let node = Node::builder("dials").tls(config(&ca.node("dials"), ca));
    let node = node.peer(address).start().await;
    let node = node.expect("its certificate is good");
    let logged = warnings.saying("a peer cannot be linked to").await;
    assert!(node.links().is_empty());
    accepting.abort();
    logged
}

fn says(line: &str, cause: &str) {
    assert!(line.contains(cause), "{cause} is not in {line}");
}

#[tokio::test]
async fn a_listener_logs_which_of_the_causes_it_was() {
    let ca = Authority::new("ca");
    let shows = |shown| config(&shown, &ca);
    for (shown, cause) in [
        (
            shows(Authority::new("other").node("dials")),
            "not of a CA that this node trusts",
        ),
        (shows(ca.expired("dials")), "has expired"),
        (shows(ca.not_yet_valid("dials")), "is not valid yet"),
        (shows(ca.node("someone-else")), "someone-else"),
    ] {
        let dial = |stream| Tls::dialled(stream, &shown).expect("the config is sound");
        says(&listener_logs(&ca, dial).await, cause);
    }
    let logged = listener_logs(&ca, |stream| anonymous(stream, &ca)).await;
    says(&logged, "showed no certificate");
}

#[tokio::test]
async fn a_dialler_logs_which_of_the_causes_it_was() {
    let ca = Authority::new("ca");
    let shows = |shown| config(&shown, &ca);
    for (shown, cause) in [
        (
            shows(Authority::new("other").node("accepts")),
            "not of a CA that this node trusts",
        ),
        (shows(ca.expired("accepts")), "has expired"),
        (shows(ca.not_yet_valid("accepts")), "is not valid yet"),
        (shows(ca.node("someone-else")), "someone-else"),
    ] {
        says(&dialler_logs(&ca, &shown).await, cause);
    }
}
