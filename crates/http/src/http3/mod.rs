//! HTTP/3 towards clients: one task drives the connection, each stream is a task of its own.
//!
//! The driver takes what QUIC has to tell and wakes the streams that it concerns; a stream reads its own bytes, lets the
//! codec (`nuncio_codec::http3`) decode them, and writes into QUIC what its windows take. The driver sends for all
//! streams, once every task that was ready has run.
//!
//! What a client sends ahead is bounded by QUIC's windows, which are given back for what was read; so a stream that
//! nobody reads holds its client up. A stream counts from its first byte on, as in Envoy, and has its timeouts.
//!
//! Connections end as over HTTP/2: a GOAWAY that still takes streams, `drain_timeout` later the real one, the end once
//! the last stream is done; and at the latest as QUIC's idle timeout has it.
//!
//! Different from Envoy: header blocks are larger in bytes where Envoy's tables have what came before, since there are
//! no dynamic tables.

mod connection;
mod mailbox;
mod overload;
mod reading;
mod stream;
mod writing;

use nuncio_upstream::http3_own_streams as own_streams;

pub use connection::{Begun, ended_in_handshake, serve};
