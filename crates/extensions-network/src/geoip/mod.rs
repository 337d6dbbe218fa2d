//! `envoy.filters.network.geoip`: says where a client is, by MaxMind's databases, in the filter state `envoy.geoip` of
//! its connection, for filters behind it and access logs.
//!
//! Trust: where the address comes from a format, as much as what that says; looking one up takes as many steps as it
//! has bits. Limits and differences are those of the provider (`nuncio_contract::geoip`). Envoy's documentation: network
//! filters, GeoIP.

mod config;
mod filter;

use std::sync::Arc;

use nuncio_config::typed::FromValue;
use nuncio_contract::geoip::Provider;
use nuncio_contract::registry::NetworkFilterRoom;

/// The room.
pub static ROOM: NetworkFilterRoom = NetworkFilterRoom {
    name: "envoy.filters.network.geoip",
    message: "envoy.extensions.filters.network.geoip.v3.Geoip",
    parse: |any, ctx| Ok(Arc::new(config::parse(any, ctx)?)),
    support: |table| {
        config::Geoip::support(table);
        Provider::support(table);
    },
};
