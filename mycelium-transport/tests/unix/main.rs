//! Nodes linked over real Unix sockets.

mod backpressure;
mod directory;
mod hostile;
mod lifecycle;
mod liveness;
mod messages;
mod names;
mod process;
mod property;
mod reconnect;
mod shutdown;
mod support;
