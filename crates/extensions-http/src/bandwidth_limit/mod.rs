//! `envoy.filters.http.bandwidth_limit`: lets the bodies of requests and responses pass no faster than so many KiB a
//! second, in portions at intervals.
//!
//! All streams of a chain or a route share a bucket, both directions of it too. Limits: a body waits in memory up to the
//! buffer limit, then the peer waits. Trust: none of the body is looked at. Differs from Envoy: a bucket is full at its
//! first use, not only with what comes in an interval; the gauges of sizes are sums over the workers' last values;
//! streams that are given up are pending no more. Envoy's documentation: HTTP filters, Bandwidth limit.

mod config;
mod filter;
mod limiter;
mod stats;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::{HttpFilterRoom, PerRouteRoom};

const MESSAGE: &str = "envoy.extensions.filters.http.bandwidth_limit.v3.BandwidthLimit";

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.bandwidth_limit",
    message: MESSAGE,
    parse: config::parse,
    per_route: Some(PerRouteRoom {
        message: MESSAGE,
        parse: config::parse_per_route,
    }),
    support: config::BandwidthLimit::support,
};
