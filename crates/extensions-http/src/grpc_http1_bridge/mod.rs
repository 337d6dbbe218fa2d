//! `envoy.filters.http.grpc_http1_bridge`: lets clients of HTTP/1 call gRPC's services: of the trailers of a response
//! the status goes into its head, 503 where the call has failed; bare protobuf may become gRPC and back.
//!
//! Limits: responses are held back whole, up to the buffer limit (500), and so are requests that become gRPC (413); of a
//! request that is cut short by trailers the frame has no head, as in Envoy. Envoy's documentation: HTTP filters, gRPC
//! HTTP/1.1 bridge.

mod config;
mod filter;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::HttpFilterRoom;

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.grpc_http1_bridge",
    message: "envoy.extensions.filters.http.grpc_http1_bridge.v3.Config",
    parse: config::parse,
    per_route: None,
    support: config::Config::support,
};
