//! `envoy.filters.http.ext_proc`: tells a processor of the parts of a stream by gRPC, and does to them what it says: heads,
//! bodies, trailers and metadata change, or the client gets an answer in the place of all of it.
//!
//! Limits: bodies are kept up to the buffer limit of the connection, beyond which the peer is held back, and a buffered
//! one is refused (413 and 500); a message of the processor may have [`session::MAX_MESSAGE_BYTES`] unless its service
//! says less. The defaults are Envoy's: 200 ms for each answer, a processor that fails is a 500, heads alone are told.
//! Trust: the processor is trusted with what it changes, within `mutation_rules`; but for what is no header, would be
//! another request, or says where a body ends. A length that it says must be true: other than Envoy, this holds for
//! bodies that it leaves as they are too, and a length in places where it is not asked for is left out. A body that it
//! alone has is never given up for lost, whatever is allowed.
//!
//! Left out, and so refused: `http_service`, `filter_metadata`, `on_processing_response`, `processing_request_modifier`,
//! the body mode `GRPC`, and typed namespaces of metadata. A processor that speaks while nothing is asked is heard when
//! the next part comes. Envoy's documentation: HTTP filters, External Processing.

mod answers;
mod attributes;
mod body;
mod config;
mod fail;
mod filter;
mod heads;
mod messages;
mod modes;
mod observe;
mod session;
mod side;
mod stats;
mod tell;
#[cfg(test)]
mod tests;
mod told;
mod turn;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::{HttpFilterRoom, PerRouteRoom};

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.ext_proc",
    message: "envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor",
    parse: config::parse,
    per_route: Some(PerRouteRoom {
        message: "envoy.extensions.filters.http.ext_proc.v3.ExtProcPerRoute",
        parse: config::parse_per_route,
    }),
    support: |table| {
        messages::ExternalProcessor::support(table);
        messages::ExtProcPerRoute::support(table);
    },
};
