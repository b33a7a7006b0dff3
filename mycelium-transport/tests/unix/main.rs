//! Nodes linked over real Unix sockets.

mod backpressure;
mod lifecycle;
mod messages;
mod support;
