//! `envoy.filters.network.set_filter_state`: objects made of formats when a connection begins, behind its handshake
//! and when its first bytes come, for filters behind it, the TCP proxy and the access log.
//!
//! The kinds of objects that are known: texts, with a hash or without (`envoy.string`, `envoy.hashable_string`), and
//! what the TCP proxy (`envoy.tcp_proxy.cluster`, `.disable_tunneling`, `.per_connection_idle_timeout_ms`) and the rate
//! limit filter look at (`envoy.ratelimit.hits_addend`). Other kinds and `shared_with_upstream` are refused as not supported yet, so are other kinds than `envoy.string`
//! behind the start of a connection, and objects of a connection's first bytes before a connection manager. Trust: as much as what the formats
//! say. Envoy's documentation: network filters, Set-Filter-State.

mod config;
mod filter;

use std::sync::Arc;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::NetworkFilterRoom;

/// The room.
pub static ROOM: NetworkFilterRoom = NetworkFilterRoom {
    name: "envoy.filters.network.set_filter_state",
    message: "envoy.extensions.filters.network.set_filter_state.v3.Config",
    parse: |any, ctx| Ok(Arc::new(config::Values::parse(any, ctx)?)),
    support: |table| config::SetFilterState::support(table),
};
