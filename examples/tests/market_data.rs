//! The main job as its users meet it: real processes, their exit codes, and what they leave behind.
//!
//! Every child inherits the launcher's standard error, so reading that to its end proves that no
//! process is left.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Output, Stdio},
    thread,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// Slow enough never to end by itself within a test.
const ENDLESS: [&str; 4] = ["--rate", "1000", "--events", "1000000000"];

#[test]
fn generated_flow_arrives_whole_and_in_order() {
    let place = Place::new();
    let output = place.run(&["--events", "20000", "--rate", "max", "--json", "out.json"]);
    assert_success(&output);
    let report = place.json("out.json");
    assert_eq!(report["sent"], 20_000);
    assert_whole(&report);
    assert_eq!(hops_of(&report), expected_hops("unix", "tcp", 20_000));
    assert_eq!(
        report["checksums"].as_object().map(serde_json::Map::len),
        Some(3)
    );
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(
        table.contains("feed->book") && table.contains("checksum"),
        "{table}"
    );
    place.assert_clean();
}

#[test]
fn the_transport_does_not_change_what_is_sent() {
    let place = Place::new();
    for transport in ["auto", "unix", "tcp"] {
        let arguments = [
            "--events",
            "2000",
            "--rate",
            "max",
            "--transport",
            transport,
        ];
        assert_success(&place.run(&[&arguments[..], &["--json", transport]].concat()));
    }
    assert_eq!(
        hops_of(&place.json("unix")),
        expected_hops("unix", "unix", 2_000)
    );
    assert_eq!(
        hops_of(&place.json("tcp")),
        expected_hops("tcp", "tcp", 2_000)
    );
    let checksums = |transport| place.json(transport)["checksums"].clone();
    assert_eq!(checksums("auto"), checksums("unix"));
    assert_eq!(checksums("auto"), checksums("tcp"));
    place.assert_clean();
}

#[test]
fn the_rate_does_not_change_what_is_sent() {
    let place = Place::new();
    for (rate, file) in [
        ("max", "max.json"),
        ("500000", "paced.json"),
        ("recorded", "recorded.json"),
    ] {
        assert_success(&place.run(&["--events", "200", "--rate", rate, "--json", file]));
    }
    let checksum = |file| place.json(file)["checksums"]["book"].clone();
    assert_eq!(checksum("max.json"), checksum("paced.json"));
    assert_eq!(checksum("max.json"), checksum("recorded.json"));
}

#[test]
fn the_out_folder_is_made_and_filled() {
    let place = Place::new();
    assert_success(&place.run(&["--events", "100", "--rate", "max", "--out", "made/here"]));
    for file in [
        "report.json",
        "percentiles.svg",
        "feed-to-book.hgrm",
        "book-to-risk.hgrm",
    ] {
        let path = place.work.path().join("made/here").join(file);
        assert!(
            path.metadata().is_ok_and(|metadata| metadata.len() > 0),
            "{file}"
        );
    }
}

#[test]
fn the_hour_of_real_order_flow_arrives_whole() {
    let Some(folder) = env::var_os("MYCELIUM_DATA") else {
        println!("skipped: MYCELIUM_DATA does not name the folder with the real data");
        return;
    };
    let file =
        Path::new(&folder).join("lobster/AAPL_2012-06-21_34200000_37800000_message_50.csv.zst");
    let place = Place::new();
    let input = file.to_str().unwrap();
    assert_success(&place.run(&["--input", input, "--rate", "max", "--json", "out.json"]));
    let report = place.json("out.json");
    assert_whole(&report);
    let counts = [
        ("1", 44_256),
        ("2", 469),
        ("3", 41_004),
        ("4", 4_067),
        ("5", 2_201),
        ("6", 0),
        ("7", 0),
    ];
    for (kind, count) in counts {
        assert_eq!(report["events_by_type"][kind], count, "kind {kind}");
    }
    // Computed from the file by an independent implementation.
    assert_eq!(report["checksums"]["book"], "d45e0c1ee1054276");
}

#[test]
fn a_missing_file_is_bad_input() {
    let place = Place::new();
    let output = place.run(&["--input", "missing.csv"]);
    assert_bad_input(
        &output,
        &["market_data: cannot open missing.csv", "No such file"],
    );
}

#[test]
fn a_malformed_line_ends_the_job_with_its_file_and_number() {
    let place = Place::new();
    fs::write(
        place.work.path().join("bad.csv"),
        "34200.5,1,7,10,100,1\n34200.6,1,8,ten,100,1\n",
    )
    .unwrap();
    let output = place.run(&["--input", "bad.csv", "--rate", "max"]);
    assert_bad_input(&output, &["bad.csv, line 2: column `size`", "found `ten`"]);
    place.assert_clean();
}

#[test]
fn a_bad_option_is_answered_with_what_is_accepted() {
    let place = Place::new();
    assert_bad_input(
        &place.run(&["--rate", "fast"]),
        &["events per second above 0, `max` or `recorded`"],
    );
    assert_bad_input(
        &place.run(&["--json", "no/such/folder/x.json"]),
        &["cannot write to no/such/folder"],
    );
}

