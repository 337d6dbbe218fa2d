//! `envoy.filters.network.ratelimit`: asks a service of rate limits whether a connection is one too many, when it comes.
//!
//! It is asked by descriptors of the configuration, whose values may have what is known of the connection. Nothing of
//! the client is read meanwhile. Defaults are Envoy's: 20 ms for the service, and connections pass where it fails.
//! Runtime: `ratelimit.tcp_filter_enabled`, `ratelimit.tcp_filter_enforcing`, in percent. Trust: the service is trusted
//! with the verdict and the metadata. Envoy's documentation: network filters, Rate limit.
//!
//! Different from Envoy: a client that goes away while the service thinks is noticed once it has spoken. Refused as not
//! supported yet: `limit` and `hits_addend` of descriptors, which Envoy passes over here.

mod config;
mod filter;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::NetworkFilterRoom;

/// The room.
pub static ROOM: NetworkFilterRoom = NetworkFilterRoom {
    name: "envoy.filters.network.ratelimit",
    message: "envoy.extensions.filters.network.ratelimit.v3.RateLimit",
    parse: config::parse,
    support: |table| config::RateLimit::support(table),
};
