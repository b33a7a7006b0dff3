//! Reads LOBSTER message files: CSV without a header, plain or compressed with zstd, one event at a
//! time.
//!
//! Columns: seconds after midnight, kind, order id, size, price (dollars x 10,000), direction.
//! Seconds are parsed as exact decimals: a float would lose nanoseconds. Nothing is guessed: a line
//! that is not exactly such a row ends the reading with an error that names the file, the line and
//! the column. Start at [`LobsterReader`].

mod zstd;

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use thiserror::Error;

use self::zstd::ZstdFrames;
use crate::event::{EventKind, OrderEvent, Symbol};

/// Longer than any row; it bounds the memory that a file without line breaks can take.
const MAX_LINE_BYTES: usize = 256;

/// An iterator over the events of one file, numbered from 0.
pub(crate) struct LobsterReader {
    path: PathBuf,
    symbol: Symbol,
    input: Box<dyn BufRead + Send>,
    line: Vec<u8>,
    lines_read: u64,
    failed: bool,
}

impl LobsterReader {
    /// Opens `path`; its content decides whether it is decompressed, its name up to the first `_`
    /// is the symbol.
    ///
    /// # Errors
    /// [`LobsterError::Open`] when the file cannot be opened, [`LobsterError::Read`] when its
    /// beginning cannot be read.
    pub(crate) fn open(path: &Path) -> Result<Self, LobsterError> {
        let file = File::open(path).map_err(|source| LobsterError::Open {
            path: path.into(),
            source,
        })?;
        let input = decompressed(BufReader::new(file)).map_err(|source| LobsterError::Read {
            path: path.into(),
            lines_read: 0,
            source,
        })?;
        Ok(Self {
            path: path.into(),
            symbol: symbol_of(path),
            input,
            line: Vec::with_capacity(MAX_LINE_BYTES),
            lines_read: 0,
            failed: false,
        })
    }

    fn read_event(&mut self) -> Result<Option<OrderEvent>, LobsterError> {
        if !self.read_line()? {
            return if self.lines_read == 0 {
                Err(LobsterError::Empty {
                    path: self.path.clone(),
                })
            } else {
                Ok(None)
            };
        }
        self.lines_read += 1;
        let row = Row::parse(&self.line).map_err(|fault| LobsterError::Malformed {
            path: self.path.clone(),
            line: self.lines_read,
            fault,
        })?;
        Ok(Some(row.into_event(self.lines_read - 1, self.symbol)))
    }

    /// Reads the next line, without its end, into `self.line`; false at the end of the file.
    fn read_line(&mut self) -> Result<bool, LobsterError> {
        self.line.clear();
        let limit = MAX_LINE_BYTES as u64 + 1;
        (&mut self.input)
            .take(limit)
            .read_until(b'\n', &mut self.line)
            .map_err(|source| LobsterError::Read {
                path: self.path.clone(),
                lines_read: self.lines_read,
                source,
            })?;
        let found = !self.line.is_empty();
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
            self.line.pop_if(|byte| *byte == b'\r');
        }
        Ok(found)
    }
}

impl Iterator for LobsterReader {
    type Item = Result<OrderEvent, LobsterError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let event = self.read_event();
        self.failed = event.is_err();
        event.transpose()
    }
}

/// Why a LOBSTER file could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum LobsterError {
    /// The file is missing or may not be read.
    #[error("cannot open {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The disk failed, or the compressed data is damaged or cut off.
    #[error("cannot read {} beyond line {lines_read}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Whole lines read before.
        lines_read: u64,
        /// What the system or the decompressor said.
        source: io::Error,
    },
    /// A line is not a row of a LOBSTER message file.
    #[error("{}, line {line}: {fault}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// What is wrong with it.
        fault: LineFault,
    },
    /// There is not one line in the file.
    #[error("{} holds no events: expected at least one line `seconds,kind,order id,size,price,direction`", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// What is wrong with a line.
#[derive(Debug, PartialEq, Eq, Error)]
pub(crate) enum LineFault {
    /// It goes on and on.
    #[error("longer than {MAX_LINE_BYTES} bytes, which no row is")]
    TooLong,
    /// It is not UTF-8.
    #[error("not text; the file is neither CSV nor zstd-compressed CSV")]
    NotText,
    /// It has too few or too many columns.
    #[error("expected 6 columns `seconds,kind,order id,size,price,direction`, found {found}")]
    Columns {
        /// How many it has.
        found: usize,
    },
    /// One column cannot be read.
    #[error("column `{name}`: expected {expected}, found `{text}`")]
    Column {
        /// The column.
        name: &'static str,
        /// What it accepts.
        expected: &'static str,
        /// What it holds.
        text: String,
    },
}

/// One parsed line.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    time_ns: u64,
    kind: EventKind,
    order_id: u64,
    size: u32,
    price: i64,
    direction: i8,
}

