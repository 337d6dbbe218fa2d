//! `envoy.filters.http.local_ratelimit`: lets requests through as long as a bucket has tokens, and answers the others.
//!
//! The bucket is the process's, shared by the workers without a lock, or with
//! `local_rate_limit_per_downstream_connection` each connection's own. A level of the route table may have a
//! bucket of its own. Requests of certain descriptors have buckets of theirs (`limiter.rs`); what a request is
//! described by is said by the filter itself, or by routes and virtual hosts (`rate_limits`). Limits: a worker keeps
//! buckets for each connection that lives, and at most as many for connections that have ended since; of a descriptor
//! with open values as many as `max_dynamic_descriptors` says. Trust: what a client sends chooses among buckets, and
//! where values are open it makes some; it never makes one larger. Envoy's documentation: HTTP filters, Local rate
//! limit. Shares of a local cluster are refused as not supported yet. Different from Envoy: of two filters in a chain,
//! each has its own buckets of connections; of several descriptors with open values that fit a request, the first of
//! the configuration counts (in Envoy the first of a hash).

mod config;
mod filter;
mod limiter;
mod messages;
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
    support: |table| messages::LocalRateLimit::support(table),
};
