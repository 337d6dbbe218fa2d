//! `envoy.filters.http.gcp_authn`: shows hosts a token of GCP's metadata service, or one of another account, for their
//! cluster or for all requests.
//!
//! Which token: that of the filter's `audience`, else that of the cluster's typed metadata. Each request that needs one and
//! finds none kept asks for it and waits; without a token it passes as it is. Tokens are kept by each worker, if
//! `cache_size` says so, until a minute before they end. Limit: answers of 64 KiB.
//! Trust: the metadata service is the configuration's; what cannot stand in a header is no token. Follows Envoy's
//! documentation of its GCP authentication filter and Google's of the metadata server.
//!
//! Different from Envoy: tokens that are bound to certificates are not there and refused; a kept token of another account is
//! for the one alone who asked; bytes that cannot stand in a path are escaped in audiences.

mod cache;
mod config;
mod filter;
#[cfg(test)]
mod tests;
mod token;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::HttpFilterRoom;

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.gcp_authn",
    message: "envoy.extensions.filters.http.gcp_authn.v3.GcpAuthnFilterConfig",
    parse: config::parse,
    per_route: None,
    support: config::GcpAuthnFilterConfig::support,
};
