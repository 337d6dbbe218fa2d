//! Handshakes on the loopback.

pub(crate) mod client;
pub(crate) mod server;
mod sessions;
