//! QUIC (RFC 9000, 9001): a socket's connections on one worker. It has no timer of its own, and no task but one that
//! waits for room while a socket is full (`writing.rs`).
//!
//! quinn-proto is the state machine; sockets, timers and tasks are ours. An [`Endpoint`] reads a listener's socket, asks
//! who it is for ([`Admission`]) before it spends anything on a new client, and gives each connection to whoever
//! serves it; that one drives its [`Connection`]. A connection to a host ([`connect`]) has a socket of its own. TLS is that of the filter chain which the client's hello chooses
//! (`session.rs`).
//!
//! Limits: half-open connections beyond [`endpoint::MAX_UNPROVEN`] must first show that they are where they say
//! (Retry), and beyond [`endpoint::MAX_HALF_OPEN`] are not answered; a hello has 16 KiB at most; nobody unproven is
//! sent more than three times what it has sent; what is written and not acknowledged is bounded by
//! [`Settings::send_window_bytes`], what is received and not read by the windows.
//!
//! The first two bytes of our connection ids number the endpoint, so that a datagram that the kernel has given to
//! another worker, as its client has moved, finds its way ([`routing`]).
//!
//! Different from Envoy: version 1 alone; sessions are resumed, but no early data (0-RTT) is taken, so that clients send
//! it again behind the handshake; congestion control is Cubic.

mod client;
mod client_session;
#[cfg(test)]
mod client_tests;
mod connection;
mod course;
pub mod endpoint;
mod ids;
mod routing;
mod session;
mod settings;
#[cfg(test)]
mod tests;
mod writing;

pub use crate::tls::QuicHandshake;
pub use client::{Dial, connect};
pub use connection::{Connection, Lost, ReadEnd};
pub use endpoint::{Admission, Endpoint, HalfOpen, HandshakeFailure, Verdict};
pub use quinn_proto::{
    ConnectionError, Dir, Event, ReadableError, StreamEvent, StreamId, VarInt, WriteError,
};
pub use session::Select;
pub use settings::Settings;
