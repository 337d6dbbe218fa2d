//! `envoy.filters.http.fault`: delays and aborts some requests and slows responses down, to see how clients
//! bear it.
//!
//! Limit: `max_active_faults` at once. Trust: with `header_abort`, `header_delay` or `header_limit` a client chooses its own
//! fault, up to the configured percentage. Envoy's documentation: HTTP filters, Fault Injection. Different from
//! Envoy: no counters by downstream cluster, whose names a client could invent without bound.

mod config;
mod filter;
mod runtime;
mod slow;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::{HttpFilterRoom, PerRouteRoom};

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.fault",
    message: "envoy.extensions.filters.http.fault.v3.HTTPFault",
    parse: config::parse,
    per_route: Some(PerRouteRoom {
        message: "envoy.extensions.filters.http.fault.v3.HTTPFault",
        parse: config::parse_per_route,
    }),
    support: |table| config::HttpFault::support(table),
};
