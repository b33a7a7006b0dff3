//! [`Packet`]: what the nodes of the rows send each other.

use mycelium::prelude::*;

/// What a sink is sent.
#[message]
#[derive(Debug)]
pub(crate) enum Packet {
    /// A numbered message, whose content follows from its number.
    Tick {
        /// The life of the node that sends it.
        sender: u64,
        sequence: u64,
        bytes: Vec<u8>,
    },
    /// Is answered with its number.
    Echo {
        sender: u64,
        number: u64,
        reply: ReplyTo<u64>,
    },
    /// Is never answered: the port is kept.
    Never { sender: u64, reply: ReplyTo<u64> },
}

impl Packet {
    /// The tick of this number; its size is the row's, its content that of the number.
    pub(crate) fn tick(sender: u64, sequence: u64, bytes: usize) -> Self {
        Self::Tick {
            sender,
            sequence,
            bytes: content(sender, sequence, bytes),
        }
    }
}

/// Bytes that differ between numbers and senders.
pub(crate) fn content(sender: u64, sequence: u64, bytes: usize) -> Vec<u8> {
    let word = (sender ^ sequence.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_le_bytes();
    word.into_iter().cycle().take(bytes).collect()
}
