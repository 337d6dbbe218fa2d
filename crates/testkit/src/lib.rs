//! What a black-box test of a proxy needs: a fake upstream that records every byte it sees and
//! answers from a script, a raw client, a launcher for the proxy under test, and masks for what
//! changes from run to run.
//!
//! Everything is plain threads and blocking sockets with read deadlines, so that a test reads from
//! top to bottom. The HTTP/1 parser here ([`message`]) is tiny and shares no code with the proxy:
//! a mistake in the proxy's codec must not hide behind the same mistake in its test.
#![forbid(unsafe_code)]

pub mod bytes;
pub mod client;
pub mod datagrams;
pub mod http2;
pub mod http3;
pub mod mask;
pub mod message;
pub mod names;
pub mod ports;
pub mod programs;
pub mod proxy;
pub mod quic;
pub mod quic_host;
pub mod script;
pub mod template;
pub mod tls;
pub mod tls_client;
pub mod upstream;
pub mod wire;

use std::time::Duration;

/// How long any single wait may last before the test calls it stuck. Nothing that works comes near.
pub const DEADLINE: Duration = Duration::from_secs(10);
