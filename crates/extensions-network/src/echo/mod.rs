//! `envoy.filters.network.echo`: sends back what comes, and ends when the client does.
//!
//! Nothing is read while what was read is not sent, so that a client that does not read costs one read's bytes. No
//! limit, no option. Envoy's documentation: network filters, Echo.

mod filter;

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::FromValue;
use nuncio_contract::registry::NetworkFilterRoom;

message! {
    /// It has no fields.
    struct Echo: "envoy.extensions.filters.network.echo.v3.Echo" {}
}

/// The room.
pub static ROOM: NetworkFilterRoom = NetworkFilterRoom {
    name: "envoy.filters.network.echo",
    message: "envoy.extensions.filters.network.echo.v3.Echo",
    parse: |any, ctx| {
        any.decode::<Echo>(ctx)?;
        Ok(Arc::new(filter::Sending))
    },
    support: |table| Echo::support(table),
};
