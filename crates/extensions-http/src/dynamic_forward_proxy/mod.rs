//! `envoy.filters.http.dynamic_forward_proxy`: before a request goes to a cluster whose hosts are whatever names
//! requests ask for, its host's name is resolved, after a route has put another host in its place.
//!
//! Limits: those of the cache of names, which is the cluster's: so many names, so many requests that wait. Trust: the
//! client chooses where the request goes, and with `host_rewrite_header` by a header of its choice. Different from
//! Envoy: the cache is that of the cluster that the route leads to, which is to be the one that the filter names. Not
//! there, and so refused: `sub_cluster_config`, `allow_dynamic_host_from_filter_state`.
//! Envoy's documentation: HTTP filters, dynamic forward proxy.

mod config;
mod filter;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::{HttpFilterRoom, PerRouteRoom};

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.dynamic_forward_proxy",
    message: "envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig",
    parse: config::parse,
    per_route: Some(PerRouteRoom {
        message: "envoy.extensions.filters.http.dynamic_forward_proxy.v3.PerRouteConfig",
        parse: config::parse_per_route,
    }),
    support: |table| {
        config::FilterConfig::support(table);
        config::PerRouteConfig::support(table);
    },
};
