//! `envoy.filters.http.geoip`: tells hosts where a client is, by headers that MaxMind's databases fill: the client's
//! address, or one of `x-forwarded-for` or of a header of its own.
//!
//! Headers of these names that a client sent are replaced where something is known, and stay where nothing is, as in
//! Envoy. Trust: addresses come from anybody; looking one up takes as many steps as it has bits. Limits and differences
//! are those of the provider (`nuncio_contract::geoip`). Envoy's documentation: HTTP filters, GeoIP.

mod config;
mod filter;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::geoip::Provider;
use nuncio_contract::registry::HttpFilterRoom;

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.geoip",
    message: "envoy.extensions.filters.http.geoip.v3.Geoip",
    parse: config::parse,
    per_route: None,
    support: |table| {
        config::Geoip::support(table);
        Provider::support(table);
    },
};
