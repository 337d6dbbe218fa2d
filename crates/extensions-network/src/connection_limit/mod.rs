//! `envoy.filters.network.connection_limit`: closes connections beyond a number of them that live at once.
//!
//! The number is the process's, counted for each filter in a configuration by itself, by one atomic add a connection.
//! A connection beyond it is closed at once, or after `delay`, during which nothing of it is read. Trust: nothing of
//! the client is looked at. Envoy's documentation: network filters, Connection limit.

mod config;
mod filter;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::NetworkFilterRoom;

/// The room.
pub static ROOM: NetworkFilterRoom = NetworkFilterRoom {
    name: "envoy.filters.network.connection_limit",
    message: "envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit",
    parse: config::parse,
    support: |table| config::ConnectionLimit::support(table),
};
