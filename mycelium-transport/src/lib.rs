//! Tokio drivers that move Mycelium's protocol over sockets.
