//! [`Options`]: what the user asked for.

use crate::rows::{ROWS, Row};

/// What the user asked for.
pub(crate) struct Options {
    pub(crate) rows: Vec<&'static Row>,
    pub(crate) scale: Scale,
    pub(crate) repeat: u32,
    pub(crate) seed: Option<u64>,
    pub(crate) task: Task,
    pub(crate) limits: Limits,
}

/// Whether time limits are judged, or outcomes and counts alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limits {
    Judged,
    Ignored,
}

/// Whether rows are played or named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Play,
    List,
}

/// How long rows are played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    Smoke,
    Full,
}

/// The words make no sense.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Misuse {
    #[error("there is no row {0}; --list names them")]
    Row(String),
    #[error("{0} needs a number after it")]
    Number(String),
}

impl Scale {
    pub(crate) fn pick<T>(self, smoke: T, full: T) -> T {
        match self {
            Self::Smoke => smoke,
            Self::Full => full,
        }
    }

    /// The word that asks for it.
    pub(crate) fn word(self) -> &'static str {
        self.pick("--smoke", "--full")
    }
}

impl Options {
    pub(crate) fn read(words: &[String]) -> Result<Self, Misuse> {
        let mut options = Self {
            rows: Vec::new(),
            scale: Scale::Smoke,
            repeat: 1,
            seed: None,
            task: Task::Play,
            limits: Limits::Judged,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut number = || {
                let number = words.next().and_then(|word| word.parse::<u64>().ok());
                number.ok_or_else(|| Misuse::Number(word.clone()))
            };
            match word.as_str() {
                "--smoke" => options.scale = Scale::Smoke,
                "--full" => options.scale = Scale::Full,
                "--untimed" => options.limits = Limits::Ignored,
                "--list" => options.task = Task::List,
                "--seed" => options.seed = Some(number()?),
                "--repeat" => options.repeat = u32::try_from(number()?).unwrap_or(u32::MAX),
                name => options.rows.push(row(name)?),
            }
        }
        if options.rows.is_empty() {
            options.rows = ROWS.iter().collect();
        }
        Ok(options)
    }
}

fn row(name: &str) -> Result<&'static Row, Misuse> {
    let is_named = |row: &&Row| row.name.eq_ignore_ascii_case(name);
    let found = ROWS.iter().find(is_named);
    found.ok_or_else(|| Misuse::Row(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Options, Misuse> {
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        Options::read(&words)
    }

    #[test]
    fn without_words_all_rows_are_played_as_a_smoke_test() {
        let options = read("").unwrap();
        assert_eq!(options.rows.len(), ROWS.len());
        assert_eq!((options.scale, options.repeat), (Scale::Smoke, 1));
    }

    #[test]
    fn rows_scale_and_numbers_are_understood() {
        let options = read("F-1 f-27 --full --repeat 3 --seed 9").unwrap();
        let names: Vec<_> = options.rows.iter().map(|row| row.name).collect();
        assert_eq!(names, ["F-1", "F-27"]);
        assert_eq!((options.scale, options.repeat), (Scale::Full, 3));
        assert_eq!(options.seed, Some(9));
        assert_eq!(options.limits, Limits::Judged);
        assert_eq!(read("--untimed").unwrap().limits, Limits::Ignored);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        assert!(matches!(read("F-0"), Err(Misuse::Row(row)) if row == "F-0"));
        assert!(matches!(read("--seed"), Err(Misuse::Number(_))));
        assert!(matches!(read("--repeat x"), Err(Misuse::Number(_))));
    }

    #[test]
    fn no_row_has_the_name_of_another() {
        let mut names: Vec<_> = ROWS.iter().map(|row| row.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ROWS.len());
    }
}
