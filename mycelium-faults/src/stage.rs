//! [`Stage`]: what a row plays on: a directory, a seed, and the processes it starts.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use mycelium::prelude::*;
use mycelium_testkit::{certificates::Authority, proxy::Proxy};
use rand::{SeedableRng, rngs::StdRng};
use tempfile::TempDir;

use crate::{
    checker::{self, Totals},
    child::Child,
    log::Log,
    netns::{Netns, Side},
    options::{Limits, Options, Scale},
    record::Event,
    rows::{Failure, ensure, fail},
};

/// What a row plays on.
pub(crate) struct Stage {
    pub(crate) scale: Scale,
    pub(crate) seed: u64,
    limits: Limits,
    dir: TempDir,
    logs: Mutex<Vec<Log>>,
}

/// What the link of two processes is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Unix,
    Tcp,
}

/// What keeps strangers off the wire between two namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    Tls,
    Nothing,
}

impl Stage {
    pub(crate) fn set(row: &str, options: &Options, seed: u64) -> io::Result<Self> {
        let private = Permissions::from_mode(0o700);
        let dir = tempfile::Builder::new()
            .prefix(&format!("mycelium-{row}-"))
            .permissions(private)
            .tempdir()?;
        Ok(Self {
            scale: options.scale,
            seed,
            limits: options.limits,
            dir,
            logs: Mutex::default(),
        })
    }

    /// A directory that nodes take for their sockets.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The row's generator of random numbers.
    pub(crate) fn dice(&self) -> StdRng {
        StdRng::seed_from_u64(self.seed)
    }

    fn listens(&self, over: Over) -> String {
        match over {
            Over::Unix => format!("unix={}", self.dir().display()),
            Over::Tcp => "tcp=127.0.0.1:0".to_owned(),
        }
    }

    /// A process that handles what it is sent, and where it listens.
    pub(crate) async fn sink(
        &self,
        over: Over,
        settings: &[&str],
    ) -> Result<(Child, PeerAddr), Failure> {
        self.sink_named("sink", over, settings).await
    }

    pub(crate) async fn sink_named(
        &self,
        name: &str,
        over: Over,
        settings: &[&str],
    ) -> Result<(Child, PeerAddr), Failure> {
        self.listening("sink", name, over, settings).await
    }

    /// A process with a role, and where it listens.
    pub(crate) async fn listening(
        &self,
        role: &str,
        name: &str,
        over: Over,
        settings: &[&str],
    ) -> Result<(Child, PeerAddr), Failure> {
        let child = Child::start(role, name, &self.settings(over, settings))?;
        let ready = child.reports(Event::Ready).await?;
        let address = match over {
            Over::Unix => PeerAddr::unix(self.dir(), name),
            Over::Tcp => format!("tcp:127.0.0.1:{}", ready.value).parse()?,
        };
        Ok((child, address))
    }

    /// A sink in one namespace and a sender in the other, linked over their wire.
    pub(crate) async fn wired(
        &self,
        net: &Netns,
        guard: Guard,
        settings: &[&str],
    ) -> Result<(Child, Child), Failure> {
        let guard = self.guard(guard)?;
        let start = |side, role, name, more: &[String]| {
            let listens = format!("tcp={}:0", Netns::host(side));
            let all = [&[listens, guard.clone()], more].concat();
            Child::start_by(
                net.command(side, std::env::current_exe()?),
                role,
                name,
                &all,
            )
        };
        let sink = start(Side::B, "sink", "sink", &["observes=yes".to_owned()])?;
        let port = sink.reports(Event::Ready).await?.value;
        let mut more: Vec<_> = settings.iter().map(ToString::to_string).collect();
        more.push(format!("peer=tcp:{}:{port}", Netns::host(Side::B)));
        let sender = start(Side::A, "sender", "sender", &more)?;
        Ok((sink, sender))
    }

