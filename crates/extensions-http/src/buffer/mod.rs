//! `envoy.filters.http.buffer`: holds a request back until it is complete, so that the upstream gets it in one
//! go and with a `content-length`.
//!
//! Limit: `max_request_bytes`; a larger request is answered with 413. Trust: none of the body is looked at.
//! Envoy's documentation: HTTP filters, Buffer.

mod config;
mod filter;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::{HttpFilterRoom, PerRouteRoom};

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.buffer",
    message: "envoy.extensions.filters.http.buffer.v3.Buffer",
    parse: config::parse,
    per_route: Some(PerRouteRoom {
        message: "envoy.extensions.filters.http.buffer.v3.BufferPerRoute",
        parse: config::parse_per_route,
    }),
    support: |table| {
        config::Buffer::support(table);
        config::BufferPerRoute::support(table);
    },
};
