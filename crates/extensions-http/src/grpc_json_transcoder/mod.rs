//! `envoy.filters.http.grpc_json_transcoder`: clients of HTTP and JSON call services of gRPC. Methods are bound to paths
//! by `google.api.http`; bodies, paths and queries become messages, messages become JSON, statuses become those of HTTP.
//!
//! Limits: what is held of a request or of a response is bounded by `max_request_body_size` and `max_response_body_size`,
//! or by the connection's buffer limit (413, 500); descriptors are at most 64 MiB. The descriptors are trusted, bodies
//! are not. Differences from Envoy: entries of maps without key or value, and frames that are cut short in streams, end
//! no process; a list that is added to a head which was all there was has a length that fits; a unary answer of
//! `google.api.HttpBody` without trailers is not waited for. Envoy's documentation: HTTP filters, gRPC-JSON transcoder.

mod call;
mod config;
mod filter;
mod methods;
mod reply;
mod request;
mod response;
mod status;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::{HttpFilterRoom, PerRouteRoom};

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.grpc_json_transcoder",
    message: config::MESSAGE,
    parse: config::parse,
    per_route: Some(PerRouteRoom {
        message: config::MESSAGE,
        parse: config::parse_per_route,
    }),
    support: |table| config::GrpcJsonTranscoder::support(table),
};
