//! Wait cycles: actors that wait for each other, and so for ever or until their asks time out.
//!
//! A debug build knows which actor runs on a thread, and whom a pending send or ask of that actor
//! waits for; a wait that closes a circle is told of. A release build knows nothing, and pays
//! nothing. Read [`Wait`] first.

#[cfg(not(debug_assertions))]
mod unwatched;
#[cfg(debug_assertions)]
mod watched;

#[cfg(not(debug_assertions))]
pub(crate) use self::unwatched::{Wait, begin_turn, forget};
#[cfg(debug_assertions)]
pub(crate) use self::watched::{Wait, begin_turn, forget};
