//! `envoy.filters.http.cors`: answers preflights of browsers, and tells them in the headers of responses what a page
//! of another origin may see.
//!
//! The policy is the route table's: in `typed_per_filter_config`, or else in the deprecated `cors` fields of the route
//! and its virtual host. Each of its parts is taken from the most specific level that has it. Only routes that forward
//! have one. No limit of its own. Trust: an allowed origin is sent back as the client sent it, and with `*` so are
//! the methods and headers that it asks for. Envoy's documentation: HTTP filters, CORS.

mod config;
mod filter;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::cors::CorsPolicyMessage;
use nuncio_contract::registry::{HttpFilterRoom, PerRouteRoom};

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.cors",
    message: "envoy.extensions.filters.http.cors.v3.Cors",
    parse: config::parse,
    per_route: Some(PerRouteRoom {
        message: "envoy.extensions.filters.http.cors.v3.CorsPolicy",
        parse: config::parse_per_route,
    }),
    support: |table| {
        config::Cors::support(table);
        CorsPolicyMessage::support(table);
    },
};
