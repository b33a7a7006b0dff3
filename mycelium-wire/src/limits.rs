//! [`Limits`]: what this side accepts from a peer.

/// What a connection accepts from its peer, by phase.
///
/// Raising a limit raises what a hostile peer can make this process hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest frame before the handshake is done, header included. Default 4,096.
    pub handshake_frame_bytes: u32,
    /// The longest archive of one message or reply. Default 1 MiB. The smaller of both nodes' limits
    /// is in force on a link.
    pub message_bytes: u32,
    /// Bindings that either side may hold to the other; ids are below it. Default 65,536. A
    /// binding costs 8 bytes in the half that receives it and 64 in the one that sends.
    pub bindings: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake_frame_bytes: 4096,
            message_bytes: 1 << 20,
            bindings: 65_536,
        }
    }
}
