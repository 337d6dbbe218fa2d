//! `envoy.filters.http.json_to_metadata`: makes dynamic metadata of what stands in JSON bodies of requests and
//! responses; metadata of a request makes that its route is looked for again.
//!
//! Limits: a body is held back whole, up to the buffer limit (413 for requests, 500 for responses); JSON is nested 1,000
//! levels deep at most; of a text 8 KiB are taken. Trust: bodies of anybody are safe to read; what comes of them is as
//! they say. Envoy's documentation: HTTP filters, Json-To-Metadata.

mod config;
mod filter;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::{HttpFilterRoom, PerRouteRoom};

const MESSAGE: &str = "envoy.extensions.filters.http.json_to_metadata.v3.JsonToMetadata";

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.json_to_metadata",
    message: MESSAGE,
    parse: config::parse,
    per_route: Some(PerRouteRoom {
        message: MESSAGE,
        parse: config::parse_per_route,
    }),
    support: config::JsonToMetadata::support,
};
