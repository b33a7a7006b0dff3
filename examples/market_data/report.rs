//! What the job found: its JSON, the table it prints, and the files in `--out`.
//!
//! [`JobReport`] joins what the children reported. Hops and stages are lists in the order of the
//! journey, so a new process adds rows and nothing else.

mod files;
mod plot;
mod table;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::Serialize;
use thiserror::Error;

pub(crate) use self::table::grouped;
use crate::{
    book::BookCounts,
    latency::{LatencyRecorder, LatencySummary},
    ledger::LedgerCounts,
    options::{Options, Role},
    risk::RiskCounts,
    stage::{HOP_NAMES, HopReport, HopTransport, RoleReport},
};

const JSON_FILE: &str = "report.json";
const PLOT_FILE: &str = "percentiles.svg";

/// The whole job in figures; serialised, it is the JSON report.
#[derive(Serialize)]
pub(crate) struct JobReport {
    /// Events the feed sent.
    sent: u64,
    /// The most events that any stage missed.
    lost: u64,
    /// The most events that any stage handled twice.
    duplicated: u64,
    /// The most events that any stage handled after a later one.
    reordered: u64,
    /// CRC-64/XZ of each process in hexadecimal: doubles, as JSON has them, cannot hold it.
    checksums: BTreeMap<String, String>,
    /// By kind, as the last process counted them.
    events_by_type: BTreeMap<String, u64>,
    hops: Vec<HopRow>,
    stages: Vec<StageRow>,
    book: Option<BookCounts>,
    risk: Option<RiskCounts>,
    /// Questions to the book that should have been answered and were not.
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_asks: Option<u64>,
}

impl JobReport {
    /// Joins the reports of all processes.
    pub(crate) fn new(reports: &BTreeMap<Role, RoleReport>) -> Self {
        let sent = reports
            .get(&Role::Feed)
            .and_then(process_counts)
            .map_or(0, |counts| counts.handled);
        let stages: Vec<_> = reports
            .values()
            .flat_map(|report| &report.stages)
            .map(|stage| StageRow::new(stage, sent))
            .collect();
        let most =
            |figure: fn(&StageRow) -> u64| stages.iter().map(figure).max().unwrap_or_default();
        let last_process = reports.values().rev().find_map(process_counts);
        Self {
            sent,
            lost: most(|stage| stage.lost),
            duplicated: most(|stage| stage.duplicated),
            reordered: most(|stage| stage.reordered),
            checksums: checksums(reports),
            events_by_type: last_process.map(events_by_type).unwrap_or_default(),
            hops: reports
                .values()
                .flat_map(|report| &report.hops)
                .map(HopRow::new)
                .collect(),
            book: reports.values().find_map(|report| report.book),
            risk: reports.values().find_map(|report| report.risk),
            failed_asks: reports.values().find_map(|report| report.failed_asks),
            stages,
        }
    }

    /// Whether every stage handled what the feed sent, once and in order, and every question was
    /// answered.
    ///
    /// # Errors
    /// [`ReportError::Unreconciled`] when a stage did not, [`ReportError::Unanswered`] when a
    /// question was not.
    pub(crate) fn verdict(&self) -> Result<(), ReportError> {
        let is_whole = [self.lost, self.duplicated, self.reordered] == [0; 3];
        let is_same = self
            .stages
            .windows(2)
            .all(|pair| pair[0].checksum == pair[1].checksum);
        if !(is_whole && is_same) {
            return Err(ReportError::Unreconciled);
        }
        match self.failed_asks {
            None | Some(0) => Ok(()),
            Some(asks) => Err(ReportError::Unanswered { asks }),
        }
    }

    /// Makes the folder that [`Self::write_files`] needs and removes what an earlier job wrote
    /// there, so that a bad path is known before the job runs and no report outlives its job.
    ///
    /// # Errors
    /// [`ReportError::BadPath`].
    pub(crate) fn prepare_files(options: &Options) -> Result<(), ReportError> {
        if let Some(folder) = &options.out {
            fs::create_dir_all(folder).map_err(|source| ReportError::BadPath {
                path: folder.clone(),
                source,
            })?;
            let percentiles = HOP_NAMES.map(percentile_file);
            let names = [JSON_FILE, PLOT_FILE].map(String::from);
            for name in names.iter().chain(&percentiles) {
                clear(&folder.join(name))?;
            }
        }
        options.json.as_deref().map_or(Ok(()), clear)
    }

