//! Handshakes on the loopback.

mod client;
pub(crate) mod server;
mod sessions;
