//! `envoy.filters.http.on_demand`: a request whose route or cluster is not there waits while a server is asked for it.
//!
//! The request goes on where it stands, whatever came of it, and the router answers 503 if there is still no cluster.
//! A configuration on a route takes the place of the filter's, so that one without `odcds` asks nobody. Limits: those
//! of questions (65536 wait), 5 s each. Trust: where routes take the cluster's name from a header, clients choose what
//! is asked for. Its route is looked for again once its virtual host has come (VHDS), or the routes of
//! its scope, which is asked for once a request.
//! Envoy's documentation: HTTP filters, on-demand.

mod config;
mod filter;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::{HttpFilterRoom, PerRouteRoom};

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.on_demand",
    message: "envoy.extensions.filters.http.on_demand.v3.OnDemand",
    parse: config::parse,
    per_route: Some(PerRouteRoom {
        message: "envoy.extensions.filters.http.on_demand.v3.PerRouteConfig",
        parse: config::parse_per_route,
    }),
    support: |table| {
        config::OnDemand::support(table);
        config::PerRouteConfig::support(table);
    },
};