    /// Writes the JSON file of `--json`, and to the folder of `--out` the JSON, the percentile
    /// files and the plot.
    ///
    /// # Errors
    /// [`ReportError::Write`] with the file that could not be written.
    pub(crate) fn write_files(&self, options: &Options) -> Result<(), ReportError> {
        if let Some(path) = &options.json {
            write(path, &self.json())?;
        }
        if let Some(folder) = &options.out {
            for hop in &self.hops {
                let path = folder.join(percentile_file(&hop.name));
                write(&path, &hop.recorder.percentile_text())?;
            }
            write(&folder.join(PLOT_FILE), &plot::percentiles_svg(&self.hops))?;
            write(&folder.join(JSON_FILE), &self.json())?;
        }
        Ok(())
    }

    fn json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("the report has only text keys");
        text.push('\n');
        text
    }
}

/// Why the report is not what it should be.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum ReportError {
    /// The counts or checksums of the stages differ.
    #[error(
        "the stages did not handle the same events: see lost, duplicated, reordered and the checksums above"
    )]
    Unreconciled,
    /// The book did not answer all that it was asked while it lived.
    #[error("{asks} questions to the book failed")]
    Unanswered {
        /// How many.
        asks: u64,
    },
    /// A path that the user gave cannot be written to.
    #[error("cannot write to {}", path.display())]
    BadPath {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl ReportError {
    /// True when the user can mend it by giving another path.
    pub(crate) fn is_bad_path(&self) -> bool {
        matches!(self, Self::BadPath { .. })
    }
}

/// One hop in the report.
#[derive(Serialize)]
struct HopRow {
    name: String,
    transport: HopTransport,
    #[serde(flatten)]
    summary: LatencySummary,
    #[serde(skip)]
    recorder: LatencyRecorder,
}

impl HopRow {
    fn new(hop: &HopReport) -> Self {
        let mut recorder = LatencyRecorder::new();
        recorder.absorb(&hop.latency);
        Self {
            name: hop.name.clone(),
            transport: hop.transport,
            summary: recorder.summary(),
            recorder,
        }
    }
}

/// One stage in the report.
#[derive(Serialize)]
struct StageRow {
    name: String,
    handled: u64,
    lost: u64,
    duplicated: u64,
    reordered: u64,
    checksum: String,
}

impl StageRow {
    fn new(stage: &crate::stage::StageReport, sent: u64) -> Self {
        Self {
            name: stage.name.clone(),
            handled: stage.counts.handled,
            lost: stage.counts.lost_of(sent),
            duplicated: stage.counts.duplicated,
            reordered: stage.counts.reordered,
            checksum: hexadecimal(stage.counts.checksum),
        }
    }
}

/// The record of the process itself, without the actors beside it.
fn process_counts(report: &RoleReport) -> Option<&LedgerCounts> {
    report.stages.first().map(|stage| &stage.counts)
}

fn checksums(reports: &BTreeMap<Role, RoleReport>) -> BTreeMap<String, String> {
    let checksum = |(role, report): (&Role, &RoleReport)| {
        process_counts(report).map(|counts| (role.name().into(), hexadecimal(counts.checksum)))
    };
    reports.iter().filter_map(checksum).collect()
}

fn events_by_type(counts: &LedgerCounts) -> BTreeMap<String, u64> {
    counts
        .by_kind
        .iter()
        .map(|(kind, count)| (kind.to_string(), count))
        .collect()
}

fn hexadecimal(checksum: u64) -> String {
    format!("{checksum:016x}")
}

/// `feed->book` becomes `feed-to-book.hgrm`.
fn percentile_file(hop: &str) -> String {
    let stem = hop.replace("->", "-to-").replace(' ', "-");
    format!("{stem}.hgrm")
}

fn clear(path: &Path) -> Result<(), ReportError> {
    files::clear(path).map_err(|source| ReportError::BadPath {
        path: path.into(),
        source,
    })
}

fn write(path: &Path, text: &str) -> Result<(), ReportError> {
    files::put(path, text).map_err(|source| ReportError::Write {
        path: path.into(),
        source,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{
        event::OrderEvent,
        ledger::Ledger,
        stage::{Progress, Stage, StageReport},
    };

    fn feed_of(sequences: &[u64]) -> RoleReport {
        let mut ledger = Ledger::new();
        for &sequence in sequences {
            ledger.record(&OrderEvent::blank(sequence));
        }
        let stages = vec![StageReport {
            name: "feed".into(),
            counts: ledger.counts(),
        }];
        RoleReport {
            stages,
            ..RoleReport::default()
        }
    }

    fn book_of(sequences: &[u64]) -> RoleReport {
        let mut report = RoleReport {
            book: Some(BookCounts::default()),
            ..RoleReport::default()
        };
        for (name, hop, transport) in [
            ("book", "feed->book", HopTransport::Unix),
            ("risk", "book->risk", HopTransport::Local),
        ] {
            let mut stage = Stage::new(name, hop, transport, Progress::default());
            for &sequence in sequences {
                stage.record_arrival(&OrderEvent::blank(sequence), 1_000);
            }
            stage.report_into(&mut report);
        }
        report
    }

    pub(crate) fn report_of(sent: &[u64], arrived: &[u64]) -> JobReport {
        JobReport::new(&BTreeMap::from([
            (Role::Feed, feed_of(sent)),
            (Role::Book, book_of(arrived)),
        ]))
    }

    #[test]
    fn what_arrived_as_sent_is_reconciled() {
        assert!(report_of(&[0, 1, 2], &[0, 1, 2]).verdict().is_ok());
    }

    #[test]
    fn a_lost_a_doubled_and_a_late_event_are_counted_and_refused() {
        let lossy = report_of(&[0, 1, 2], &[0, 2]);
        let doubled = report_of(&[0, 1, 2], &[0, 1, 1, 2]);
        let late = report_of(&[0, 1, 2], &[1, 0, 2]);
        assert_eq!((lossy.lost, doubled.duplicated, late.reordered), (1, 1, 1));
        for report in [lossy, doubled, late] {
            assert!(matches!(report.verdict(), Err(ReportError::Unreconciled)));
        }
    }

    #[test]
    fn an_unanswered_question_is_counted_and_refused() {
        let mut report = report_of(&[0], &[0]);
        report.failed_asks = Some(3);
        let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
        assert_eq!(json["failed_asks"], 3);
        assert!(report.to_string().contains("\nasks            3 failed\n"));
        let verdict = report.verdict();
        assert!(matches!(verdict, Err(ReportError::Unanswered { asks: 3 })));
    }

    #[test]
    fn the_json_has_the_figures_under_their_names() {
        let json: serde_json::Value =
            serde_json::from_str(&report_of(&[0, 1, 2], &[0, 1]).json()).unwrap();
        assert_eq!(
            (&json["lost"], &json["duplicated"], &json["reordered"]),
            (&1.into(), &0.into(), &0.into())
        );
        assert_eq!(json["events_by_type"]["1"], 2);
        assert_eq!(json["events_by_type"]["7"], 0);
        assert_ne!(json["checksums"]["feed"], json["checksums"]["book"]);
        assert_eq!(json["checksums"].as_object().unwrap().len(), 2);
        let hop = &json["hops"][0];
        assert_eq!(
            (&hop["name"], &hop["transport"]),
            (&"feed->book".into(), &"unix".into())
        );
        for figure in [
            "count",
            "p50_ns",
            "p90_ns",
            "p99_ns",
            "p999_ns",
            "max_ns",
            "messages_per_s",
        ] {
            assert!(hop[figure].is_number(), "{figure}");
        }
    }

    #[test]
    fn the_out_folder_holds_the_json_the_plot_and_a_percentile_file_for_each_hop() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("made/on/the/way");
        let options = Options::parse_from(&["--out", out.to_str().unwrap()]).unwrap();
        JobReport::prepare_files(&options).unwrap();
        report_of(&[0, 1], &[0, 1]).write_files(&options).unwrap();
        let mut names: Vec<_> = fs::read_dir(&out)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(
            names,
            [
                "book-to-risk.hgrm",
                "feed-to-book.hgrm",
                "percentiles.svg",
                "report.json"
            ]
        );
    }

    #[test]
    fn a_path_that_cannot_be_written_is_found_before_the_job() {
        let options = Options::parse_from(&["--json", "/nonexistent/folder/out.json"]).unwrap();
        assert!(
            JobReport::prepare_files(&options)
                .unwrap_err()
                .is_bad_path()
        );
    }
}
