//! How an error is told to people: itself, then its causes, on standard error.

use std::{
    error::Error,
    fmt::Display,
    io::{self, Write as _},
};

/// The error and all its sources on one line, divided by colons.
pub(crate) fn message_of(error: &dyn Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        message.push_str(": ");
        message.push_str(&error.to_string());
        cause = error.source();
    }
    message
}

/// Writes a line to standard error. Where that is gone, as with a closed terminal, the work goes on
/// without it.
pub(crate) fn complain(line: impl Display) {
    writeln!(io::stderr(), "{line}").ok();
}
