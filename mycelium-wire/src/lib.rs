//! The Mycelium protocol as pure states and bytes: no runtime, no socket, no clock.
