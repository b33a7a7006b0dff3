//! The main job as its users meet it: real processes, their exit codes, and what they leave behind.
//!
//! Every child inherits the launcher's standard error, so reading that to its end proves that no
//! process is left.

#[path = "market_data/place.rs"]
mod place;
#[path = "market_data/report.rs"]
mod report;

use std::{env, fs, path::Path, process::Output, thread};

use rustix::process::Signal;
use serde_json::Value;

use self::{
    place::{Job, Place, role_of, signal},
    report::{assert_whole, expected_hops, hops, hops_of, roles_of},
};

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
    assert_eq!(hops_of(&report), expected_hops("unix", "tcp"));
    assert_eq!(roles_of(&report), ["book", "feed", "strategy"]);
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
    for transport in ["unix", "tcp"] {
        let report = place.json(transport);
        assert_whole(&report);
        assert_eq!(hops_of(&report), expected_hops(transport, transport));
    }
    let checksums = |transport| place.json(transport)["checksums"].clone();
    assert_eq!(checksums("auto"), checksums("unix"));
    assert_eq!(checksums("auto"), checksums("tcp"));
    place.assert_clean();
}

#[test]
fn two_processes_are_the_job_without_the_strategy() {
    let place = Place::new();
    for processes in ["2", "3"] {
        let arguments = ["--events", "2000", "--rate", "max"];
        let options = ["--processes", processes, "--json", processes];
        assert_success(&place.run(&[arguments, options].concat()));
    }
    let report = place.json("2");
    assert_whole(&report);
    assert_eq!(hops_of(&report), expected_hops("unix", "")[..2]);
    assert_eq!(roles_of(&report), ["book", "feed"]);
    assert_eq!(report["failed_asks"], Value::Null);
    assert_eq!(
        report["checksums"]["book"],
        place.json("3")["checksums"]["book"]
    );
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
    assert_success(&place.run(&["--events", "2000", "--rate", "max", "--out", "made/here"]));
    let report = place.json("made/here/report.json");
    assert_whole(&report);
    for (name, _) in expected_hops("unix", "tcp") {
        let stem = name.replace("->", "-to-").replace(' ', "-");
        let text = place.text(&format!("made/here/{stem}.hgrm"));
        let count = text
            .split_once("Total count    =")
            .map(|(_, rest)| rest.trim_end_matches(['\n', ']']).trim());
        let hop = hops(&report)
            .iter()
            .find(|hop| hop["name"] == name.as_str());
        assert_eq!(
            count.and_then(|count| count.parse::<u64>().ok()),
            hop.and_then(|hop| hop["count"].as_u64()),
            "{text}"
        );
    }
    let plot = place.text("made/here/percentiles.svg");
    assert!(plot.starts_with("<svg") && plot.trim_end().ends_with("</svg>"));
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
fn a_failed_job_leaves_no_report_of_an_earlier_one() {
    let place = Place::new();
    fs::write(place.work.path().join("out.json"), "of an earlier job").unwrap();
    let output = place.run(&["--input", "missing.csv", "--json", "out.json"]);
    assert_bad_input(&output, &["cannot open missing.csv"]);
    let left = fs::read_dir(place.work.path()).unwrap();
    assert_eq!(left.count(), 0);
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
fn a_feed_that_someone_terminated_is_no_success() {
    let place = Place::new();
    let mut job = place.start(&[&ENDLESS[..], &["--json", "out.json"]].concat());
    job.wait_for_progress();
    signal(job.child_with_role("feed"), Signal::TERM);
    let (code, stderr) = job.finish();
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("somebody stopped the feed"), "{stderr}");
    assert_whole(&place.json("out.json"));
    place.assert_clean();
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
///
/// There are fewer events than the strategy's window takes: the feed ends though nothing is read.
#[test]
fn a_wish_to_stop_after_the_end_of_the_feed_lets_the_rest_arrive() {
    let place = Place::new();
    let mut job = place.start(&["--rate", "400", "--events", "800", "--json", "out.json"]);
    // By then the first question has its answer.
    job.wait_for_line(|line| handled_by_strategy(line) >= Some(150));
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
    assert_eq!(report["sent"], 800);
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

/// What a line of progress says of the strategy.
fn handled_by_strategy(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once("strategy ")?;
    let end = rest.find(|c: char| !c.is_ascii_digit());
    rest[..end.unwrap_or(rest.len())].parse().ok()
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
