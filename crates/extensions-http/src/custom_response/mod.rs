//! `envoy.filters.http.custom_response`: a response becomes another one, chosen by a matcher tree that is asked about
//! the request, the response's headers and the stream. Answers of the proxy itself become others as well.
//!
//! Of the route's levels the most specific one whose tree leads to a policy counts, at last the chain's. Limits: a body
//! or format from a file has at most 1 MiB. Redirects are in `redirect.rs`. Not there: `response_code` in a
//! `redirect_action`, which Envoy ignores, and is
//! refused. Envoy's documentation: HTTP filters, custom response.

mod config;
mod filter;
mod redirect;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::{HttpFilterRoom, PerRouteRoom};

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.custom_response",
    message: "envoy.extensions.filters.http.custom_response.v3.CustomResponse",
    parse: config::parse,
    per_route: Some(PerRouteRoom {
        message: "envoy.extensions.filters.http.custom_response.v3.CustomResponse",
        parse: config::parse_per_route,
    }),
    support: |table| {
        config::CustomResponse::support(table);
        config::LocalResponsePolicy::support(table);
        config::RedirectPolicy::support(table);
    },
};
