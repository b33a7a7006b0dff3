//! [`Child`]: a node in a process of its own, and the ledger that it streams.

use std::{
    env,
    io::{self, Read},
    os::unix::process::ExitStatusExt,
    process::{self, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{sync::watch, time};

use crate::{
    log::{Ending, Log},
    record::{Event, Record},
    resources::Resources,
    rows::{Failure, fail},
};

/// How often a process is looked at that has to let go of what it held, and how far apart.
const RETURN_TRIES: u32 = 100;
const RETURN_PAUSE: Duration = Duration::from_millis(100);

/// Longer than anything takes that a row waits for.
const PATIENCE: Duration = Duration::from_mins(1);

/// The most of a process's words that are kept.
const WORDS_BYTES: u64 = 64 << 10;

/// A node in a process of its own. Its standard input is held open: it ends when we do.
pub(crate) struct Child {
    name: String,
    process: process::Child,
    ledger: Arc<Ledger>,
    reading: Option<JoinHandle<()>>,
    words: Option<JoinHandle<String>>,
    was_killed: bool,
}

/// What came in so far.
struct Ledger {
    records: Mutex<Vec<Record>>,
    count: watch::Sender<usize>,
}

impl Child {
    /// Starts a node with a role.
    pub(crate) fn start(role: &str, name: &str, settings: &[String]) -> io::Result<Self> {
        Self::start_by(Command::new(env::current_exe()?), role, name, settings)
    }

    /// Starts a node with a role by a command that runs this program in surroundings of its own.
    pub(crate) fn start_by(
        mut command: Command,
        role: &str,
        name: &str,
        settings: &[String],
    ) -> io::Result<Self> {
        let mut process = command
            .args(["--role", role, &format!("name={name}")])
            .args(settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let ledger = Arc::new(Ledger {
            records: Mutex::default(),
            count: watch::Sender::new(0),
        });
        let stdout = process.stdout.take().expect("it is piped");
        let stderr = process.stderr.take().expect("it is piped");
        let to = Arc::clone(&ledger);
        Ok(Self {
            name: name.to_owned(),
            process,
            ledger,
            reading: Some(thread::spawn(move || read(stdout, &to))),
            words: Some(thread::spawn(move || hear(stderr))),
            was_killed: false,
        })
    }

    /// How many records of an event there are.
    pub(crate) fn count(&self, event: Event) -> usize {
        let is_wanted = |record: &&Record| record.event == event;
        self.ledger.lock().iter().filter(is_wanted).count()
    }

    /// Waits until the process has reported an event.
    pub(crate) async fn reports(&self, event: Event) -> Result<Record, Failure> {
        self.reports_where(|record| record.event == event)
            .await
            .map_err(|_| fail(format!("{} has not reported {event:?}", self.name)))
    }

    /// Waits until the process has reported an event so many times, and gives the last of them.
    pub(crate) async fn reports_times(
        &self,
        event: Event,
        times: usize,
    ) -> Result<Record, Failure> {
        let mut count = self.ledger.count.subscribe();
        let all = count.wait_for(|_| self.count(event) >= times);
        if let Ok(Ok(_)) = time::timeout(PATIENCE, all).await {
            let records = self.ledger.lock();
            let mut found = records.iter().filter(|record| record.event == event);
            return found
                .nth(times - 1)
                .copied()
                .ok_or_else(|| fail("it is there"));
        }
        let (name, seen) = (&self.name, self.count(event));
        Err(fail(format!(
            "{name} has reported {event:?} {seen} of {times} times"
        )))
    }

    /// Waits until the process has reported something like this.
    pub(crate) async fn reports_where(
        &self,
        is_wanted: impl Fn(&Record) -> bool,
    ) -> Result<Record, Failure> {
        let mut seen = 0;
        let mut found = None;
        let mut look = || {
            let records = self.ledger.lock();
            found = records[seen..].iter().copied().find(&is_wanted);
            seen = records.len();
            found.is_some()
        };
        let mut count = self.ledger.count.subscribe();
        let waited = time::timeout(PATIENCE, count.wait_for(|_| look())).await;
        drop(waited);
        found.ok_or_else(|| fail(format!("{} has not reported what it should", self.name)))
    }

    /// Waits until the process has handled so many ticks.
    pub(crate) async fn has_handled(&self, ticks: usize) -> Result<(), Failure> {
        let mut count = self.ledger.count.subscribe();
        let all = count.wait_for(|_| self.count(Event::Handled) >= ticks);
        if let Ok(Ok(_)) = time::timeout(PATIENCE, all).await {
            return Ok(());
        }
        let (name, handled) = (&self.name, self.count(Event::Handled));
        Err(fail(format!("{name} has handled {handled} of {ticks}")))
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) -> io::Result<()> {
        self.was_killed = true;
        self.process.kill()
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) -> io::Result<()> {
        self.signal(Signal::TERM)
    }

    /// SIGSTOP: the process does nothing, and its sockets stay open.
    pub(crate) fn stop(&self) -> io::Result<()> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT.
    pub(crate) fn go_on(&self) -> io::Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill_process(Pid::from_child(&self.process), signal)?)
    }

    /// What the process holds now.
    pub(crate) fn resources(&self) -> io::Result<Resources> {
        Resources::of(self.process.id())
    }

    /// Waits until the process holds no more than before, but for what an allocator keeps.
    pub(crate) async fn returns_to(&self, before: Resources) -> Result<Resources, Failure> {
        let mut now = self.resources()?;
        let mut tries = 0;
        while let Err(excess) = now.is_near(&before) {
            if tries == RETURN_TRIES {
                return Err(fail(format!("I4: {} {excess}", self.name)));
            }
            tries += 1;
            time::sleep(RETURN_PAUSE).await;
            now = self.resources()?;
        }
        Ok(now)
    }

    /// Asks the node to come to its end, which it does when its standard input ends, and gives its
    /// ledger; at once where it was killed.
    pub(crate) async fn end(mut self) -> Result<Log, Failure> {
        drop(self.process.stdin.take());
        let ended = time::timeout(PATIENCE, self.exit()).await;
        let is_hanging = ended.is_err();
        let status = if let Ok(status) = ended {
            status?
        } else {
            self.process.kill()?;
            self.process.wait()?
        };
        if let Some(reading) = self.reading.take() {
            // It ends with the pipe.
            let _ = reading.join();
        }
        let words = self.words.take().and_then(|words| words.join().ok());
        let ending = self.ending(status, is_hanging, &words.unwrap_or_default());
        let records = std::mem::take(&mut *self.ledger.lock());
        Ok(Log {
            name: self.name.clone(),
            records,
            ending,
        })
    }

    async fn exit(&mut self) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.process.try_wait()? {
                return Ok(status);
            }
            time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn ending(&self, status: ExitStatus, is_hanging: bool, words: &str) -> Ending {
        let last = words.lines().last().unwrap_or("without a word");
        if is_hanging {
            Ending::Fault("it hangs".to_owned())
        } else if words.contains("panicked at") {
            Ending::Fault(format!("it panicked: {last}"))
        } else if self.was_killed && status.signal() == Some(Signal::KILL.as_raw()) {
            Ending::Killed
        } else if status.success() {
            Ending::Orderly
        } else {
            Ending::Fault(format!("{status}: {last}"))
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // After `end` there is nothing left to end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Ledger {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads whole records until the pipe ends; what was killed in the middle of a write wrote nothing
/// of it.
fn read(mut from: impl Read, ledger: &Ledger) {
    let mut buffer = vec![0; 1_024 * Record::BYTES];
    let mut held = 0;
    while let Ok(read @ 1..) = from.read(&mut buffer[held..]) {
        held += read;
        let whole = held - held % Record::BYTES;
        let (records, _) = buffer[..whole].as_chunks();
        ledger
            .lock()
            .extend(records.iter().filter_map(Record::from_bytes));
        buffer.copy_within(whole..held, 0);
        held -= whole;
        ledger.count.send_modify(|count| *count += 1);
    }
}

fn hear(from: impl Read) -> String {
    let mut words = Vec::new();
    // What it said so far is all there is.
    let _ = from.take(WORDS_BYTES).read_to_end(&mut words);
    String::from_utf8_lossy(&words).into_owned()
}
