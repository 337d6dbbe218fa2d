//! The network: sockets, transports (plain and TLS), DNS, and deadlines.
//!
//! One event loop a thread; nothing here is shared between workers on the request path.
#![forbid(unsafe_code)]

pub mod bound;
pub mod connect;
pub mod datagrams;
pub mod deadline;
pub mod dns;
pub mod event_loop;
pub mod internal;
pub mod listen_address;
pub mod listener;
pub mod machine;
pub mod pacing;
pub mod peek;
pub mod pipe;
pub mod quic;
mod signature_names;
pub mod socket_options;
pub mod tap;
pub mod tasks;
pub mod tls;
pub mod transport;
