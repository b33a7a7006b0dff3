//! What a test expects of the JSON report.

use serde_json::Value;

/// Nothing is missing, and every hop tells how long it took.
pub(crate) fn assert_whole(report: &Value) {
    for figure in ["lost", "duplicated", "reordered"] {
        assert_eq!(report[figure], 0, "{figure}");
    }
    let checksum = &report["checksums"]["feed"];
    assert!(checksum.is_string());
    for role in roles_of(report) {
        assert_eq!(&report["checksums"][&role], checksum, "{role}");
        if role == "strategy" {
            assert_eq!(report["failed_asks"], 0);
        }
    }
    for hop in hops(report) {
        assert_sane(hop, report["sent"].as_u64());
    }
}

fn assert_sane(hop: &Value, sent: Option<u64>) {
    let figures = ["p50_ns", "p90_ns", "p99_ns", "p999_ns", "max_ns"].map(|key| hop[key].as_u64());
    assert!(figures.is_sorted() && figures[0] > Some(0), "{hop}");
    let count = hop["count"].as_u64();
    if hop["name"] == "strategy->book ask" {
        // How many there are depends on the pace.
        assert!(count > Some(0) && count < sent, "{hop}");
    } else {
        assert_eq!(count, sent, "{hop}");
    }
    let rate = hop["messages_per_s"].as_f64();
    // One message takes no time from the first to the last.
    assert!(rate > Some(0.0) || count == Some(1), "{hop}");
}

pub(crate) fn hops(report: &Value) -> &[Value] {
    report["hops"].as_array().expect("hops are a list")
}

/// The processes that told a checksum.
pub(crate) fn roles_of(report: &Value) -> Vec<String> {
    let checksums = report["checksums"].as_object();
    checksums
        .into_iter()
        .flatten()
        .map(|(role, _)| role.clone())
        .collect()
}

/// Name and transport of every hop.
pub(crate) fn hops_of(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let hop = |row: &Value| (text(&row["name"]), text(&row["transport"]));
    hops(report).iter().map(hop).collect()
}

pub(crate) fn expected_hops(feed: &str, strategy: &str) -> Vec<(String, String)> {
    let hops = [
        ("feed->book", feed),
        ("book->risk", "local"),
        ("book->strategy", strategy),
        ("end to end", "mixed"),
        ("strategy->book ask", strategy),
    ];
    hops.map(|(name, transport)| (name.into(), transport.into()))
        .into()
}