impl Row {
    fn parse(line: &[u8]) -> Result<Self, LineFault> {
        if line.len() > MAX_LINE_BYTES {
            return Err(LineFault::TooLong);
        }
        let line = str::from_utf8(line).map_err(|_| LineFault::NotText)?;
        let [time, kind, order_id, size, price, direction] = columns(line)?;
        let kind = column("kind", kind, "a number from 1 to 7", |text| {
            EventKind::from_code(text.parse().ok()?)
        })?;
        Ok(Self {
            time_ns: column(
                "seconds",
                time,
                "seconds after midnight such as 34200.004241176",
                nanoseconds,
            )?,
            kind,
            order_id: column("order id", order_id, "a whole number", |text| {
                parse_order_id(kind, text)
            })?,
            size: column("size", size, "a whole number of shares", |text| {
                text.parse().ok()
            })?,
            price: column(
                "price",
                price,
                "a whole number (dollars x 10,000)",
                |text| text.parse().ok(),
            )?,
            direction: column(
                "direction",
                direction,
                "1 (buy) or -1 (sell)",
                parse_direction,
            )?,
        })
    }

    fn into_event(self, sequence: u64, symbol: Symbol) -> OrderEvent {
        OrderEvent {
            sequence,
            time_ns: self.time_ns,
            order_id: self.order_id,
            price: self.price,
            intended_ns: 0,
            sent_ns: 0,
            symbol,
            size: self.size,
            kind: self.kind.code(),
            direction: self.direction,
        }
    }
}

fn columns(line: &str) -> Result<[&str; 6], LineFault> {
    let mut found = [""; 6];
    let mut count = 0;
    for text in line.split(',') {
        if let Some(slot) = found.get_mut(count) {
            *slot = text;
        }
        count += 1;
    }
    if count == found.len() {
        Ok(found)
    } else {
        Err(LineFault::Columns { found: count })
    }
}

