//! `envoy.filters.http.api_key_auth`: lets requests through that carry the key of a client, in a header, a query
//! parameter or a cookie; the first source that has one counts, and of several headers the first.
//!
//! Keys are looked up by their SHA-256, so that neither time nor memory tells of them. Trust: what the client says is
//! checked, and the name that is passed on is one of the configuration. No limit of its own. Envoy's documentation:
//! HTTP filters, API key auth.
//!
//! As in Envoy, a level's `forwarding` takes the chain's place even where it says nothing, and hiding keys in queries
//! and cookies writes both anew: parameters sorted by name, cookies without quotes. Different from Envoy: of what it
//! decodes in a query, what could not stand there stays encoded; pseudo-headers and `host` are refused as sources.

mod config;
mod filter;
mod source;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::{HttpFilterRoom, PerRouteRoom};

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.api_key_auth",
    message: "envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuth",
    parse: config::parse,
    per_route: Some(PerRouteRoom {
        message: "envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuthPerRoute",
        parse: config::parse_per_route,
    }),
    support: |table| {
        config::ApiKeyAuth::support(table);
        config::ApiKeyAuthPerRoute::support(table);
    },
};
