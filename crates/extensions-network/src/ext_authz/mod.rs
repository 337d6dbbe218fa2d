//! `envoy.filters.network.ext_authz`: asks a service over gRPC whether a connection may be, when its first bytes come.
//!
//! The service is told of both ends, of the client's certificate and the TLS session if that is wanted. What comes
//! meanwhile waits in the socket. Defaults are Envoy's: 200 ms for the service, closed where it fails. Trust: the
//! service is trusted with the verdict and the metadata. A TCP proxy behind it has connected to a host by then, as in
//! Envoy. Envoy's documentation: network filters, External Authorization.
//!
//! Different from Envoy: a client that goes away while the service thinks is noticed once it has spoken. Refused as not
//! supported yet: `bootstrap_metadata_labels_key`, `send_tls_alert_on_denial`.

mod config;
mod filter;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::NetworkFilterRoom;

/// The room.
pub static ROOM: NetworkFilterRoom = NetworkFilterRoom {
    name: "envoy.filters.network.ext_authz",
    message: "envoy.extensions.filters.network.ext_authz.v3.ExtAuthz",
    parse: config::parse,
    support: |table| config::ExtAuthz::support(table),
};
