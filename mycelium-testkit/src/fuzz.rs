//! What the fuzzer does with any bytes: one function for each parser of foreign bytes.
//!
//! The programs in `fuzz/` do nothing but call these functions, so that a normal test runs the same
//! ones over the corpus that is checked in. Read [`TARGETS`] first. A function that returns has
//! found nothing; one that panics has.

mod connection;
mod decoder;
mod handshake;
mod header;
mod message;
mod nest;
mod script;
mod seeds;
mod stream;
mod wire_types;

pub use crate::fuzz::{
    connection::connection,
    decoder::decoder,
    handshake::handshake,
    header::header,
    message::message,
    nest::nested,
    seeds::{Seed, seeds},
    wire_types::wire_types,
};

/// A function that the fuzzer runs, under the name of its program.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The program in `fuzz/targets`, and the folder in `fuzz/corpus`.
    pub name: &'static str,
    /// Panics where the bytes have uncovered a fault.
    pub run: fn(&[u8]),
}

/// Every target.
pub const TARGETS: &[Target] = &[
    target("connection", connection),
    target("decoder", decoder),
    target("handshake", handshake),
    target("header", header),
    target("message", message),
    target("wire_types", wire_types),
];

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run }
}
