//! Nodes linked over real Unix sockets.

mod backpressure;
mod directory;
mod hostile;
mod lifecycle;
mod messages;
mod process;
mod reconnect;
mod shutdown;
mod support;
