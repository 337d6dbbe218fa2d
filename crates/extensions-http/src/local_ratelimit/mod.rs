//! `envoy.filters.http.local_ratelimit`: lets requests through as long as a bucket has tokens, and answers the others.
//!
//! The bucket is the process's, shared by the workers without a lock, or with
//! `local_rate_limit_per_downstream_connection` each connection's own. A level of the route table may have a
//! bucket of its own. Limits: a worker keeps a bucket for each connection that lives, and at most as many for
//! connections that have ended since. Trust: nothing of a request is looked at. Envoy's documentation: HTTP filters,
//! Local rate limit. Descriptors and shares of a local cluster are refused as not supported yet. Different from
//! Envoy: of two filters in a chain, each has its own buckets of connections.

mod config;
mod filter;
#[cfg(test)]
mod tests;
mod worker;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::{HttpFilterRoom, PerRouteRoom};

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.local_ratelimit",
    message: "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
    parse: config::parse,
    per_route: Some(PerRouteRoom {
        message: "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
        parse: config::parse_per_route,
    }),
    support: |table| config::LocalRateLimit::support(table),
};
