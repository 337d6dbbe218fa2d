//! `envoy.filters.http.adaptive_concurrency`: lets only so many requests be under way at once as keep the latency near the
//! least one, and answers the others itself (503, or `concurrency_limit_exceeded_status`).
//!
//! All workers share one controller. Every `concurrency_update_interval` it takes a percentile (50%) of the latencies
//! since the last time, compares the least latency with it (`buffer`, 25%, is allowed on top) and multiplies the limit by
//! what comes of it, between 0.5 and 2, plus the square root of the product; never below `min_concurrency_limit` (that of
//! `min_concurrency`) nor above `max_concurrency_limit` (1000). The least latency is measured every `interval` (up to
//! `jitter`, 15%, later) with `request_count` (50) requests, while no more than `min_concurrency` (3) are let through, and
//! after five updates at the lower limit; or it is `fixed_value`. Health checks are let through and not counted, as are
//! requests that break off. Limit: a window's latencies are kept as bins of a histogram.
//! Follows Envoy's documentation of its adaptive concurrency.

mod config;
mod controller;
mod filter;
mod latencies;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::HttpFilterRoom;

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.adaptive_concurrency",
    message: "envoy.extensions.filters.http.adaptive_concurrency.v3.AdaptiveConcurrency",
    parse: config::parse,
    per_route: None,
    support: config::AdaptiveConcurrency::support,
};
