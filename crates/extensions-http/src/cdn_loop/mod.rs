//! `envoy.filters.http.cdn_loop`: adds `cdn_id` to the `cdn-loop` header, and refuses requests that have been here more
//! than `max_allowed_occurrences` times (502), or whose header is none of RFC 8586 (400).
//!
//! Trust: the header comes from anybody; it is read once, in the time of its length, and never kept. Where it is wrong is
//! not told. Envoy's documentation: HTTP filters, CDN-Loop.

mod config;
mod filter;
mod parser;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::HttpFilterRoom;

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.cdn_loop",
    message: "envoy.extensions.filters.http.cdn_loop.v3.CdnLoopConfig",
    parse: config::parse,
    per_route: None,
    support: config::CdnLoopConfig::support,
};
