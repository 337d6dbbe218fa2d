//! `envoy.filters.http.set_filter_state`: objects of filter state made of formats when a request begins, those of the
//! chain, then those of each level of the route table from the outermost on; the route may be chosen anew then.
//!
//! Kinds of objects as for the network filter: texts, with a hash or without, and what the TCP proxy and the rate
//! limit filter look at; others and `shared_with_upstream` are refused as not supported yet. Trust: as much as what the
//! formats say. Envoy's documentation: HTTP filters, Set-Filter-State.

mod config;
mod filter;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::{HttpFilterRoom, PerRouteRoom};

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.set_filter_state",
    message: "envoy.extensions.filters.http.set_filter_state.v3.Config",
    parse: config::parse,
    per_route: Some(PerRouteRoom {
        message: "envoy.extensions.filters.http.set_filter_state.v3.Config",
        parse: config::parse_per_route,
    }),
    support: |table| config::Config::support(table),
};
