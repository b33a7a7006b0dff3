//! Two nodes and the network between them, on a clock that stands until something happens.
//!
//! A seed decides what the nodes do, how long bytes take, where they are cut into pieces, when the
//! connection breaks and which bits change. What the nodes say of their messages is compared with
//! what became of them, after every step. Read [`Network`] first, then [`Endpoint`].

mod account;
mod actor;
mod arrival;
mod connection;
mod endpoint;
mod network;

pub use crate::simulated::{
    account::Account,
    connection::BINDINGS,
    endpoint::{ACTORS, Endpoint, Trust},
    network::{Network, Outcome},
};
