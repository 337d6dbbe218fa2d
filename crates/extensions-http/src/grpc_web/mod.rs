//! `envoy.filters.http.grpc_web`: lets browsers call gRPC's services: what they send as gRPC-Web goes on as gRPC, and
//! the trailers of the response come as the last frame of its body; both bodies may be base64.
//!
//! Limits: of a response that is no gRPC, 16 KiB become `grpc-message`, as Envoy has it (there a body in a single piece
//! counts whole); frames are encoded as they come and never kept. A response of text that breaks off within a frame ends
//! there, where Envoy waits for more; counts as `grpc_stats` does. Trust: browsers are not trusted; names of services
//! and methods in stats are theirs. Envoy's documentation: HTTP filters, gRPC-Web.

mod config;
mod filter;
#[cfg(test)]
mod tests;
mod text;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::HttpFilterRoom;

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.grpc_web",
    message: "envoy.extensions.filters.http.grpc_web.v3.GrpcWeb",
    parse: config::parse,
    per_route: None,
    support: config::GrpcWeb::support,
};
