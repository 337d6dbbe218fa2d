//! `envoy.filters.http.body_size_limit`: refuses requests whose body is longer than `max_request_bytes`, without holding
//! any of it back.
//!
//! A `content-length` that says so is answered with 413 at once, any other body when it has become too long; what came
//! before that has gone on. Without a limit the filter does nothing. It has no config on routes, as in Envoy.
//! Envoy's documentation: HTTP filters, body size limit.

mod config;
mod filter;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::HttpFilterRoom;

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.body_size_limit",
    message: "envoy.extensions.filters.http.body_size_limit.v3.BodySizeLimit",
    parse: config::parse,
    per_route: None,
    support: config::BodySizeLimit::support,
};
