//! `envoy.filters.http.sse_to_metadata`: looks into the events of responses (`text/event-stream`) and makes metadata of
//! values in their JSON, such as how many tokens a model has used, for logs and other filters.
//!
//! Events pass as they come; only what is left of one that is not complete is kept. Limits: an event of 8 KiB
//! (`max_event_size`; 10 MiB at most, also where 0 takes the limit away, which is without one in Envoy), JSON nested 1,000
//! deep. Trust: hosts choose the values, the configuration the names. Envoy's documentation: HTTP filters, SSE to metadata.

mod config;
mod events;
mod filter;
mod rules;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::HttpFilterRoom;

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.sse_to_metadata",
    message: "envoy.extensions.filters.http.sse_to_metadata.v3.SseToMetadata",
    parse: config::parse,
    per_route: None,
    support: |table| {
        config::SseToMetadata::support(table);
        config::JsonContentParser::support(table);
    },
};