fn column<T>(
    name: &'static str,
    text: &str,
    expected: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, LineFault> {
    parse(text).ok_or_else(|| LineFault::Column {
        name,
        expected,
        text: text.into(),
    })
}

/// Exact nanoseconds of decimal seconds.
///
/// Digits beyond the ninth are cut off: published files hold a few such as `35821.088778456004`,
/// artefacts of a float in the tool that wrote them.
fn nanoseconds(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let kept = &fraction[..fraction.len().min(9)];
    let missing_digits = 9 - u32::try_from(kept.len()).ok()?;
    let fraction_ns = kept.parse::<u64>().ok()? * 10u64.pow(missing_digits);
    whole
        .parse::<u64>()
        .ok()?
        .checked_mul(1_000_000_000)?
        .checked_add(fraction_ns)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Cross trades and halts speak of no order; some files say so with -1 instead of 0.
fn parse_order_id(kind: EventKind, text: &str) -> Option<u64> {
    let without_order = matches!(kind, EventKind::CrossTrade | EventKind::Halt);
    if without_order && text == "-1" {
        Some(0)
    } else {
        text.parse().ok()
    }
}

fn parse_direction(text: &str) -> Option<i8> {
    text.parse()
        .ok()
        .filter(|direction| matches!(direction, 1 | -1))
}

fn decompressed(mut input: BufReader<File>) -> io::Result<Box<dyn BufRead + Send>> {
    if zstd::is_compressed(input.fill_buf()?) {
        Ok(Box::new(BufReader::new(ZstdFrames::new(input))))
    } else {
        Ok(Box::new(input))
    }
}

fn symbol_of(path: &Path) -> Symbol {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Symbol::new(name.split(['_', '.']).next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn file_with(content: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::Builder::new().prefix("AAPL_").tempfile().unwrap();
        file.write_all(content).unwrap();
        file
    }

    fn read(content: &[u8]) -> Result<Vec<OrderEvent>, LobsterError> {
        LobsterReader::open(file_with(content).path())
            .unwrap()
            .collect()
    }

    #[test]
    fn a_row_becomes_an_event() {
        let events = read(b"34200.004241176,1,16113575,18,5853300,-1\n34201,4,7,2,10,1").unwrap();
        let wanted = OrderEvent {
            time_ns: 34_200_004_241_176,
            order_id: 16_113_575,
            price: 5_853_300,
            symbol: Symbol::new("AAPL"),
            size: 18,
            kind: 1,
            direction: -1,
            ..OrderEvent::blank(0)
        };
        assert_eq!(events[0], wanted);
        assert_eq!(
            (events[1].sequence, events[1].time_ns, events[1].kind),
            (1, 34_201_000_000_000, 4)
        );
    }

    #[test]
    fn all_seven_kinds_are_read() {
        let rows: Vec<_> = (1..=7)
            .map(|kind| format!("1.5,{kind},0,10,-1,-1\r\n"))
            .collect();
        let kinds: Vec<_> = read(rows.concat().as_bytes())
            .unwrap()
            .iter()
            .map(|event| event.kind)
            .collect();
        assert_eq!(kinds, [1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn a_trade_without_an_order_may_write_minus_one() {
        assert_eq!(read(b"1.5,6,-1,10,100,-1").unwrap()[0].order_id, 0);
        assert!(read(b"1.5,3,-1,10,100,-1").is_err());
    }

    #[test]
    fn seconds_are_exact_to_the_nanosecond() {
        assert_eq!(nanoseconds("34200.1"), Some(34_200_100_000_000));
        assert_eq!(nanoseconds("34436.83925"), Some(34_436_839_250_000));
        assert_eq!(nanoseconds("0.000000001"), Some(1));
        assert_eq!(nanoseconds("35821.088778456004"), Some(35_821_088_778_456));
        for bad in [
            "",
            ".",
            "1.",
            ".5",
            "-1.0",
            "+1",
            "1e3",
            "1.2.3",
            "99999999999.0",
            " 1",
        ] {
            assert_eq!(nanoseconds(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_fault_names_the_column_and_what_it_accepts() {
        let fault = |line: &str| Row::parse(line.as_bytes()).unwrap_err().to_string();
        assert_eq!(
            fault("1.0,8,1,1,1,1"),
            "column `kind`: expected a number from 1 to 7, found `8`"
        );
        assert_eq!(
            fault("1.0,1,1,x,1,1"),
            "column `size`: expected a whole number of shares, found `x`"
        );
        assert_eq!(
            fault("1.0,1,1,1,1,2"),
            "column `direction`: expected 1 (buy) or -1 (sell), found `2`"
        );
        assert!(fault("1.0,1,1,1,1").ends_with("found 5"));
        assert!(fault("1.0,1,1,1,1,1,1").ends_with("found 7"));
        assert_eq!(Row::parse(b"\xff\xfe"), Err(LineFault::NotText));
        assert_eq!(
            Row::parse(&[b'1'; MAX_LINE_BYTES + 1]),
            Err(LineFault::TooLong)
        );
    }

    #[test]
    fn a_malformed_line_is_named_by_file_and_line_and_ends_the_reading() {
        let file = file_with(b"1.0,1,1,1,1,1\nnonsense\n1.0,1,1,1,1,1\n");
        let mut reader = LobsterReader::open(file.path()).unwrap();
        assert!(reader.next().unwrap().is_ok());
        let message = reader.next().unwrap().unwrap_err().to_string();
        assert!(
            message.contains(&format!("{}, line 2", file.path().display())),
            "{message}"
        );
        assert!(reader.next().is_none());
    }

    #[test]
    fn a_missing_and_an_empty_file_are_told_apart() {
        let missing = LobsterReader::open(Path::new("/nonexistent/file.csv"))
            .err()
            .unwrap();
        assert!(matches!(missing, LobsterError::Open { .. }));
        assert!(matches!(read(b""), Err(LobsterError::Empty { .. })));
    }

    #[test]
    fn a_file_without_line_breaks_is_refused_without_reading_it_whole() {
        let error = read(&[b'1'; 10 * MAX_LINE_BYTES]).unwrap_err();
        assert!(matches!(
            error,
            LobsterError::Malformed {
                line: 1,
                fault: LineFault::TooLong,
                ..
            }
        ));
    }

    #[test]
    fn compressed_frames_are_read_one_after_the_other() {
        let mut content = zstd::compress(b"1.0,1,1,1,1,1\n");
        content.extend(zstd::compress(b"2.0,1,2,1,1,1\n"));
        let times: Vec<_> = read(&content)
            .unwrap()
            .iter()
            .map(|event| event.time_ns)
            .collect();
        assert_eq!(times, [1_000_000_000, 2_000_000_000]);
    }

    #[test]
    fn a_cut_compressed_file_is_an_error() {
        let content = zstd::compress(b"1.0,1,1,1,1,1\n");
        for kept in 4..content.len() {
            assert!(
                matches!(read(&content[..kept]), Err(LobsterError::Read { .. })),
                "{kept} bytes"
            );
        }
    }

    #[test]
    fn the_hour_of_real_order_flow_is_read_whole() {
        let Some(folder) = std::env::var_os("MYCELIUM_DATA") else {
            println!("skipped: MYCELIUM_DATA does not name the folder with the real data");
            return;
        };
        let file =
            Path::new(&folder).join("lobster/AAPL_2012-06-21_34200000_37800000_message_50.csv.zst");
        let mut by_kind = [0; EventKind::COUNT];
        for event in LobsterReader::open(&file).unwrap() {
            by_kind[usize::from(event.unwrap().kind) - 1] += 1;
        }
        assert_eq!(by_kind, [44_256, 469, 41_004, 4_067, 2_201, 0, 0]);
    }
}
