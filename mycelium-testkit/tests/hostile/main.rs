//! Peers that break the protocol, over real sockets: the documented reason closes their link, and
//! the node and its other links live on.

mod bait;
mod bindings;
mod dialled;
mod frames;
mod handshake;
mod objects;
mod victim;
