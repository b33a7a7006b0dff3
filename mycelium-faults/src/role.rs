//! The nodes that rows start: [`sink`] handles, [`sender`] sends.

mod observer;
mod pipe;
mod sender;
mod sink;
mod watchdog;

use std::{collections::HashMap, io, path::Path, process::ExitCode, sync::Arc, time::Duration};

use mycelium::{UnixDirError, prelude::*};
use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::{
    runtime,
    signal::unix::{SignalKind, signal},
    sync::watch,
    time,
};

use crate::{
    record::{Event, Record},
    role::{observer::Observer, pipe::Pipe},
};

/// Longer than a node of the rows takes to drain.
const GRACE: Duration = Duration::from_secs(20);

/// How often a node asks again for a name that is taken.
const INSISTS_EVERY: Duration = Duration::from_millis(50);

/// What a role may fail with.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Plays the role that the words name.
pub(crate) fn main(words: &[String]) -> ExitCode {
    let script = Script::read(words);
    let limited = script.limit_resources();
    limited.expect("a process may always have less");
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(script.number("workers", 2))
        .enable_all()
        .build()
        .expect("the system has threads");
    let role = words.first().map(String::as_str);
    let played = runtime.block_on(async {
        match role {
            Some("sink") => sink::play(&script).await,
            Some("sender") => sender::play(&script).await,
            _ => Err("there is no such role".into()),
        }
    });
    // What still blocks, the watch on standard input, ends with the process.
    runtime.shutdown_background();
    match played {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// What a role was told: `key=value` words.
struct Script(HashMap<String, String>);

impl Script {
    fn read(words: &[String]) -> Self {
        let pairs = words.iter().filter_map(|word| word.split_once('='));
        Self(
            pairs
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        )
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// A number, or what it is where nothing was said.
    fn number(&self, key: &str, or: usize) -> usize {
        self.text(key)
            .and_then(|value| value.parse().ok())
            .unwrap_or(or)
    }

    /// Gives up what the row takes away: file descriptors, or memory for data.
    fn limit_resources(&self) -> io::Result<()> {
        let limits = [
            ("descriptors", Resource::Nofile),
            ("data_bytes", Resource::Data),
        ];
        for (key, resource) in limits {
            if let Some(most) = self.text(key).and_then(|most| most.parse().ok()) {
                let (current, maximum) = (Some(most), Some(most));
                setrlimit(resource, Rlimit { current, maximum })?;
            }
        }
        Ok(())
    }

    /// Starts the node, again and again where it insists on a name that is taken.
    async fn start(&self, pipe: &Pipe) -> Result<Option<Node>, Failure> {
        loop {
            let started = self.start_once(pipe).await?;
            if started.is_some() || self.text("insists").is_none() {
                return Ok(started);
            }
            time::sleep(INSISTS_EVERY).await;
        }
    }

    /// Starts the node. One whose name is taken says so and gives nothing.
    async fn start_once(&self, pipe: &Pipe) -> Result<Option<Node>, Failure> {
        let mut builder = Node::builder(self.text("name").unwrap_or("node"));
        if let Some(dir) = self.text("unix") {
            builder = builder.unix(dir).transport(Transport::Unix);
        }
        if let Some(address) = self.text("tcp") {
            builder = builder.transport(Transport::Tcp);
            // One that listens nowhere is not dialled past the row's proxy.
            if !address.is_empty() {
                builder = builder.tcp(address);
            }
        }
        if self.text("insecure").is_some() {
            builder = builder.insecure_plain_tcp();
        }
        if let Some(dir) = self.text("tls") {
            let file = |name: &str| Path::new(dir).join(name);
            let name = self.text("name").unwrap_or("node");
            let (certificate, key) = (file(&format!("{name}.pem")), file(&format!("{name}.key")));
            builder = builder.tls(TlsConfig::from_files(file("ca.pem"), certificate, key)?);
        }
        if let Some(peer) = self.text("peer") {
            builder = builder.peer(peer.parse()?);
        }
        match builder.start().await {
            Ok(node) => Ok(Some(node)),
            Err(StartError::Plugin(error)) if is_taken(&*error) => {
                pipe.write(&[Record::of(Event::Duplicate)]);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn is_taken(error: &(dyn std::error::Error + 'static)) -> bool {
    matches!(
        error.downcast_ref(),
        Some(UnixDirError::DuplicateNode { .. })
    )
}

/// The life of a node, as records name it.
pub(crate) fn life(node: &mycelium::NodeId) -> u64 {
    u64::try_from(node.incarnation() & u128::from(u64::MAX)).expect("it was cut to size")
}

/// The node runs.
fn ready(node: &Node, script: &Script, pipe: &Arc<Pipe>) {
    if script.text("observes").is_some() {
        tokio::spawn(Observer::new(node.clone(), Arc::clone(pipe)).run());
    }
    let port = node.addresses().iter().find_map(|address| match address {
        PeerAddr::Tcp { port, .. } => Some(u64::from(*port)),
        _ => None,
    });
    let me = life(node.id());
    let ready = Record::of(Event::Ready).between(me, me);
    pipe.write(&[ready.value(port.unwrap_or(0)), descriptors()]);
}

/// Shuts the node down, which ends its part in the row.
async fn finish(node: &Node, pipe: &Pipe) -> Result<(), Failure> {
    node.shutdown(GRACE).await?;
    pipe.write(&[Record::of(Event::ShutDown)]);
    Ok(())
}

/// How many file descriptors the process has open.
fn descriptors() -> Record {
    let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    Record::of(Event::Descriptors).value(open as u64)
}

/// Becomes true when the node shall come to its end: by SIGTERM, or with its standard input.
fn wish_to_end() -> Result<watch::Receiver<bool>, Failure> {
    let (wish, ends) = watch::channel(false);
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        let input = tokio::task::spawn_blocking(|| {
            // It holds nothing: its end is what is waited for.
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        });
        tokio::select! {
            _ = terminate.recv() => {}
            _ = input => {}
        }
        wish.send_replace(true);
    });
    Ok(ends)
}
