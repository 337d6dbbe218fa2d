//! `envoy.filters.http.health_check`: answers health checks itself, by what the admin was told and by how many hosts of
//! some clusters are well, or passes them on and remembers the answer for a while.
//!
//! While health checks are to fail (`/healthcheck/fail`) every response says so. What is remembered is forgotten with
//! each tick of a clock that ticks once every `cache_time`; the workers share it without a lock. Health checks are
//! counted apart and can be left out of access logs. The bodies of those that are answered here are read and dropped.
//! No limit of its own. Trust: any client may say that its request is a health check. Envoy's documentation: HTTP
//! filters, Health check.

mod cache;
mod config;
mod filter;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::HttpFilterRoom;

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.health_check",
    message: "envoy.extensions.filters.http.health_check.v3.HealthCheck",
    parse: config::parse,
    per_route: None,
    support: |table| config::HealthCheck::support(table),
};
