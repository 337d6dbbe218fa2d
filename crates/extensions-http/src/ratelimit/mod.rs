//! `envoy.filters.http.ratelimit`: asks a service of rate limits whether a request is one too many.
//!
//! What is counted is said by routes and virtual hosts, by a level's configuration, or by the filter's own. Limits: none
//! of its own. Defaults are Envoy's: 20 ms for the service, and requests pass where it fails. Trust: the service is
//! trusted with the headers and the body that it gives, but for what is no header.
//!
//! What is counted at the end of a stream (`apply_on_stream_done`) is told by calls of their own, which outlive it and
//! whose answers change nothing; as in Envoy, only streams whose request has come this far are, and none that ends while
//! the service is asked. How many hits a stream stands for may be said by filters before (`envoy.ratelimit.hits_addend`
//! in filter state). Envoy's documentation: HTTP filters, Rate limit.

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
