//! `envoy.filters.http.ratelimit`: asks a service of rate limits whether a request is one too many.
//!
//! What is counted is said by routes and virtual hosts, by a level's configuration, or by the filter's own. Limits: none
//! of its own. Defaults are Envoy's: 20 ms for the service, and requests pass where it fails. Trust: the service is
//! trusted with the headers and the body that it gives, but for what is no header.
//!
//! Left out, and so refused: `apply_on_stream_done` in limits of the filter and of levels; in routes it has no effect yet, which is said. Envoy's
//! documentation: HTTP filters, Rate limit.

mod config;
mod filter;
mod messages;
mod service;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::{HttpFilterRoom, PerRouteRoom};

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.ratelimit",
    message: "envoy.extensions.filters.http.ratelimit.v3.RateLimit",
    parse: config::parse,
    per_route: Some(PerRouteRoom {
        message: "envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute",
        parse: config::parse_per_route,
    }),
    support: |table| {
        messages::RateLimit::support(table);
        messages::RateLimitPerRoute::support(table);
    },
};
