//! TLS towards clients: real clients, clients that misbehave, and certificates that change under load.

mod attacks;
mod clients;
mod late_reader;
mod renewal;
mod server;
