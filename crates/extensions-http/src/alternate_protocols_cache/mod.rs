//! `envoy.filters.http.alternate_protocols_cache`: notes what hosts say of HTTP/3 in `alt-svc` of their responses, in the cache
//! of their cluster (`auto_config` with `http3_protocol_options`), which decides what is tried with them from then on. The
//! response stays as it is.
//!
//! Limits: those of the cache (`max_entries`), ten alternatives of an origin. Trust: a host speaks for itself alone, its name
//! being the one that it was asked by. As in Envoy `clear` takes nothing back, and a header that is malformed says nothing.
//! Envoy's documentation: HTTP filters, Alternate Protocols Cache.

mod config;
mod filter;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::HttpFilterRoom;

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.alternate_protocols_cache",
    message: "envoy.extensions.filters.http.alternate_protocols_cache.v3.FilterConfig",
    parse: config::parse,
    per_route: None,
    support: config::Config::support,
};