    /// The setting of a guard; TLS finds its files in the stage's directory.
    fn guard(&self, guard: Guard) -> Result<String, Failure> {
        if guard == Guard::Nothing {
            return Ok("insecure=yes".to_owned());
        }
        let authority = Authority::new("faults");
        let write = |file: &str, text: &str| {
            let place = self.dir().join(file);
            fs::write(&place, text)?;
            fs::set_permissions(&place, Permissions::from_mode(0o600))
        };
        write("ca.pem", &authority.pem)?;
        for name in ["sink", "sender"] {
            let made = authority.node(name);
            write(&format!("{name}.pem"), &made.certificate)?;
            write(&format!("{name}.key"), &made.key)?;
        }
        Ok(format!("tls={}", self.dir().display()))
    }

    /// A process that claims a name, whether it gets it or not.
    pub(crate) fn claimant(&self, name: &str, over: Over) -> Result<Child, Failure> {
        Ok(Child::start("sink", name, &self.settings(over, &[]))?)
    }

    /// A process that claims a name until it gets it.
    pub(crate) fn insisting(&self, name: &str, over: Over) -> Result<Child, Failure> {
        let settings = self.settings(over, &["insists=yes"]);
        Ok(Child::start("sink", name, &settings)?)
    }

    /// A process that sends to the sink at this address.
    pub(crate) fn sender(
        &self,
        name: &str,
        over: Over,
        to: &PeerAddr,
        settings: &[&str],
    ) -> Result<Child, Failure> {
        let mut all = self.settings(over, settings);
        all.push(format!("peer={to}"));
        if over == Over::Tcp {
            // It listens nowhere: a sink that looks for it would pass the row's proxy by.
            all.push("tcp=".to_owned());
        }
        Ok(Child::start("sender", name, &all)?)
    }

    fn settings(&self, over: Over, settings: &[&str]) -> Vec<String> {
        let settings = settings.iter().map(ToString::to_string);
        [self.listens(over)].into_iter().chain(settings).collect()
    }

    /// A proxy before a node.
    pub(crate) async fn proxy(&self, before: &PeerAddr) -> Result<Proxy, Failure> {
        Ok(Proxy::before(before.clone(), self.dir()).await?)
    }

    /// Makes the place of a proxy that is gone free for the next.
    pub(crate) fn free_proxy(&self) {
        // Before a TCP port it had no socket.
        let _ = fs::remove_file(self.dir().join("proxy.sock"));
    }

    /// Whether the row is to fail where it is too slow.
    pub(crate) fn judges_times(&self) -> bool {
        self.limits == Limits::Judged
    }

    /// Fails where something took longer than it may, unless times are not judged.
    pub(crate) fn within(
        &self,
        limit: Duration,
        took: Duration,
        what: &str,
    ) -> Result<(), Failure> {
        ensure(took <= limit || !self.judges_times(), || {
            format!("{what} after {took:.1?}, the limit is {limit:?}")
        })
    }

    /// Ends a process and keeps its ledger for [`check`](Self::check).
    pub(crate) async fn end(&self, child: Child) -> Result<Log, Failure> {
        let log = child.end().await?;
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        logs.push(log.clone());
        Ok(log)
    }

    /// Ends a sender and its sink, whose one link held and which suspected nobody.
    pub(crate) async fn end_in_peace(&self, sender: Child, sink: Child) -> Result<(), Failure> {
        let sender = self.end(sender).await?;
        let sink = self.end(sink).await?;
        for log in [&sender, &sink] {
            log.accuses_nobody()?;
        }
        let linked = sender.count(Event::Linked);
        ensure(linked == 1, || format!("linked {linked} times"))
    }

    /// Holds the ledgers of all processes that have ended against the promises.
    pub(crate) fn check(&self) -> Result<Totals, Failure> {
        let logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        checker::check(&logs).map_err(|broken| {
            let words: Vec<_> = broken.iter().map(ToString::to_string).collect();
            fail(words.join("\n      "))
        })
    }

    /// As [`check`](Self::check); of every message it is known what became of it.
    pub(crate) fn check_all_known(&self) -> Result<Totals, Failure> {
        let totals = self.check()?;
        let unknown = totals.unknown;
        ensure(unknown == 0, || format!("{unknown} are unknown"))?;
        Ok(totals)
    }
}
