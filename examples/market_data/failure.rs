//! How an error is told to people: itself, then its causes.

use std::error::Error;

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
