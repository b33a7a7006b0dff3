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
