//! Handshakes on the loopback.

mod client;
mod server;
mod sessions;
