//! `envoy.filters.http.set_metadata`: gives streams dynamic metadata from the configuration, the chain's first and
//! then that of the most specific level.
//!
//! No limit of its own. Trust: nothing of a request is looked at. Envoy's documentation: HTTP filters, Set Metadata.
//! Typed metadata is refused as not supported yet.

mod config;
mod filter;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::{HttpFilterRoom, PerRouteRoom};

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.set_metadata",
    message: "envoy.extensions.filters.http.set_metadata.v3.Config",
    parse: config::parse,
    per_route: Some(PerRouteRoom {
        message: "envoy.extensions.filters.http.set_metadata.v3.Config",
        parse: config::parse_per_route,
    }),
    support: |table| config::Config::support(table),
};