#[test]
fn a_killed_child_ends_the_job_and_is_named() {
    for role in ["book", "strategy", "feed"] {
        let place = Place::new();
        let mut job = place.start(&ENDLESS);
        job.wait_for_progress();
        signal(job.child_with_role(role), Signal::KILL);
        let (code, stderr) = job.finish();
        assert_eq!(code, Some(1), "{stderr}");
        assert!(
            stderr.contains(&format!("{role} was killed by signal 9 (SIGKILL)")),
            "{stderr}"
        );
        place.assert_clean();
    }
}

#[test]
fn a_child_that_someone_terminated_is_named_too() {
    let place = Place::new();
    let mut job = place.start(&ENDLESS);
    job.wait_for_progress();
    signal(job.child_with_role("book"), Signal::TERM);
    let (code, stderr) = job.finish();
    assert_eq!(code, Some(1), "{stderr}");
    assert!(
        stderr.contains("book was killed by signal 15 (SIGTERM)"),
        "{stderr}"
    );
}

#[test]
fn every_wish_to_stop_drains_and_reports() {
    let wishes = [
        (Signal::INT, 130),
        (Signal::TERM, 143),
        (Signal::HUP, 129),
        (Signal::QUIT, 131),
    ];
    for (wish, code) in wishes {
        let place = Place::new();
        let mut job = place.start(&[&ENDLESS[..], &["--json", "out.json"]].concat());
        job.wait_for_progress();
        signal(job.launcher.id(), wish);
        let (ended_with, stderr) = job.finish();
        assert_eq!(ended_with, Some(code), "{stderr}");
        assert!(stderr.contains("drained"), "{stderr}");
        assert_whole(&place.json("out.json"));
        place.assert_clean();
    }
}

#[test]
fn a_closed_terminal_ends_nothing_but_the_feed() {
    let place = Place::new();
    let mut job = place.start(&[&ENDLESS[..], &["--json", "out.json"]].concat());
    job.wait_for_progress();
    let Job {
        mut launcher,
        stderr,
    } = job;
    // From here on nothing can be told to anybody.
    drop(stderr);
    signal(launcher.id(), Signal::HUP);
    assert_eq!(launcher.wait().expect("it was started").code(), Some(129));
    assert_whole(&place.json("out.json"));
    place.assert_clean();
}

