//! What a rule found, told so that the reader knows what to do next.

use std::fmt;

use crate::Outcome;

/// One broken rule: a headline and labelled lines under it.
#[derive(Debug)]
pub(crate) struct Violation {
    headline: String,
    notes: Vec<(&'static str, String)>,
}

impl Violation {
    pub(crate) fn new(headline: impl Into<String>) -> Self {
        Self {
            headline: headline.into(),
            notes: Vec::new(),
        }
    }

    pub(crate) fn note(mut self, label: &'static str, text: impl Into<String>) -> Self {
        self.notes.push((label, text.into()));
        self
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.headline)?;
        for (label, text) in &self.notes {
            writeln!(f, "  {label:<8} {text}")?;
        }
        Ok(())
    }
}

/// Prints `all_well` when there are no violations.
///
/// # Errors
/// All violations as one text.
pub(crate) fn verdict(violations: &[Violation], all_well: &str) -> Outcome {
    if violations.is_empty() {
        println!("{all_well}");
        return Ok(());
    }
    let told: Vec<_> = violations.iter().map(ToString::to_string).collect();
    Err(told.join("\n").into())
}

/// What the tests of every rule look at.
#[cfg(test)]
pub(crate) mod expect {
    use super::Violation;
    use crate::graph::{Graph, Package};

    /// What a rule tells about made-up packages.
    pub(crate) fn told(
        rule: impl Fn(&Graph) -> Vec<Violation>,
        packages: impl IntoIterator<Item = Package>,
    ) -> Vec<String> {
        texts(&rule(&Graph::of(packages)))
    }

    pub(crate) fn texts(violations: &[Violation]) -> Vec<String> {
        violations.iter().map(ToString::to_string).collect()
    }

    /// Nothing is told.
    #[track_caller]
    pub(crate) fn nothing(told: &[String]) {
        assert!(told.is_empty(), "{told:?}");
    }

    /// One violation is told, that begins and holds parts like these.
    #[track_caller]
    pub(crate) fn one(told: &[String], start: &str, parts: &[&str]) {
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with(start), "{}", told[0]);
        for part in parts {
            assert!(told[0].contains(part), "no `{part}` in {}", told[0]);
        }
    }
}
