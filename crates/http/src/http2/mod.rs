//! HTTP/2 towards clients: one task drives the connection, each stream is a task of its own.
//!
//! The driver reads, lets the codec (`nuncio_codec::http2`) take its steps, puts what comes for a stream into the
//! stream's [mailbox](mailbox), and writes what all streams have encoded in one go, once every task that was ready has
//! run. A stream encodes straight into the connection's output, as far as the windows allow and less than 64 KiB wait
//! to be written; what it may not encode yet it keeps, and is woken for.
//!
//! What a client sends ahead is bounded by the windows of the configuration: a window is given back for what a stream
//! has used, never for what lies unread.
//!
//! What a client has us do at a time is bounded too: after so many new streams the driver lets them have their turns
//! before it goes on with what was read, and a client whose streams mostly end before they are answered is cut off
//! (`connection_manager/premature_resets.rs`).
//!
//! Connections end as in Envoy: a notice (GOAWAY that still takes streams), `drain_timeout` later the real GOAWAY, the
//! end once the last stream is done.

mod connection;
mod mailbox;
mod overload;
mod steps;
mod stream;
mod unfinished;

pub(crate) use connection::{Begun, End, serve};
