//! `envoy.filters.network.tcp_bandwidth_limit`: so many KiB of a connection's bytes pass each second, in either direction.
//!
//! All connections of the filter share a bucket for each direction, which holds what passes in a second. What is too
//! much waits here, as much as was read at once, and passes in parts, one each `fill_interval` (50 ms). A limit of 0 lets
//! nothing pass. Trust: none is needed.
//!
//! Different from Envoy: nothing more is read from a side whose bytes wait, so that less of it counts as throttled,
//! and a client that goes away meanwhile is noticed once they have passed; `*_bytes_buffered` are what waits of all
//! connections, where Envoy shows that of the last one. Refused as not supported
//! yet: a chain that does not end in the TCP proxy. Envoy's documentation: network filters, TCP bandwidth limit.

mod config;
mod filter;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::NetworkFilterRoom;

/// The room.
pub static ROOM: NetworkFilterRoom = NetworkFilterRoom {
    name: "envoy.filters.network.tcp_bandwidth_limit",
    message: "envoy.extensions.filters.network.tcp_bandwidth_limit.v3.TcpBandwidthLimit",
    parse: config::parse,
    support: |table| config::TcpBandwidthLimit::support(table),
};