#[test]
fn a_hangup_that_was_to_be_ignored_is_ignored() {
    let place = Place::new();
    let mut command = place.command_after(&["sh", "-c", r#"trap "" HUP; exec "$@""#, "sh"]);
    let mut job = Job::start(command.args(ENDLESS));
    job.wait_for_progress();
    // A second wish to stop would end it by force.
    signal(job.launcher.id(), Signal::HUP);
    signal(job.launcher.id(), Signal::TERM);
    let (code, stderr) = job.finish();
    assert_eq!(code, Some(143), "{stderr}");
    assert!(stderr.contains("SIGTERM: drained"), "{stderr}");
}

/// What was on its way was thrown away when the wish to stop came after the end of the feed.
#[test]
fn a_wish_to_stop_after_the_end_of_the_feed_lets_the_rest_arrive() {
    let place = Place::new();
    let mut job = place.start(&["--rate", "1000", "--events", "2000", "--json", "out.json"]);
    job.wait_for_progress();
    let [feed, strategy] = ["feed", "strategy"].map(|role| job.child_with_role(role));
    signal(strategy, Signal::STOP);
    while role_of(feed).is_some() {
        thread::yield_now();
    }
    signal(job.launcher.id(), Signal::INT);
    job.wait_for_line(|line| line.contains("draining after Ctrl-C"));
    signal(strategy, Signal::CONT);
    let (code, stderr) = job.finish();
    assert_eq!(code, Some(130), "{stderr}");
    assert!(stderr.contains("drained"), "{stderr}");
    let report = place.json("out.json");
    assert_eq!(report["sent"], 2_000);
    assert_whole(&report);
    place.assert_clean();
}

#[test]
fn a_child_that_does_not_end_is_killed() {
    let place = Place::new();
    let mut job = place.start(&ENDLESS);
    job.wait_for_progress();
    signal(job.child_with_role("feed"), Signal::STOP);
    signal(job.child_with_role("book"), Signal::KILL);
    let (code, stderr) = job.finish();
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("book was killed by signal 9"), "{stderr}");
    place.assert_clean();
}

#[test]
fn children_die_with_a_killed_launcher_and_the_next_one_clears_its_place() {
    let place = Place::new();
    let mut job = place.start(&ENDLESS);
    job.wait_for_progress();
    let children = ["book", "strategy", "feed"].map(|role| job.child_with_role(role));
    signal(job.launcher.id(), Signal::KILL);
    // Returns only when no child holds standard error any more.
    let (code, _) = job.finish();
    assert_eq!(code, None);
    assert_eq!(children.map(role_of), [const { None }; 3]);
    assert_eq!(place.folders_left().len(), 1);
    assert_success(&place.run(&["--events", "100", "--rate", "max"]));
    place.assert_clean();
}

/// A folder to run the job in, and another one for its sockets.
struct Place {
    work: TempDir,
    sockets: TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = || tempfile::tempdir().expect("the system has room for a folder");
        Self {
            work: folder(),
            sockets: folder(),
        }
    }

    /// The job, still without arguments, as `words` start what follows them.
    fn command_after(&self, words: &[&str]) -> Command {
        let mut words = [words, &[env!("CARGO_BIN_EXE_market_data")]]
            .concat()
            .into_iter();
        let mut command = Command::new(words.next().expect("the job itself is a word"));
        command
            .args(words)
            .current_dir(self.work.path())
            .env("TMPDIR", self.sockets.path());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command_after(&[]);
        command.args(arguments).output().expect("the job starts")
    }

    fn start(&self, arguments: &[&str]) -> Job {
        Job::start(self.command_after(&[]).args(arguments))
    }

    fn json(&self, file: &str) -> Value {
        let text = fs::read_to_string(self.work.path().join(file)).expect("the report was written");
        serde_json::from_str(&text).expect("the report is JSON")
    }

    fn folders_left(&self) -> Vec<PathBuf> {
        fs::read_dir(self.sockets.path())
            .expect("the folder is there")
            .map(|entry| entry.expect("it can be read").path())
            .collect()
    }

    /// No socket and no folder for sockets remains.
    fn assert_clean(&self) {
        let left = self.folders_left();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// A job that runs.
struct Job {
    launcher: Child,
    stderr: BufReader<ChildStderr>,
}

impl Job {
    fn start(command: &mut Command) -> Self {
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut launcher = command.spawn().expect("the job starts");
        let stderr = BufReader::new(launcher.stderr.take().expect("it is a pipe"));
        Self { launcher, stderr }
    }

    /// Returns when feed and book have told how far they are.
    fn wait_for_progress(&mut self) {
        self.wait_for_line(|line| line.contains("feed") && line.contains("book"));
    }

    fn wait_for_line(&mut self, is_wanted: impl Fn(&str) -> bool) {
        let mut line = String::new();
        while !is_wanted(&line) {
            line.clear();
            let read_bytes = self.stderr.read_line(&mut line).expect("it is text");
            assert!(read_bytes > 0, "the job ended before that line");
        }
    }

    fn child_with_role(&self, role: &str) -> u32 {
        let launcher = self.launcher.id();
        fs::read_dir("/proc")
            .expect("this is Linux")
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .find(|&pid| parent_of(pid) == Some(launcher) && role_of(pid).as_deref() == Some(role))
            .expect("the child runs")
    }

    /// The exit code and the rest of standard error, once every process has closed it.
    fn finish(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).expect("it is text");
        (self.launcher.wait().expect("it was started").code(), rest)
    }
}

fn parent_of(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("PPid:"))?
        .trim()
        .parse()
        .ok()
}

fn role_of(pid: u32) -> Option<String> {
    let arguments = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
    arguments
        .split('\0')
        .skip_while(|argument| *argument != "--role")
        .nth(1)
        .map(String::from)
}

fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid.cast_signed()).expect("a process has a number");
    kill_process(pid, signal).expect("the process runs");
}

fn assert_success(output: &Output) {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn assert_bad_input(output: &Output, parts: &[&str]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    for part in parts {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
}

fn assert_whole(report: &Value) {
    for figure in ["lost", "duplicated", "reordered"] {
        assert_eq!(report[figure], 0, "{figure}");
    }
    assert_eq!(report["checksums"]["feed"], report["checksums"]["book"]);
    assert_eq!(report["checksums"]["feed"], report["checksums"]["strategy"]);
    let asks = report["hops"].as_array().and_then(|hops| hops.last());
    let answered = asks.and_then(|asks| asks["count"].as_u64());
    assert!(answered > Some(0), "{asks:?}");
    assert!(report["checksums"]["feed"].is_string());
}

/// Name, transport and count of every hop; of asks it depends on the pace how many there are.
fn hops_of(report: &Value) -> Vec<(String, String, Option<u64>)> {
    let hops = report["hops"].as_array().expect("hops are a list");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let hop = |row: &Value| {
        let name = text(&row["name"]);
        let count = row["count"]
            .as_u64()
            .filter(|_| name != "strategy->book ask");
        (name, text(&row["transport"]), count)
    };
    hops.iter().map(hop).collect()
}

fn expected_hops(feed: &str, strategy: &str, events: u64) -> Vec<(String, String, Option<u64>)> {
    let hop = |name: &str, transport: &str| (name.to_owned(), transport.to_owned(), Some(events));
    let (name, transport, _) = hop("strategy->book ask", strategy);
    vec![
        hop("feed->book", feed),
        hop("book->risk", "local"),
        hop("book->strategy", strategy),
        hop("end to end", "mixed"),
        (name, transport, None),
    ]
}
