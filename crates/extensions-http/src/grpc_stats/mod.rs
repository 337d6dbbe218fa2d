//! `envoy.filters.http.grpc_stats`: counts gRPC's calls and messages, and those of the Connect protocol, in the stats
//! of the cluster that they go to, by service and method if wanted; leaves the number of messages as filter state.
//!
//! Limits: a worker counts under 16,384 names a cluster; of Connect's last frame 1 MiB is read. Trust: where all methods
//! are counted, clients choose the names. The time of `upstream_rq_time` begins when the request has passed the filter;
//! Envoy's begins when it has been sent. Envoy's documentation: HTTP filters, gRPC Statistics.

mod config;
mod connect;
mod filter;
mod filter_state;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::HttpFilterRoom;

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.grpc_stats",
    message: "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig",
    parse: config::parse,
    per_route: None,
    support: config::FilterConfig::support,
};
