//! `envoy.filters.http.ext_authz`: asks a service whether a request may pass, by gRPC or HTTP, and does to it what the
//! service says: headers, query parameters, metadata, or an answer for the client.
//!
//! Limits: of a body as much goes to the service as `max_request_bytes`; an answer of the service may have 32 MiB, and
//! what it adds to a request keeps to the limits of the connection manager's heads. The defaults are Envoy's: 200 ms for
//! gRPC, 403 where the service fails. Trust: the service is trusted with what it changes, but for what is no header,
//! would be another request, or says how long a body is; where it fails nobody passes unless `failure_mode_allow`. A
//! request that nobody waits for any more takes its question with it.
//!
//! Differs from Envoy: `enforce_response_header_limits` knows one limit, of 100 headers.
//!
//! Left out, and so refused: `typed_metadata_context_namespaces`, `route_typed_metadata_context_namespaces` and
//! `bootstrap_metadata_labels_key`. Envoy's documentation: HTTP filters, External Authorization.

mod apply;
mod check;
mod config;
mod filter;
mod grpc_answer;
mod http_service;
mod messages;
mod query;
mod service;
mod stats;
#[cfg(test)]
mod tests;
mod told;
mod verdict;

pub(crate) use verdict::decides_framing;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::{HttpFilterRoom, PerRouteRoom};

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.ext_authz",
    message: "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
    parse: config::parse,
    per_route: Some(PerRouteRoom {
        message: "envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute",
        parse: config::parse_per_route,
    }),
    support: |table| {
        messages::ExtAuthz::support(table);
        messages::ExtAuthzPerRoute::support(table);
    },
};
