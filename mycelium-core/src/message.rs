//! [`Message`]: what an actor may be sent.

/// Anything that can be moved to another thread is a message: closures, channels, plain data.
///
/// Only what leaves the process needs more: `Wire`, which `#[message]` derives.
pub trait Message: Send + 'static {}

impl<T: Send + 'static> Message for T {}
