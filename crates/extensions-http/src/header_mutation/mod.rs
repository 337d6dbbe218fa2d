//! `envoy.filters.http.header_mutation`: adds, sets and removes headers and trailers of requests and responses, and
//! query parameters of requests.
//!
//! No limit of its own. Trust: values may hold `%OPERATORS%`, which may copy what a client sent. Different from Envoy:
//! a query that is changed keeps what could not stand there encoded. Envoy's documentation: HTTP filters, Header
//! Mutation.

mod config;
mod filter;
mod steps;
#[cfg(test)]
mod tests;

pub(crate) use filter::change_request;
use nuncio_config::typed::FromValue;
use nuncio_contract::registry::{HttpFilterRoom, PerRouteRoom};

/// The room.
pub static ROOM: HttpFilterRoom = HttpFilterRoom {
    name: "envoy.filters.http.header_mutation",
    message: "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
    parse: config::parse,
    per_route: Some(PerRouteRoom {
        message: "envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute",
        parse: config::parse_per_route,
    }),
    support: |table| {
        config::HeaderMutation::support(table);
        config::HeaderMutationPerRoute::support(table);
    },
};
