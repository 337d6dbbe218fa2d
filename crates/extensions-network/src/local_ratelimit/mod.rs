//! `envoy.filters.network.local_ratelimit`: closes new connections while a bucket has no tokens.
//!
//! The bucket is the process's, shared by the workers without a lock; filters with the same `share_key` and the same
//! bucket share it. Trust: nothing of the client is looked at. Envoy's documentation: network filters, Local rate
//! limit.

mod config;
mod filter;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::NetworkFilterRoom;

/// The room.
pub static ROOM: NetworkFilterRoom = NetworkFilterRoom {
    name: "envoy.filters.network.local_ratelimit",
    message: "envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit",
    parse: config::parse,
    support: |table| config::LocalRateLimit::support(table),
};
