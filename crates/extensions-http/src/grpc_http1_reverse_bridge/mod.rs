//! `envoy.filters.http.grpc_http1_reverse_bridge`: lets gRPC's clients call services that know nothing of gRPC: requests
//! get another type of content, responses the status of gRPC in trailers; the frames of messages may come and go too.
//!
//! Limits: a response whose length nobody tells is held back whole where its frame is to be made, up to the buffer limit
//! (500; Envoy has no limit there). Routes may switch the filter off. Envoy's documentation: HTTP filters, gRPC HTTP/1.1
//! reverse bridge.

mod config;
mod filter;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::{HttpFilterRoom, PerRouteRoom};

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.grpc_http1_reverse_bridge",
    message: "envoy.extensions.filters.http.grpc_http1_reverse_bridge.v3.FilterConfig",
    parse: config::parse,
    per_route: Some(PerRouteRoom {
        message: "envoy.extensions.filters.http.grpc_http1_reverse_bridge.v3.FilterConfigPerRoute",
        parse: config::parse_per_route,
    }),
    support: |table| {
        config::FilterConfig::support(table);
        config::FilterConfigPerRoute::support(table);
    },
};
