//! `envoy.filters.http.tap`: writes requests and responses that match into files, one a stream.
//!
//! A file is `<path_prefix>_<number of the stream>` with the ending of its format. Buffered traces are written as the
//! stream is logged, with heads as they are then; streamed ones as they come, from the moment on that they match.
//! Limits: bodies up to `max_buffered_rx_bytes` and `max_buffered_tx_bytes` (1 KiB each), which a segment of a streamed
//! trace has at most, too. Files are written by the worker itself: it is a tool for finding faults.
//! Trust: what clients send is written as it is, quoted. Not supported: taps that the admin configures.
//! Envoy's documentation: HTTP filters, Tap.

mod config;
mod filter;
#[cfg(test)]
mod tests;
mod trace;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::HttpFilterRoom;

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.tap",
    message: "envoy.extensions.filters.http.tap.v3.Tap",
    parse: config::parse,
    per_route: None,
    support: config::Tap::support,
};
